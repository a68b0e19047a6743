"""Millrace: data to a served model.

What a pipeline file imports. Invariant: `import millrace` loads nothing; each name is fetched from its module when it
is first asked for (PEP 562), so that tools which only look at the package stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from millrace.version import __version__

if TYPE_CHECKING:
    from millrace.authoring.current_task import current_task
    from millrace.authoring.latest import latest
    from millrace.authoring.pipelines import DAG, dag, pipeline
    from millrace.authoring.tasks import component, task
    from millrace.core.errors import FailWithoutRetry, SkipTask, TaskFailure
    from millrace.core.types import Artifact, Dataset, Input, Metrics, Model, Output
    from millrace.tracking.fluent import (
        log_metric,
        log_metrics,
        log_param,
        log_params,
        set_tag,
        set_tags,
    )

__all__ = [
    "DAG",
    "Artifact",
    "Dataset",
    "FailWithoutRetry",
    "Input",
    "Metrics",
    "Model",
    "Output",
    "SkipTask",
    "TaskFailure",
    "__version__",
    "component",
    "current_task",
    "dag",
    "latest",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "pipeline",
    "set_tag",
    "set_tags",
    "task",
]

_NAMES_BY_MODULE = {
    "millrace.authoring.current_task": ("current_task",),
    "millrace.authoring.latest": ("latest",),
    "millrace.authoring.pipelines": ("DAG", "dag", "pipeline"),
    "millrace.authoring.tasks": ("component", "task"),
    "millrace.core.errors": ("FailWithoutRetry", "SkipTask", "TaskFailure"),
    "millrace.core.types": ("Artifact", "Dataset", "Input", "Metrics", "Model", "Output"),
    "millrace.tracking.fluent": (
        "log_metric",
        "log_metrics",
        "log_param",
        "log_params",
        "set_tag",
        "set_tags",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'millrace' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value  # the next access is an ordinary one
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
