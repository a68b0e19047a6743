"""The server's life: the port, the signals, and other tools' models."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from sklearn.tree import DecisionTreeClassifier

from millrace.core.errors import ModelError, ServiceError
from millrace.serving.server import running_server, serve

with warnings.catch_warnings():
    # importing mlflow trips over deprecations in itself and in its own dependencies
    warnings.simplefilter("ignore")
    import mlflow.pyfunc.scoring_server.client as mlflow_client
    import mlflow.sklearn

SCRIPT = """
import sys
from pathlib import Path
from typing import Any
from millrace.serving.server import serve
serve(Path(sys.argv[1]), port=0, ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_cleanly(model_folder: Path, end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(model_folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url) as client:  # kept alive: an idle connection must not hold the server up
            assert client.get("/ping").status_code == 200
            process.send_signal(end)
            out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "ended\n", "")
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect((host, int(port)))


def test_a_port_in_use_is_named_with_the_remedy(model_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port} is in use") as caught:
            serve(model_folder, port=port)
    assert "another port" in str(caught.value.remedy)


def test_an_impossible_address_is_a_service_error(model_folder: Path) -> None:
    with pytest.raises(ServiceError, match="cannot listen"):
        serve(model_folder, port=70_000)
    with pytest.raises(ServiceError, match="cannot listen"):
        serve(model_folder, host="192.0.2.1", port=0)


def test_a_missing_model_is_refused_before_the_port_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no MLmodel file"):
        serve(tmp_path, port=0)


def test_ipv6(model_folder: Path) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with running_server(model_folder, host="::1") as url:
        assert url.startswith("http://[::1]:")
        assert httpx.get(f"{url}/ping").status_code == 200


def test_a_response_is_one_segment(model_folder: Path) -> None:
    """Header and body in two small writes cost 40 ms on kept-alive connections of other systems."""
    with (
        running_server(model_folder) as url,
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))) as raw,
    ):
        received = []
        for _ in range(50):
            raw.sendall(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
            received.append(raw.recv(65536))
    assert all(b"HTTP/1.1 200" in answer and answer.endswith(b"0.1.0") for answer in received), received


def test_mlflows_own_client_and_mlflows_own_model(tmp_path: Path, rows: pl.DataFrame) -> None:
    target = np.arange(rows.height) % 2
    data = rows.to_pandas()
    estimator = DecisionTreeClassifier(random_state=0).fit(data, target)
    mlflow.sklearn.save_model(
        estimator,
        str(tmp_path / "m"),
        signature=mlflow.models.infer_signature(data),
        skops_trusted_types=["sklearn.tree._tree.Tree"],
        pip_requirements=[],
    )
    with running_server(tmp_path / "m") as url:
        host, port = url.removeprefix("http://").split(":")
        connect: Any = mlflow_client.ScoringServerClient
        answer = connect(host, int(port)).invoke(data)
    assert json.loads(answer.to_json())["predictions"] == target.tolist()
