"""The size and shape budgets that no linter knows, run by `make check`.

Invariant: the exit code is 0 exactly when nothing is over; every finding is one line ``file:line: what``,
so an editor jumps to it. The rules, for every Python file under the folders named on the command line:

* a file has at most 800 lines, the median file of ``src`` at most 150, a function at most 80;
* no ``global`` statement;
* no broad ``except`` outside the places listed in ``BROAD_EXCEPT_ALLOWED``, unless it ends by raising;
* imports stand at module top: inside a function the standard library never, anything else only with
  ``# lazy: why`` on the same statement;
* nothing inside the package imports the package's own front (``from millrace import ...``), which would
  go round the layers;
* every folder of the package has an ``__init__.py``, or import-linter would not see its modules.

The import and exception rules hold for the shipped source; tests, benchmarks and tools keep the sizes.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

FILE_LINES = 800
FUNCTION_LINES = 80
MEDIAN_FILE_LINES = 150

# Where catching everything is the job; each line of it still carries ruff's own `noqa: BLE001` and its why.
BROAD_EXCEPT_ALLOWED = {
    "src/millrace/worker/*": "the worker loop turns whatever user code raises into the end of its attempt",
    "src/millrace/server/*": "the server's outermost middleware turns what is left into an answer",
    "src/millrace/cli/*": "the command line turns what is left into one line and an exit code",
}

# Files that are user code we ship: they import the public front, as a user's file does.
USER_CODE = ("src/millrace/*/templates/*", "src/millrace/templates/*", "src/millrace/examples/*")

LAZY = re.compile(r"#\s*lazy:\s*\S+")
BROAD = frozenset({"Exception", "BaseException"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def check_file(path: str, text: str) -> list[Finding]:
    """Findings of one file; ``path`` is relative to the project, with forward slashes."""
    lines = text.splitlines()
    found: list[Finding] = []
    if len(lines) > FILE_LINES:
        found.append(Finding(path, 1, f"{len(lines)} lines, the budget is {FILE_LINES}"))
    tree = ast.parse(text, filename=path)
    for node in ast.walk(tree):
        if isinstance(node, Function):
            found.extend(_long_function(path, node))
        elif isinstance(node, ast.Global):
            found.append(Finding(path, node.lineno, f"global {', '.join(node.names)}"))
    if path.startswith("src/"):
        found.extend(_broad_excepts(path, tree))
        found.extend(_misplaced_imports(path, tree, lines))
        found.extend(_front_imports(path, tree))
    return sorted(found)


def check_packages(paths: list[str]) -> list[Finding]:
    """Folders of source files that are no packages."""
    shipped = [path for path in paths if not any(fnmatch(path, pattern) for pattern in USER_CODE)]
    folders = sorted({path.rpartition("/")[0] for path in shipped} - {"src"})
    return [Finding(folder, 1, "has no __init__.py") for folder in folders if f"{folder}/__init__.py" not in paths]


def check_median(lengths: dict[str, int]) -> list[Finding]:
    """The median length of the source files; empty ``__init__`` files do not count in its favour."""
    counted = [length for length in lengths.values() if length > 1]
    if not counted or statistics.median(counted) <= MEDIAN_FILE_LINES:
        return []
    longest = max(lengths, key=lambda path: lengths[path])
    median = statistics.median(counted)
    return [Finding(longest, 1, f"the median source file has {median:g} lines, the budget is {MEDIAN_FILE_LINES}")]


def _long_function(path: str, node: Function) -> Iterator[Finding]:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if length > FUNCTION_LINES:
        yield Finding(path, node.lineno, f"{node.name}() has {length} lines, the budget is {FUNCTION_LINES}")


def _broad_excepts(path: str, tree: ast.Module) -> Iterator[Finding]:
    if any(fnmatch(path, pattern) for pattern in BROAD_EXCEPT_ALLOWED):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node):
            yield Finding(path, node.lineno, "broad except: name the errors, or raise at its end")


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(part) for part in caught.elts)
    return isinstance(caught, ast.Name) and caught.id in BROAD


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """The same error, or one of ours in its place: nothing is swallowed."""
    return isinstance(handler.body[-1], ast.Raise)


def _misplaced_imports(path: str, tree: ast.Module, lines: list[str]) -> Iterator[Finding]:
    inside: set[int] = set()  # nested functions are walked twice
    for scope in ast.walk(tree):
        if not isinstance(scope, Function | ast.Lambda | ast.ClassDef):
            continue
        for node in ast.walk(scope):
            if not isinstance(node, ast.Import | ast.ImportFrom) or node.lineno in inside:
                continue
            inside.add(node.lineno)
            names = _imported(node)
            if any(name.split(".")[0] in sys.stdlib_module_names for name in names):
                yield Finding(path, node.lineno, f"import of {', '.join(names)} belongs at module top")
            elif not LAZY.search("\n".join(lines[node.lineno - 1 : node.end_lineno])):
                yield Finding(path, node.lineno, f"import of {', '.join(names)} in a function lacks `# lazy: why`")


def _front_imports(path: str, tree: ast.Module) -> Iterator[Finding]:
    if path in {"src/millrace/__init__.py", "src/millrace/__main__.py"}:
        return
    if any(fnmatch(path, pattern) for pattern in USER_CODE):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and "millrace" in _imported(node):
            yield Finding(path, node.lineno, "imports the package's front: import the module that holds the name")


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return ["." * node.level + (node.module or "")]


def check_tree(root: Path, folders: list[str]) -> list[Finding]:
    found: list[Finding] = []
    lengths: dict[str, int] = {}
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8")
            found.extend(check_file(path, text))
            if folder == "src":
                lengths[path] = len(text.splitlines())
    return found + check_packages(list(lengths)) + check_median(lengths)


def main(arguments: list[str]) -> int:
    """``check_budgets.py FOLDER ...``, from the root of the project."""
    root = Path.cwd()
    missing = [folder for folder in arguments if not (root / folder).is_dir()]
    if missing or not arguments:
        print(f"no such folder: {', '.join(missing)}" if missing else "usage: check_budgets.py FOLDER ...")
        return 2
    found = check_tree(root, arguments)
    for finding in found:
        print(finding)
    print(f"budgets: {len(found)} over" if found else "budgets: kept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
