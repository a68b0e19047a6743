"""The types that tasks exchange: plain values and artifacts.

A *value* is JSON; an *artifact* is a file or folder with a type, a URI and a digest. The artifact classes here
are what authors annotate with and what a task receives: a small handle, never the bytes. An artifact type is a
subclass; its lineage of names (``("Examples", "Dataset", "Artifact")``) is what the graph stores and checks.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

import attrs

from millrace.core.errors import ParameterError

Json: TypeAlias = Any
"""None, bool, int, float, str, list or dict of these; mypy cannot say it recursively without pain for every caller."""

INLINE_LIMIT = 64 * 1024
"""Bytes of JSON that a value may have in the database; a larger one is spilled to the artifact store."""


class ValueType(enum.StrEnum):
    """The type of a plain value."""

    INT = "int"
    FLOAT = "float"
    STR = "str"
    BOOL = "bool"
    LIST = "list"
    DICT = "dict"
    JSON = "json"
    PATH = "path"
    """A str that names a file or folder that the task reads; its content, not its name alone, is an input."""

    def accepts(self, value: Json) -> bool:
        """Whether ``value`` has this type. An int is a float; a bool is neither."""
        if self is ValueType.JSON:
            return True
        if self is ValueType.FLOAT:
            return isinstance(value, int | float) and not isinstance(value, bool)
        if self is ValueType.INT:
            return isinstance(value, int) and not isinstance(value, bool)
        return isinstance(value, _PYTHON_TYPES[self])

    def parse(self, text: str, *, name: str) -> Json:
        """The value that ``text``, typed on a command line, stands for; :class:`ParameterError` if none."""
        if self in {ValueType.STR, ValueType.PATH}:
            return text
        try:
            value = json.loads(text.lower() if self is ValueType.BOOL else text)
        except json.JSONDecodeError:
            value = text
            if self is ValueType.JSON:
                return text
        if not self.accepts(value):
            raise ParameterError(
                f"parameter {name!r} takes {self.article}, not {text!r}",
                remedy=f"For example: -p {name}={_EXAMPLES[self]}",
            )
        return value

    @property
    def article(self) -> str:
        """The type in words: "an integer"."""
        return _WORDS[self]


_PYTHON_TYPES: dict[ValueType, type] = {
    ValueType.STR: str,
    ValueType.BOOL: bool,
    ValueType.LIST: list,
    ValueType.DICT: dict,
    ValueType.PATH: str,
}
_WORDS = {
    ValueType.INT: "an integer",
    ValueType.FLOAT: "a number",
    ValueType.STR: "a string",
    ValueType.BOOL: "true or false",
    ValueType.LIST: "a list",
    ValueType.DICT: "a dict",
    ValueType.JSON: "a JSON value",
    ValueType.PATH: "the path of a file or folder",
}
_EXAMPLES = {
    ValueType.INT: "3",
    ValueType.FLOAT: "0.1",
    ValueType.STR: "text",
    ValueType.BOOL: "true",
    ValueType.LIST: "'[1, 2]'",
    ValueType.DICT: "'{\"a\": 1}'",
    ValueType.JSON: "null",
    ValueType.PATH: "data/rows.csv",
}


class Artifact:
    """A handle to a typed file or folder: ``uri`` and, while a task runs, the local ``path`` to read or write.

    ``metadata`` is JSON that travels with the artifact and is shown wherever it is listed.
    """

    type_name: ClassVar[str] = "Artifact"

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        uri: str = "",
        name: str = "",
        metadata: Mapping[str, Json] | None = None,
        digest: str = "",
        artifact_id: str = "",
    ) -> None:
        self._path = None if path is None else Path(path)
        self.uri = uri
        self.name = name
        self.metadata: dict[str, Json] = dict(metadata or {})
        self.digest = digest
        self.artifact_id = artifact_id

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type_name" not in cls.__dict__:
            cls.type_name = cls.__name__

    @property
    def path(self) -> Path:
        """The local file or folder. Valid while the task runs."""
        if self._path is None:
            kind = type(self).__name__
            raise ValueError(f"{kind} {self.name!r} has no local path outside a task; give it one: {kind}(path)")
        return self._path

    def __repr__(self) -> str:
        shown = self.uri or str(self._path or "")
        return f"{type(self).__name__}({shown!r})"


class Dataset(Artifact):
    """Tables, in whatever format."""


class Model(Artifact):
    """A model folder in MLmodel format."""


class Metrics(Artifact):
    """Named numbers. They are also logged to the task's tracking run."""

    def log_metric(self, name: str, value: float) -> None:
        self.metadata[name] = float(value)


class Value(Artifact):
    """A JSON value too large for the database, spilled to a file."""


def type_lineage(kind: type[Artifact]) -> tuple[str, ...]:
    """Names from ``kind`` up to ``Artifact``."""
    return tuple(c.type_name for c in kind.__mro__ if issubclass(c, Artifact))


class _Direction(enum.Enum):
    INPUT = "input"
    OUTPUT = "output"


INPUT = _Direction.INPUT
OUTPUT = _Direction.OUTPUT

SOURCE_PATH = ValueType.PATH
SourcePath = Annotated[str, SOURCE_PATH]
"""The path of a file or folder that a task reads from outside the artifact store. What is in it when the task starts
is part of the task's cache key, so changed content is a changed input."""


@attrs.frozen
class FromEarlierRun:
    """Where an optional artifact input comes from when the pipeline's author says nothing: an earlier run.

    Written in the annotation, ``previous: Annotated[Schema | None, FromEarlierRun("schema")] = None``, in names of the
    same task's parameters: ``of`` and ``where`` are an output, or an input, which then stands for the output that is
    bound to it; ``other_than`` is an input. They mean what they mean in :class:`millrace.core.graph.Latest`.
    """

    of: str
    where: str | None = None
    flag: str = ""
    other_than: str | None = None


T = TypeVar("T")
Input = Annotated[T, INPUT]
"""``Input[Dataset]``: an artifact that the task reads (the same as plain ``Dataset``)."""
Output = Annotated[T, OUTPUT]
"""``Output[Model]``: an artifact that the task writes to ``.path``."""
