"""Pusher: registers a blessed model and copies it to where it is served from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from millrace.authoring.tasks import component
from millrace.components.artifact_types import ModelBlessing, PushedModel
from millrace.core.errors import SkipTask, UsageError
from millrace.core.types import FromEarlierRun, Model, Output
from millrace.interfaces import TaskServices, task_context


@component(environment=["millrace"])
def Pusher(
    model: Model,
    blessing: ModelBlessing,
    destination: str,
    pushed: Output[PushedModel],
    model_name: str | None = None,
    alias: str | None = "champion",
    replaces: Annotated[
        PushedModel | None, FromEarlierRun("pushed", where="pushed", flag="pushed", other_than="model")
    ] = None,
) -> None:
    """Copy a blessed model to `destination/<version>/`, and with `model_name` register it under that name first.

    The registered version's number names the folder, and `alias` then points at the version; without a name the folder
    gets the next free number. A model that is not blessed is not pushed: the task ends as skipped, with the reasons.
    `replaces` comes by itself: what was pushed last for another model. Pushing is done again when that has changed, so
    going back to an earlier model brings it back to where it is served from.
    """
    from millrace.components import push_target  # lazy: data and model libraries load when a task runs

    verdict = push_target.read_blessing(blessing.path)
    if not verdict["blessed"]:
        raise SkipTask("the model is not blessed, so it is not pushed: " + "; ".join(verdict["reasons"]))
    registry = None if model_name is None else _services(model_name)
    target = Path(destination).absolute()
    push_target.prepare(target)
    if registry is None:
        version = push_target.next_version(model.path, target)
    else:
        version = str(_registered(registry, model, model_name)["version"])
    folder = push_target.push(model.path, target, version)
    if registry is not None and alias is not None:
        registry.call("registry.set_alias", {"name": model_name, "alias": alias, "version": int(version)})
    push_target.write_pushed(pushed, folder, model, version, model_name, alias)
    earlier = "" if replaces is None else f", in place of version {replaces.metadata.get('version')}"
    name = "the model" if model_name is None else f"{model_name} version {version}"
    print(f"pushed {name} to {folder}{earlier}")


def _registered(registry: TaskServices, model: Model, name: str | None) -> Any:
    return registry.call(
        "registry.create_model_version",
        {
            "name": name,
            "source": model.uri,
            "artifact_id": model.artifact_id,
            "run_id": model.metadata.get("tracking_run"),
        },
    )


def _services(name: str) -> TaskServices:
    context = task_context.get()
    if context is None:
        raise UsageError(
            f"there is no registry outside a task, so {name!r} cannot be registered",
            remedy="Leave model_name out when calling Pusher as a plain function.",
        )
    return context.services
