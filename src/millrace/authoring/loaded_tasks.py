"""From a task of a built pipeline to what a worker calls.

Invariant: ``call`` takes every input by name, whatever the function's own signature looks like.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from millrace.authoring.handles import Node
from millrace.authoring.pipelines import Pipeline
from millrace.core.errors import NotFoundError
from millrace.interfaces import LoadedTask


def loaded_tasks(pipeline: Pipeline) -> dict[str, LoadedTask]:
    """Every task of ``pipeline`` by id."""
    return {task_id: loaded_task(node) for task_id, node in pipeline.body.nodes.items()}


def loaded_task(node: Node) -> LoadedTask:
    interface = node.interface
    return LoadedTask(
        call=_by_name(node),
        output_parameters=dict(interface.output_parameters),
        input_artifacts=dict(interface.input_artifacts),
        returns=dict(interface.returns),
    )


def passed_functions(pipeline: Pipeline) -> dict[str, Callable[..., Any]]:
    """The functions that the pipeline passes to its tasks, by ``module:qualname``."""
    return {code: f for node in pipeline.body.nodes.values() for code, f in node.functions.items()}


def importable_function(code: str) -> Callable[..., Any]:
    """The function that ``module:qualname`` names; NotFoundError if the module has none."""
    module, _, qualname = code.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise NotFoundError("function", code)
    function: Callable[..., Any] = getattr(found, "__wrapped_task__", found)
    return function


def _by_name(node: Node) -> Callable[..., Any]:
    call = _with_signature(node)
    return _awaited(call) if inspect.iscoroutinefunction(node.function) else call


def _with_signature(node: Node) -> Callable[..., Any]:
    function, interface = node.function, node.interface
    if not (interface.nullable or interface.positional_only or interface.variadic):
        return function
    absent = dict.fromkeys(interface.nullable)

    def call(**inputs: Any) -> Any:
        given: dict[str, Any] = {**absent, **inputs}
        if interface.variadic:
            # What stands before *args can only be given by position once there is something for *args.
            extra = given.pop(interface.variadic, [])
            leading = interface.positional if extra else interface.positional_only
            return function(*_taken(given, leading), *extra, **given)
        return function(*_taken(given, interface.positional_only), **given)

    return call


def _taken(given: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    taken = []
    for name in names:
        if name not in given:
            break
        taken.append(given.pop(name))
    return taken


def _awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(**inputs: Any) -> Any:
        from millrace.authoring.coroutines import run_coroutine  # lazy: asyncio takes as long as all of authoring

        return run_coroutine(function(**inputs))

    return call
