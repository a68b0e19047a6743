"""The benchmark harness measures what it says, at sizes that are quick. How fast anything is, is no test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import GROUPS, main
from benchmarks.figures import FIGURES, Figure, Result, results_of
from benchmarks.state_machine import events_a_second, layers
from benchmarks.surroundings import Sizes

TINY = Sizes(chain=2, fan_out=3, fan_out_small=2, machine=300, machine_small=100, settle=0.0, idle=0.1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("figures") / "results.json"
    assert main(["--runs", "1", "--json", str(file)], TINY) == 0
    return file


def test_every_figure_is_measured_and_stands_beside_its_bar(written: Path) -> None:
    figures = {f["name"]: f for f in json.loads(written.read_text())["figures"]}
    assert figures.keys() == FIGURES.keys()
    for name, figure in figures.items():
        assert figure["samples"], name
        assert figure["min"] <= figure["median"] <= figure["max"]
        assert (figure["verdict"] in {"reached", "falls short"}) == (figure["bar"] is not None)
        assert figure["min"] > 0 or name in {"in-process-task", "idle-cpu"}, name


def test_the_summary_has_a_row_for_each_figure_and_names_the_machine(written: Path) -> None:
    summary = written.with_suffix(".md").read_text()
    machine = json.loads(written.read_text())["machine"]
    assert machine["cpu"] in summary
    assert f"Python {machine['python']}" in summary
    for figure in FIGURES.values():
        assert f"| {figure.what} |" in summary


def test_only_measures_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    assert main(["--only", "import", "--runs", "2", "--json", str(file)], TINY) == 0
    figures = json.loads(file.read_text())["figures"]
    assert [(f["name"], len(f["samples"])) for f in figures] == [("import", 2)]
    assert "bar <= 0.15 s" in capsys.readouterr().out


def test_every_figure_has_one_place_where_it_is_measured() -> None:
    measured = [name for names, _ in GROUPS for name in names]
    assert sorted(measured) == sorted(FIGURES)


def test_a_figure_that_falls_short_is_told() -> None:
    slower = Result(Figure("x", "x", "s", 1.0), (0.5, 1.1, 1.2))
    assert slower.verdict == "falls short"
    assert Result(Figure("x", "x", "1/s", 1.0, more_is_better=True), (0.5, 1.1, 1.2)).verdict == "reached"


def test_samples_of_an_unknown_figure_are_refused() -> None:
    with pytest.raises(KeyError, match="no such figure"):
        results_of({"nobody": [1.0]})


def test_the_measured_graph_has_one_out_degree() -> None:
    graph = layers(1_000)
    below = {len(d) for d in graph.topology.downstream[:900]}
    assert below == {2}
    assert events_a_second(graph) > 0
