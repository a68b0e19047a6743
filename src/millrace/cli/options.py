"""Options that several verbs share, and how their texts are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from millrace.core.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Params = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be repeated.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="The next_cursor of the page before.")]
Target = Annotated[str, typer.Argument(metavar="FILE[:PIPELINE]", help="A pipeline file, and which of its pipelines.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its first 8 or more characters.")]
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="A task's id.")]


def read_params(texts: Sequence[str] | None) -> dict[str, str]:
    """``["lr=0.1"]`` -> ``{"lr": "0.1"}``; what a value means depends on the parameter's type."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UsageError(f"-p takes NAME=VALUE, not {text!r}", remedy="For example: -p lr=0.1")
        if name in found:
            raise UsageError(f"parameter {name!r} is given twice")
        found[name] = value
    return found


def read_target(text: str) -> tuple[Path, str | None]:
    """``flows/train.py:train`` -> the file and the pipeline's name; without ``:`` no name."""
    file, sign, pipeline = text.rpartition(":")
    if not sign or "/" in pipeline or "\\" in pipeline or Path(text).exists():
        return Path(text), None
    if not file or not pipeline:
        raise UsageError(f"{text!r} is not FILE or FILE:PIPELINE", remedy="For example: flows/train.py:train")
    return Path(file), pipeline
