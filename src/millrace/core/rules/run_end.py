"""How a run ends, from how its tasks ended."""

from __future__ import annotations

from millrace.core.progress import RunProgress
from millrace.core.states import RunState, TaskState


def end_state(run: RunProgress) -> tuple[RunState, str]:
    """State and reason of a run all of whose tasks have ended, as Airflow defines it: the leaves decide.

    Prevents: a run that is called failed although a later task handled the failure, or called successful although what
    it was for did not happen.
    """
    downstream = run.topology.downstream
    failed = [
        run.graph.tasks[i].task_id
        for i, t in enumerate(run.tasks)
        if not downstream[i] and t.state in (TaskState.FAILED, TaskState.UPSTREAM_FAILED)
    ]
    if not failed:
        return RunState.SUCCESS, ""
    causes = [run.graph.tasks[i].task_id for i, t in enumerate(run.tasks) if t.state is TaskState.FAILED] or failed
    shown = ", ".join(repr(c) for c in causes[:3]) + (f" and {len(causes) - 3} more" if len(causes) > 3 else "")
    return RunState.FAILED, f"task{'s' if len(causes) > 1 else ''} {shown} failed"
