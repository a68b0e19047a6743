"""The pipeline file that is measured: no-op tasks in a chain, and fanned out behind one."""

from __future__ import annotations

from pathlib import Path

CHAIN, FAN_OUT, FAN_OUT_SMALL, SINGLE = "chain", "fan_out", "fan_out_small", "single"

_TEXT = '''"""Tasks that do nothing."""

from millrace import pipeline, task


@task
def nothing() -> None:
    """What one task costs beyond its own work."""


@pipeline
def chain():
    before = nothing()
    for _ in range({chain} - 1):
        after = nothing()
        before >> after
        before = after


@pipeline
def fan_out():
    nothing() >> [nothing() for _ in range({fan_out})]


@pipeline
def fan_out_small():
    nothing() >> [nothing() for _ in range({fan_out_small})]


@pipeline
def single():
    nothing()
'''


def write_pipelines(folder: Path, *, chain: int, fan_out: int, fan_out_small: int) -> Path:
    """``folder/no_op.py`` with pipelines of these sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "no_op.py"
    file.write_text(_TEXT.format(chain=chain, fan_out=fan_out, fan_out_small=fan_out_small), encoding="utf-8")
    return file
