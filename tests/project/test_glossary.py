"""The glossary is the language: its words are in the source, and what it rules out names nothing.

The names are those that a user meets: tables of the database, routes of the API, commands of the command line; asked
of the program itself, not read from its text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from millrace.cli.app import app
from millrace.server.routes import ENDPOINTS
from millrace.storage.sql.schema import metadata

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "millrace"
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"


@dataclass(frozen=True)
class Entry:
    word: str
    in_code: tuple[str, ...]
    never: tuple[str, ...]


def read_glossary(text: str) -> list[Entry]:
    entries = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5 and cells[0] != "word" and set(cells[0]) != {"-"}:
            never = tuple(word.strip() for word in cells[4].split(",") if word.strip())
            entries.append(Entry(cells[0], tuple(re.findall(r"`([^`]+)`", cells[1])), never))
    return entries


def words(name: str) -> set[str]:
    """The words of a name, and of each also without a plural's s."""
    parts = [part for part in re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()) if part]
    pairs = [f"{first}_{second}" for first, second in itertools.pairwise(parts)]
    return {*parts, *pairs, *(part.removesuffix("s") for part in parts)}


def names() -> Iterator[str]:
    """Tables, routes (without their parameters) and commands."""
    yield from metadata.tables
    yield from (re.sub(r"\{[^}]*\}", "", endpoint.path) for endpoint in ENDPOINTS)
    yield from _commands(get_command(app))


def _commands(command: object) -> Iterator[str]:
    for name, below in getattr(command, "commands", {}).items():
        yield name
        yield from _commands(below)


def offences(found: Iterable[str], entries: list[Entry]) -> list[str]:
    return [
        f"{name!r} says {bad!r} for {entry.word!r}"
        for name in found
        for entry in entries
        for bad in entry.never
        if bad in words(name)
    ]


ENTRIES = read_glossary(GLOSSARY.read_text(encoding="utf-8"))
SOURCES = sorted(SOURCE.rglob("*.py"))


def test_the_glossary_is_read() -> None:
    assert len(ENTRIES) > 30
    assert all(entry.in_code for entry in ENTRIES)
    assert len({entry.word for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.word)
def test_every_word_is_in_the_source(entry: Entry) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    assert [word for word in entry.in_code if not re.search(rf"\b{word}\b", text)] == []


def test_no_table_route_or_command_uses_another_word() -> None:
    assert offences(names(), ENTRIES) == []


def test_there_are_names_to_check() -> None:
    """Else the test above would pass because it looks in the wrong places."""
    assert {"pipeline_run", "doctor"} <= set(names())
    assert any(name.startswith("/") for name in names())


@pytest.mark.parametrize("name", ["dag_run", "/api/v1/task-instances/", "/steps", "workflows", "flows", "jobs"])
def test_other_words_are_found(name: str) -> None:
    assert len(offences([name], ENTRIES)) == 1


@pytest.mark.parametrize("name", ["task_run", "/runs/", "retry"])
def test_our_words_pass(name: str) -> None:
    assert offences([name], ENTRIES) == []
