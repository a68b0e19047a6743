"""The glossary is the language: its words are in the source, and what it rules out names nothing.

Names are read from the syntax trees of the source: tables (``Table("...")``), routes (``@router.get("/...")``
and the like) and commands (``@app.command("...")``, ``add_typer(..., name="...")``).
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "millrace"
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
HTTP_METHODS = frozenset({"get", "post", "put", "patch", "delete", "websocket", "api_route"})

# Routes and tables of protocols that are not ours keep their own words.
FOREIGN_ROUTES = re.compile(r"^/(api/2\.0|ajax-api/2\.0|invocations|ping|version|metrics)")


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


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(_is_unnamed_command, node.decorator_list)):
            yield node.lineno, node.name
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if called in {"Table", "command"} and isinstance(first, str):
            yield node.lineno, first
        elif called in HTTP_METHODS and isinstance(first, str) and first.startswith("/"):
            if not FOREIGN_ROUTES.match(first):
                yield node.lineno, re.sub(r"\{[^}]*\}", "", first)
        elif called == "add_typer" and isinstance(name := named.get("name"), ast.Constant):
            yield node.lineno, str(name.value)


def _is_unnamed_command(decorator: ast.expr) -> bool:
    """``@app.command()``: the function names the command."""
    if not isinstance(decorator, ast.Call) or decorator.args:
        return False
    return isinstance(decorator.func, ast.Attribute) and decorator.func.attr == "command"


def offences(tree: ast.Module, entries: list[Entry]) -> list[str]:
    found = []
    for line, name in names_in(tree):
        for entry in entries:
            found += [f"{line}: {name!r} says {bad!r} for {entry.word!r}" for bad in entry.never if bad in words(name)]
    return found


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
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(ROOT)}:{offence}" for offence in offences(tree, ENTRIES)]
    assert found == []


def test_the_source_has_names_to_check() -> None:
    """Else the test above would pass because it looks in the wrong places."""
    names = {name for path in SOURCES for _, name in names_in(ast.parse(path.read_text(encoding="utf-8")))}
    assert {"pipeline_run", "doctor"} <= names
    assert any(name.startswith("/") for name in names)


@pytest.mark.parametrize(
    "source",
    [
        'Table("dag_run", metadata)',
        'router.get("/api/v1/task-instances/{id}")',
        'router.post("/steps")',
        'app.command("workflows")',
        "@app.command()\ndef flows(): ...",
        'app.add_typer(jobs, name="jobs")',
    ],
)
def test_other_words_are_found(source: str) -> None:
    assert len(offences(ast.parse(source), ENTRIES)) == 1


@pytest.mark.parametrize(
    "source",
    ['Table("task_run", metadata)', 'router.get("/api/2.0/mlflow/jobs")', 'cache.get("jobs")', 'app.command("retry")'],
)
def test_our_words_and_foreign_protocols_pass(source: str) -> None:
    assert offences(ast.parse(source), ENTRIES) == []
