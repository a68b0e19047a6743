"""The reference pages of authoring and Python name everything that is public."""

from __future__ import annotations

import inspect
import re

import attrs
import pytest

import millrace
from millrace import operators
from millrace.authoring.operators import BashOperator
from millrace.authoring.options import TaskArguments
from millrace.authoring.pipeline_settings import DagArguments, PipelineSettings
from millrace.core import errors
from millrace.core.rules.trigger_rule import TRIGGER_RULES
from millrace.core.schedule.cron import PRESETS
from millrace.core.types import Artifact
from millrace.wiring.run_result import RunResult
from tests.docs.pages import ROOT

AUTHORING = (ROOT / "docs/reference/authoring.md").read_text(encoding="utf-8")
PYTHON = (ROOT / "docs/reference/python-api.md").read_text(encoding="utf-8")
ERRORS = [n for n, e in vars(errors).items() if inspect.isclass(e) and issubclass(e, errors.MillraceError)]


def section(page: str, heading: str) -> str:
    """From the heading to the next one of its level or above."""
    match = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", page, re.MULTILINE | re.DOTALL)
    assert match is not None, heading
    return match[2]


def is_named(name: str, text: str) -> bool:
    return re.search(rf"`[^`\n]*(?<!\w){re.escape(name)}(?!\w)[^`\n]*`", text) is not None


@pytest.mark.parametrize("name", millrace.__all__)
def test_a_public_name_is_in_the_python_reference(name: str) -> None:
    assert is_named(name, section(PYTHON, "`millrace`"))


@pytest.mark.parametrize("name", operators.__all__)
def test_an_operator_has_a_heading(name: str) -> None:
    assert section(AUTHORING, f"`{name}`")


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_in_the_python_reference(name: str) -> None:
    assert is_named(name, section(PYTHON, "Errors"))


@pytest.mark.parametrize(
    "name", sorted({f.name for f in attrs.fields(PipelineSettings)} - {"where"} | set(DagArguments.__annotations__))
)
def test_an_argument_of_pipelines_is_explained(name: str) -> None:
    assert is_named(name, section(AUTHORING, "`@pipeline`"))


@pytest.mark.parametrize("name", [*TaskArguments.__annotations__, "dag"])
def test_an_argument_of_tasks_is_explained(name: str) -> None:
    assert is_named(name, section(AUTHORING, "`@task`"))


@pytest.mark.parametrize(
    "name", sorted(set(inspect.signature(BashOperator).parameters) - {"task_id", "dag", "options"})
)
def test_an_argument_of_the_bash_operator_is_explained(name: str) -> None:
    assert is_named(name, section(AUTHORING, "`BashOperator`"))


@pytest.mark.parametrize("rule", TRIGGER_RULES)
def test_a_trigger_rule_has_a_line(rule: str) -> None:
    assert f"\n| `{rule}` | " in section(AUTHORING, "Trigger rules")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_of_cron_is_listed(preset: str) -> None:
    assert is_named(preset, section(AUTHORING, "Schedules"))


@pytest.mark.parametrize("name", [n for n in dir(RunResult) if not n.startswith("_") and n not in {"fetch", "outputs"}])
def test_what_a_run_result_has_is_listed(name: str) -> None:
    assert is_named(name, section(PYTHON, "`RunResult`"))


@pytest.mark.parametrize("name", [n for n in vars(Artifact("x")) if not n.startswith("_")])
def test_what_an_artifact_has_is_listed(name: str) -> None:
    assert is_named(name, section(PYTHON, "Artifacts"))
