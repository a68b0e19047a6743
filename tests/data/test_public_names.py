"""The public names: all there, and cheap to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from millrace import data


def test_every_public_name_is_there() -> None:
    assert sorted(data.__all__) == dir(data)
    for name in data.__all__:
        assert getattr(data, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = data.nonsense


def test_importing_the_package_loads_no_data_engine() -> None:
    script = "import sys, millrace.data; print({'polars', 'pyarrow', 'numpy', 'sklearn', 'pandas'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )


def test_using_all_of_it_loads_neither_pandas_nor_scikit_learn() -> None:
    script = (
        "import sys; from millrace import data; [getattr(data, name) for name in data.__all__]; "
        "print({'sklearn', 'scipy', 'pandas'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
