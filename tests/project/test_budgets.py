"""The budget checker finds what it says it finds, and lets the allowed forms pass."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tools.check_budgets import check_file, check_median, check_packages, check_tree, main


def findings(source: str, path: str = "src/millrace/core/sample.py") -> list[str]:
    return [str(finding) for finding in check_file(path, textwrap.dedent(source))]


def function_of(lines: int) -> str:
    return "def long():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(("lines", "over"), [(800, False), (801, True)])
def test_file_length(lines: int, over: bool) -> None:
    assert bool(findings("x = 1\n" * lines)) is over


@pytest.mark.parametrize(("lines", "over"), [(80, False), (81, True)])
def test_function_length(lines: int, over: bool) -> None:
    found = findings(function_of(lines))
    assert bool(found) is over
    if over:
        assert found == ["src/millrace/core/sample.py:1: long() has 81 lines, the budget is 80"]


def test_sizes_hold_for_tests_too() -> None:
    assert findings(function_of(81), "tests/test_sample.py")


def test_global_is_found_with_its_line() -> None:
    found = findings(
        """
        def f():
            global x
            x = 1
        """
    )
    assert found == ["src/millrace/core/sample.py:3: global x"]


@pytest.mark.parametrize("clause", ["except:", "except Exception:", "except (ValueError, BaseException) as error:"])
def test_broad_except(clause: str) -> None:
    swallowing = f"try:\n    pass\n{clause}\n    pass\n"
    assert len(findings(swallowing)) == 1
    assert findings(swallowing, "src/millrace/worker/loop.py") == []
    assert findings(swallowing, "tests/test_sample.py") == []
    raising = f"try:\n    pass\n{clause}\n    undo = 1\n    raise\n"
    assert findings(raising) == []
    assert findings(raising.replace("raise", "raise OSError from None")) == []


def test_a_named_except_is_fine() -> None:
    assert findings("try:\n    pass\nexcept (OSError, ValueError):\n    pass\n") == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("import json", "belongs at module top"),
        ("import json  # lazy: it is slow", "belongs at module top"),
        ("from collections import abc", "belongs at module top"),
        ("import polars", "lacks `# lazy: why`"),
        ("import polars  # lazy:", "lacks `# lazy: why`"),
        ("import polars  # lazy: import millrace stays light", None),
        ("from polars import (  # lazy: import millrace stays light\n        col,\n    )", None),
        ("from millrace.data import examples", "lacks `# lazy: why`"),
    ],
)
def test_imports_inside_functions(statement: str, fault: str | None) -> None:
    found = check_file("src/millrace/core/sample.py", f"def f():\n    {statement}\n")
    if fault is None:
        assert found == []
    else:
        assert [fault in finding.what for finding in found] == [True]


def test_an_import_in_a_nested_function_is_reported_once() -> None:
    assert len(findings("def f():\n    def g():\n        import json\n")) == 1


def test_imports_under_type_checking_and_try_stay_at_module_top() -> None:
    source = """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import polars
        try:
            import duckdb
        except ImportError:
            duckdb = None
        """
    assert findings(source) == []


@pytest.mark.parametrize("statement", ["from millrace import task", "import millrace"])
def test_the_packages_front_is_for_users(statement: str) -> None:
    assert len(findings(statement)) == 1
    assert findings(statement, "src/millrace/__main__.py") == []
    assert findings(statement, "src/millrace/examples/main_job.py") == []
    assert findings(statement, "tests/test_sample.py") == []


def test_median_counts_only_files_with_content() -> None:
    assert check_median({"a": 151, "b": 140, "c": 150}) == []
    assert check_median({"a": 151, "b": 152, "c": 1, "d": 0}) != []
    assert check_median({}) == []


def test_a_folder_that_is_no_package() -> None:
    paths = ["src/millrace/__init__.py", "src/millrace/data/splits.py", "src/millrace/cli/templates/pipeline.py"]
    assert [str(finding) for finding in check_packages(paths)] == ["src/millrace/data:1: has no __init__.py"]
    assert check_packages([*paths, "src/millrace/data/__init__.py"]) == []


def test_the_whole_tool_reports_and_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "src" / "millrace"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "fine.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["src"]) == 0
    assert capsys.readouterr().out == "budgets: kept\n"
    (package / "wrong.py").write_text("def f():\n    global x\n    x = 1\n")
    assert main(["src"]) == 1
    assert capsys.readouterr().out == "src/millrace/wrong.py:2: global x\nbudgets: 1 over\n"
    assert [finding.path for finding in check_tree(tmp_path, ["src"])] == ["src/millrace/wrong.py"]
    assert main(["absent"]) == 2
