"""Names of functions in a graph: ``module:qualname``.

Invariant: the name is the same whether the file was imported, run as a script or loaded as a pipeline file, so that
cached results and versions do not depend on how a pipeline was started.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millrace.authoring.annotations import name_of, where_of
from millrace.core.errors import GraphError


def module_of(function: Callable[..., Any]) -> str:
    """The module's name; for a script that is run, the name that its file has when it is imported."""
    name = getattr(function, "__module__", None) or type(function).__module__
    if name != "__main__":
        return str(name)
    file = getattr(sys.modules["__main__"], "__file__", None)
    return os.path.splitext(os.path.basename(file))[0] if file else "__main__"  # noqa: PTH119, PTH122 - once per task: a Path costs more than the rest of it


def code_of(function: Callable[..., Any]) -> str:
    """``module:qualname`` of a function."""
    qualname = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module_of(function)}:{qualname}"


def importable_code_of(function: Callable[..., Any], where: str) -> str:
    """``module:qualname``, from which a worker finds the function again; GraphError for what it could not find."""
    code = code_of(function)
    module, _, qualname = code.partition(":")
    found = _loaded_module(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    # While the module is still being imported its decorated name may not be bound; then the shape must do.
    if found is None and "<" not in qualname and inspect.isfunction(function):
        return code
    if found is function or getattr(found, "__wrapped__", None) is function:
        return code
    shown = name_of(function)
    raise GraphError(
        f"{'a lambda' if shown == '<lambda>' else shown} cannot be passed to a task: "
        "a worker can only find functions that stand at the top of a module",
        where=where_of(function) if shown != "<lambda>" else where,
        remedy="Define it with `def` at the top of a file, outside of any function or class.",
    )


def _loaded_module(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return main if file and Path(file).stem == name else None
