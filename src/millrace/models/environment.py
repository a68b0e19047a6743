"""The environment files of a model folder: requirements.txt, conda.yaml, python_env.yaml, as MLflow writes them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

import yaml

REQUIREMENTS = "requirements.txt"
CONDA = "conda.yaml"
PYTHON_ENV = "python_env.yaml"
ESTIMATOR_PACKAGES = ("millrace", "numpy", "polars", "scikit-learn", "skops")


def pinned(packages: Iterable[str] = ESTIMATOR_PACKAGES) -> list[str]:
    """``name==version`` of what is installed here."""
    return [f"{name}=={metadata.version(name)}" for name in packages]


def environment_files(requirements: list[str]) -> dict[str, str]:
    """File name to text."""
    python = platform.python_version()
    conda = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
        "name": "millrace-env",
    }
    python_env = {
        "python": python,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": [f"-r {REQUIREMENTS}"],
    }
    return {
        REQUIREMENTS: "\n".join(requirements) + "\n",
        CONDA: yaml.safe_dump(conda, sort_keys=False),
        PYTHON_ENV: yaml.safe_dump(python_env, sort_keys=False),
    }
