"""MLflow's scoring protocol over real HTTP: every content type, every refusal."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
EXPECTED = ["malignant", "benign"]


@pytest.fixture
def two(rows: pl.DataFrame) -> pl.DataFrame:
    return rows[[0, 19]]


def invoke(client: httpx.Client, body: Any, content_type: str = JSON) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post("/invocations", content=content, headers={"content-type": content_type})


def test_ping_health_and_version(client: httpx.Client) -> None:
    from importlib.metadata import version

    for path in ("/ping", "/health"):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (200, "\n")
    assert client.get("/version").text == version("millrace")


def test_every_json_form_gives_the_same_predictions(client: httpx.Client, two: pl.DataFrame) -> None:
    values = [list(row) for row in two.rows()]
    bodies: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": two.columns, "data": values}},
        {"dataframe_split": {"index": [0, 1], "columns": two.columns, "data": values}},
        {"dataframe_records": two.to_dicts()},
        {"instances": two.to_dicts()},
        {"instances": values},
        {"inputs": two.to_dict(as_series=False)},
        {"inputs": values},
        {"dataframe_records": two.to_dicts(), "params": {"ignored": 1}},
    ]
    for body in bodies:
        answer = invoke(client, body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"predictions": EXPECTED}
        assert answer.headers["content-type"] == JSON


def test_csv_and_parquet(client: httpx.Client, two: pl.DataFrame) -> None:
    parquet = io.BytesIO()
    two.write_parquet(parquet)
    for content_type in (CSV, "text/csv; charset=utf-8", 'text/csv; charset="UTF-8"'):
        assert invoke(client, two.write_csv(), content_type).json() == {"predictions": EXPECTED}
    assert invoke(client, parquet.getvalue(), PARQUET).json() == {"predictions": EXPECTED}


def test_the_serving_example_of_the_folder_is_a_valid_request(client: httpx.Client, model_folder: Path) -> None:
    answer = invoke(client, (model_folder / "serving_input_example.json").read_bytes())
    assert answer.json() == {"predictions": ["malignant", "malignant"]}


def test_whole_numbers_are_doubles_and_no_rows_give_an_error_not_a_crash(
    client: httpx.Client, two: pl.DataFrame
) -> None:
    record = {**two.to_dicts()[0], "mean area": 1001}
    assert invoke(client, {"dataframe_records": [record]}).json() == {"predictions": ["malignant"]}
    empty = invoke(client, {"dataframe_split": {"columns": two.columns, "data": []}})
    assert (empty.status_code, empty.json()["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[]", "a JSON list, not an object"),
        ("3", "a JSON int, not an object"),
        ({}, "exactly one of"),
        ({"columns": [], "data": []}, "it has 'columns', 'data'"),
        ({"inputs": [[1]], "instances": [[1]]}, "exactly one of"),
        ({"dataframe_split": [1]}, "no `data` list"),
        ({"dataframe_split": {"data": [[1]]}}, "no `columns` list"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "'a' is given twice"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "row 0 has 2 values for 1 columns"),
        ({"dataframe_split": {"columns": ["a"], "data": [1]}}, "row 0 has 1 for 1 columns"),
        ({"dataframe_records": [1]}, "not a list of objects"),
        ({"dataframe_records": [{"mean radius": 1.0}]}, "are missing (29 of 30)"),
        ({"instances": 5}, "neither a list nor an object"),
        ({"instances": [[1, 2]]}, "row 0 has 2 values for 30 columns"),
        ({"inputs": {"a": [1, 2], "b": [1]}}, "different lengths"),
        ({"inputs": [[1]], "params": []}, "`params` is not an object"),
        ({"inputs": [[1, [2]]]}, ""),
    ],
)
def test_bad_json_is_an_error_object_of_mlflow(client: httpx.Client, body: Any, message: str) -> None:
    answer = invoke(client, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error_code", "message"}
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert message in answer.json()["message"]
    assert "Traceback" not in answer.text


def test_a_wrong_value_is_named_with_its_column(client: httpx.Client, two: pl.DataFrame) -> None:
    bad = {**two.to_dicts()[0], "mean area": "large"}
    message = invoke(client, {"dataframe_records": [bad]}).json()["message"]
    assert "'mean area' takes double, but row 0 has 'large'" in message
    mixed = invoke(client, {"dataframe_records": [two.to_dicts()[0], bad]}).json()["message"]
    assert "'mean area' mixes number and text: row 1 has 'large'" in mixed
    renamed = two.rename({"mean area": "mean_area"}).to_dicts()
    assert "Did you mean 'mean_area'?" in invoke(client, {"dataframe_records": renamed}).json()["message"]


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ("", CSV, "not CSV"),
        ("a,b\n1\n2,3,4\n", CSV, "not CSV"),
        ("mean radius\nx\n", CSV, "'mean radius' takes double, but row 0 has 'x'"),
        ("mean radius\n1\n", CSV, "missing (29 of 30)"),
        (b"no parquet", PARQUET, "not a Parquet file"),
        (b"", PARQUET, "not a Parquet file"),
    ],
)
def test_bad_csv_and_parquet(client: httpx.Client, body: Any, content_type: str, message: str) -> None:
    answer = invoke(client, body, content_type)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert message in answer.json()["message"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=latin-1", "application/json; version=2", "text/plain", "nonsense"]
)
def test_other_media_types_and_charsets_are_415(client: httpx.Client, content_type: str) -> None:
    answer = invoke(client, {"inputs": [[1]]}, content_type)
    assert (answer.status_code, answer.json()["error_code"]) == (415, "BAD_REQUEST")


def test_no_content_type_and_unknown_routes(client: httpx.Client) -> None:
    assert client.post("/invocations", content=b"{}").status_code == 415
    assert client.get("/nothing").json()["error_code"] == "ENDPOINT_NOT_FOUND"
    assert client.get("/nothing").status_code == 404
    assert client.get("/invocations").status_code == 405


def test_nan_in_json_is_a_missing_value(client: httpx.Client, two: pl.DataFrame) -> None:
    """MLflow's client writes NaN bare. This estimator takes none, so the answer names the model's own complaint."""
    body = json.dumps({"dataframe_records": [{**two.to_dicts()[0], "mean area": float("nan")}]})
    answer = invoke(client, body)
    assert answer.status_code == 400
    assert "the model failed on this input (ValueError: Input X contains NaN" in answer.json()["message"]
    assert "Traceback" not in answer.text


def test_many_clients_at_once(client: httpx.Client, two: pl.DataFrame) -> None:
    body = {"dataframe_records": two.to_dicts()}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: invoke(client, body).json(), range(40)))
    assert answers == [{"predictions": EXPECTED}] * 40
