"""What ``import millrace`` offers, and that it costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import millrace
from millrace.version import __version__

PUBLIC = [
    "DAG",
    "Artifact",
    "Dataset",
    "FailWithoutRetry",
    "Input",
    "Metrics",
    "Model",
    "Output",
    "SkipTask",
    "TaskFailure",
    "__version__",
    "component",
    "current_task",
    "dag",
    "latest",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "pipeline",
    "set_tag",
    "set_tags",
    "task",
]


def test_the_public_names() -> None:
    assert sorted(millrace.__all__) == sorted(PUBLIC)
    assert dir(millrace) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there(name: str) -> None:
    assert getattr(millrace, name) is not None


def test_any_other_name_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'millrace' has no attribute 'Dag'"):
        millrace.Dag  # noqa: B018 - the mistake


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert millrace.__version__ == __version__ == project["version"]


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has loaded after ``code``, over what it has by itself."""
    show = "import sys; print(*sys.modules)"
    loaded = [
        set(subprocess.run([sys.executable, "-c", c], capture_output=True, text=True, check=True).stdout.split())
        for c in (show, f"{code}; {show}")
    ]
    return loaded[1] - loaded[0]


def test_importing_the_front_loads_nothing_else() -> None:
    ours = {name for name in modules_after("import millrace") if name.startswith("millrace")}
    assert ours == {"millrace", "millrace.version"}
    assert len(modules_after("import millrace")) < 60


def test_writing_a_pipeline_loads_no_platform() -> None:
    loaded = modules_after("from millrace import DAG, task, pipeline, latest, component; import millrace.operators")
    heavy = {"numpy", "polars", "pyarrow", "sklearn", "sqlalchemy", "fastapi", "pydantic", "asyncio", "rich", "httpx"}
    assert not loaded & heavy
    layers = {name.split(".")[1] for name in loaded if name.startswith("millrace.")}
    assert layers <= {"authoring", "core", "interfaces", "operators", "version"}
