"""Input examples of a model folder, in the two forms MLflow writes: a pandas split and a ready request body."""

from __future__ import annotations

from base64 import b64encode
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl

EXAMPLE_FILE = "input_example.json"
SERVING_FILE = "serving_input_example.json"


def write_example(folder: Path, example: pl.DataFrame) -> dict[str, str]:
    """Write both files and return the ``saved_input_example_info`` of the MLmodel file."""
    split = {"columns": example.columns, "data": [[_json_value(value) for value in row] for row in example.rows()]}
    (folder / EXAMPLE_FILE).write_bytes(orjson.dumps(split))
    (folder / SERVING_FILE).write_bytes(orjson.dumps({"dataframe_split": split}, option=orjson.OPT_INDENT_2))
    return {
        "artifact_path": EXAMPLE_FILE,
        "pandas_orient": "split",
        "serving_input_path": SERVING_FILE,
        "type": "dataframe",
    }


def _json_value(value: Any) -> Any:
    """JSON has neither bytes nor times: base64 and ISO 8601, as MLflow's readers expect."""
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    return value.isoformat() if isinstance(value, datetime | date) else value
