"""Collects what a task wrote and returned, and publishes it.

Invariant: nothing is published before every output has been found to be there and to be what the task declared;
when something fails after that, what was published of this attempt is deleted again. So a failed attempt leaves
neither outputs nor staging behind.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson

from millrace.core.attempts import Launch, WrittenOutput
from millrace.core.errors import MillraceError, TaskFailure
from millrace.core.types import INLINE_LIMIT, Artifact, Dataset, Json, Metrics, Value
from millrace.interfaces import ArtifactStore, LoadedTask
from millrace.worker.plain_values import plain
from millrace.worker.tables import write_table


@attrs.frozen
class _Ready:
    """An output that is complete on the local disk and waits to be published."""

    name: str
    type: str
    path: Path
    metadata: Mapping[str, Json]


class Outputs:
    """The outputs of one attempt."""

    def __init__(self, launch: Launch, task: LoadedTask, artifacts: ArtifactStore) -> None:
        self._launch = launch
        self._task = task
        self._store = artifacts
        self._staged: list[Path] = []
        self._published: list[str] = []
        self._parameters: dict[str, Artifact] = {}

    def parameters(self) -> Mapping[str, Artifact]:
        """The artifacts to pass for ``Output[...]`` parameters, each with a fresh path to write."""
        for name, kind in self._task.output_parameters.items():
            make: type[Artifact] = kind
            self._parameters[name] = make(self._staging(name), uri=self._uri(name), name=name)
        return self._parameters

    def collect(self, returned: object) -> tuple[tuple[WrittenOutput, ...], dict[str, float]]:
        """Publish everything: the outputs, and the numbers of all ``Metrics`` among them by name."""
        values: list[WrittenOutput] = []
        ready = [self._written(name, artifact) for name, artifact in self._parameters.items()]
        for name, value in self._returned(returned).items():
            kind = self._task.returns[name]
            if kind is not None:
                ready.append(self._returned_artifact(name, value, kind))
                continue
            document = plain(value, self._place(name))
            encoded = orjson.dumps(document)
            if len(encoded) <= INLINE_LIMIT:
                values.append(WrittenOutput(name, "value", "", document))
            else:
                path = self._staging(name)
                path.write_bytes(encoded)
                ready.append(_Ready(name, Value.type_name, path, {"bytes": len(encoded)}))
        published = tuple(self._publish(r) for r in ready)
        return (*values, *published), self._numbers(ready)

    def discard(self) -> None:
        """Remove everything of this attempt, published or not."""
        for uri in self._published:
            with contextlib.suppress(MillraceError, OSError):  # the sweeper takes what this cannot
                self._store.delete(uri)
        self._published.clear()
        self.remove_staging()

    def remove_staging(self) -> None:
        """Remove what was staged and not published."""
        for path in self._staged:
            _remove(path)
        self._staged.clear()

    def _staging(self, name: str) -> Path:
        path = self._store.staging(self._uri(name))
        self._staged.append(path)
        return path

    def _uri(self, name: str) -> str:
        return f"{self._launch.output_uri}/{name}"

    def _place(self, name: str) -> str:
        task = self._launch.task_id
        return (
            f"the value that task {task!r} returned" if name == "return_value" else f"output {name!r} of task {task!r}"
        )

    def _returned(self, returned: object) -> Mapping[str, object]:
        names = self._task.returns
        if set(names) == {"return_value"}:
            return {"return_value": returned}
        if not names:
            return {}
        fields: Mapping[str, Any]
        if isinstance(returned, Mapping):
            fields = returned
        elif isinstance(returned, tuple) and hasattr(returned, "_asdict"):
            fields = returned._asdict()
        else:
            raise TaskFailure(
                f"task {self._launch.task_id!r} returned a {type(returned).__name__}, not fields {', '.join(names)}",
                remedy="Return the NamedTuple of the annotation, or a dict with these keys.",
            )
        missing = [n for n in names if n not in fields]
        surplus = [str(n) for n in fields if n not in names]
        if missing or surplus:
            fault = f"lacks {', '.join(missing)}" if missing else f"has the undeclared {', '.join(surplus)}"
            raise TaskFailure(f"what task {self._launch.task_id!r} returned {fault}")
        return {name: fields[name] for name in names}

    def _written(self, name: str, artifact: Artifact) -> _Ready:
        if not artifact.path.exists():
            if not isinstance(artifact, Metrics):
                raise TaskFailure(
                    f"task {self._launch.task_id!r} did not write its output {name!r}: there is nothing at {name}.path",
                    remedy=f"Write a file or a folder to {name}.path before the task returns.",
                )
            artifact.path.write_bytes(orjson.dumps(self._metadata(name, artifact)))
        return self._ready(name, artifact, artifact.path)

    def _returned_artifact(self, name: str, value: object, kind: type[Artifact]) -> _Ready:
        path = self._staging(name)
        if isinstance(value, Artifact):
            return self._copied(name, value, kind, path)
        metadata = write_table(value, path) if issubclass(kind, Dataset) else None
        if metadata is None:
            shown = kind.__name__
            raise TaskFailure(
                f"{self._place(name)} is a {type(value).__name__}, not a {shown}",
                remedy=f"Return {shown}(path of what you wrote)"
                + (", or a Polars, pandas or PyArrow table." if issubclass(kind, Dataset) else "."),
            )
        return _Ready(name, kind.type_name, path, metadata)

    def _copied(self, name: str, value: Artifact, kind: type[Artifact], path: Path) -> _Ready:
        if not isinstance(value, kind):
            raise TaskFailure(f"{self._place(name)} is a {type(value).__name__}, not a {kind.__name__}")
        try:
            source = value.path
        except ValueError as error:
            if not isinstance(value, Metrics):
                raise TaskFailure(f"{self._place(name)}: {error}") from None
            path.write_bytes(orjson.dumps(self._metadata(name, value)))
            return self._ready(name, value, path)
        if not source.exists():
            raise TaskFailure(f"{self._place(name)} is to be at {source}, and there is nothing")
        if source.is_dir():
            shutil.copytree(source, path, dirs_exist_ok=True)
        else:
            shutil.copy2(source, path)
        return self._ready(name, value, path)

    def _ready(self, name: str, artifact: Artifact, path: Path) -> _Ready:
        return _Ready(name, type(artifact).type_name, path, self._metadata(name, artifact))

    def _metadata(self, name: str, artifact: Artifact) -> dict[str, Json]:
        document: dict[str, Json] = plain(artifact.metadata, f"the metadata of {self._place(name)}")
        return document

    def _publish(self, ready: _Ready) -> WrittenOutput:
        uri = self._uri(ready.name)
        self._published.append(uri)
        digest, size = self._store.publish(ready.path, uri)
        self._staged.remove(ready.path)  # the store's again
        return WrittenOutput(ready.name, "artifact", ready.type, None, uri, digest, size, ready.metadata)

    def _numbers(self, ready: list[_Ready]) -> dict[str, float]:
        declared = {**self._task.output_parameters, **self._task.returns}
        found: dict[str, float] = {}
        for output in ready:
            kind = declared[output.name]
            if kind is not None and issubclass(kind, Metrics):
                numbers = {k: v for k, v in output.metadata.items() if _is_number(v)}
                found.update({k: float(v) for k, v in numbers.items()})
        return found


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # a left-over is swept later; it must not hide how the attempt ended
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.rmdir()  # the store's folder for it, if it holds nothing else
