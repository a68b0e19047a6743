"""Operators in Airflow's form: a class whose instance is a task of the pipeline it is made in.

Invariant: an operator is a task function with its arguments and nothing more, so that it runs, caches, fails and
shows as every other task.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from millrace.authoring.bash import run_bash
from millrace.authoring.bodies import TaskDefinition, current_body
from millrace.authoring.function_interface import read_interface
from millrace.authoring.handles import TaskHandle
from millrace.authoring.options import OperatorArguments, TaskOptions
from millrace.authoring.source_lines import caller, caller_locals
from millrace.authoring.tasks import HasBody
from millrace.core.errors import GraphError


class Operator(TaskHandle):
    """The base of operators: puts ``function`` with its arguments into the pipeline."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        task_id: str,
        dag: HasBody | None,
        options: Mapping[str, Any],
        doc: str | None = None,
    ) -> None:
        name, where = type(self).__name__, str(caller())
        given = TaskOptions.of({**options, "task_id": task_id}, what=name, where=where)
        body = current_body.get() if dag is None else dag.body
        if body is None:
            raise GraphError(
                f"{name} {task_id!r} stands outside of a pipeline",
                where=where,
                remedy="Make it inside `with DAG(...)`, or pass dag=.",
            )
        definition = TaskDefinition(
            component=name,
            function=function,
            interface=read_interface(function, caller_locals(), lenient=True),
            options=given.over(TaskOptions(doc=doc)),
        )
        super().__init__(body.add(definition, args, kwargs, numbered=False))


class BashOperator(Operator):
    """Run a command with bash; see :func:`millrace.authoring.bash.run_bash` for what it gives and when it fails.

    ``env`` replaces the environment unless ``append_env``; exit code ``skip_on_exit_code`` ends the task as skipped.
    """

    def __init__(
        self,
        *,
        task_id: str,
        bash_command: str,
        env: Mapping[str, str] | None = None,
        append_env: bool = False,
        cwd: str | None = None,
        skip_on_exit_code: int | Sequence[int] | None = 99,
        dag: HasBody | None = None,
        **options: Unpack[OperatorArguments],
    ) -> None:
        arguments: dict[str, Any] = {
            "bash_command": bash_command,
            "env": env,
            "append_env": append_env,
            "cwd": cwd,
            "skip_on_exit_code": skip_on_exit_code,
        }
        super().__init__(run_bash, (), arguments, task_id=task_id, dag=dag, options=options)


class PythonOperator(Operator):
    """Call ``python_callable(*op_args, **op_kwargs)``; outputs of other tasks may stand among the arguments."""

    def __init__(
        self,
        *,
        task_id: str,
        python_callable: Callable[..., Any],
        op_args: Sequence[Any] = (),
        op_kwargs: Mapping[str, Any] | None = None,
        dag: HasBody | None = None,
        **options: Unpack[OperatorArguments],
    ) -> None:
        if not callable(python_callable):
            raise GraphError(
                f"python_callable of {task_id!r} is no function",
                where=str(caller()),
                remedy="Pass the function itself.",
            )
        function = getattr(python_callable, "__wrapped_task__", python_callable)
        doc = inspect.getdoc(function)
        super().__init__(function, tuple(op_args), op_kwargs or {}, task_id=task_id, dag=dag, options=options, doc=doc)


class EmptyOperator(Operator):
    """Do nothing: a point for others to wait for."""

    def __init__(self, *, task_id: str, dag: HasBody | None = None, **options: Unpack[OperatorArguments]) -> None:
        super().__init__(do_nothing, (), {}, task_id=task_id, dag=dag, options=options)


def do_nothing() -> None:
    """What an :class:`EmptyOperator` runs."""
