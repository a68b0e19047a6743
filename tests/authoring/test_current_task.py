"""``current_task()``: inside a run it tells which one; outside it says that there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from millrace import current_task, pipeline, task
from millrace.core.errors import UsageError


@task
def about_me() -> dict[str, object]:
    now = current_task()
    return {
        "task_id": now.task_id,
        "pipeline": now.pipeline,
        "try": now.try_number,
        "interval": [str(now.data_interval_start), str(now.data_interval_end)],
        "n": now.params["n"],
    }


@pipeline(schedule="0 0 * * *", start_date=datetime(2022, 1, 1, tzinfo=UTC))
def asking(n: int = 3) -> None:
    about_me()


def test_a_task_knows_its_run(tmp_path: Path) -> None:
    said = asking.run(home=tmp_path).check()["about_me"]
    start, end = (datetime.fromisoformat(text) for text in said.pop("interval"))
    assert said == {"task_id": "about_me", "pipeline": "asking", "try": 1, "n": 3}
    assert (end - start).days == 1


def test_outside_a_task_it_says_so() -> None:
    with pytest.raises(UsageError, match="no task is running here"):
        current_task()
