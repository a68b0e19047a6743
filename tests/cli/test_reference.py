"""docs/reference/cli.md has a heading for every verb, with its options, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from millrace.cli.app import app
from millrace.cli.session import GLOBAL_OPTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")


def _verbs(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _verbs(inner, (*path, name))
    else:
        yield " ".join(path), command


VERBS = dict(_verbs(get_command(app), ("millrace",)))
SECTIONS = dict(re.findall(r"^### `(millrace .+?)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_verb_has_a_heading_and_every_heading_a_verb() -> None:
    assert sorted(SECTIONS) == sorted(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_and_argument_is_in_its_section(verb: str) -> None:
    for parameter in VERBS[verb].params:
        if parameter.name in GLOBAL_OPTIONS or parameter.name == "help":
            continue
        words = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
        for word in words:
            assert word in SECTIONS[verb], f"{verb}: {word}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_the_global_options_and_says_what_it_does(verb: str) -> None:
    names = {p.name for p in VERBS[verb].params}
    assert set(GLOBAL_OPTIONS) <= names
    assert VERBS[verb].help


def test_every_listing_takes_json() -> None:
    quiet = {"demo", "init", "up", "runs logs", "models serve"}
    without = {v.removeprefix("millrace ") for v, c in VERBS.items() if "as_json" not in {p.name for p in c.params}}
    assert without == quiet


def test_the_global_options_are_on_the_page() -> None:
    for option in ("--home DIR", "--database URL", "--url URL", "--plain", "--traceback"):
        assert f"`{option}`" in PAGE
