"""What the demo shows of a run: metrics, places, rows, anomalies, read back from where the run left them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import attrs
import polars as pl

import millrace.data as library
from millrace.core.types import Json
from millrace.wiring.platform import Platform

SHOWN_METRICS = ("auc", "binary_accuracy", "precision", "recall", "f1", "log_loss")
_FINDING = re.compile(r"\bERROR [A-Z_]+: (.*)")


@attrs.frozen(slots=False)
class Results:
    """One run that has ended: its document, and the platform that has its artifacts and logs."""

    document: Json
    platform: Platform

    @property
    def state(self) -> str:
        return str(self.document["state"])

    @property
    def tasks(self) -> Sequence[Json]:
        tasks: Sequence[Json] = self.document["tasks"]
        return tasks

    @property
    def failed(self) -> list[Json]:
        return [task for task in self.tasks if task["state"] == "failed"]

    @property
    def cached(self) -> list[Json]:
        return [task for task in self.tasks if task["cached_from"]]

    def artifact(self, task: str, output: str) -> Json:
        document = self.platform.operations.task_run(self.document["run_id"], task)
        return document["outputs"][output]["artifact"]

    def metadata(self, task: str, output: str) -> Json:
        return self.artifact(task, output)["metadata"]

    @cached_property
    def _metrics(self) -> Json:
        return self.metadata("Evaluator", "evaluation")["metrics"]

    @property
    def evaluated_rows(self) -> int:
        return int(self._metrics["example_count"])

    def metric_rows(self) -> list[dict[str, Json]]:
        return [{"metric": name, "value": f"{self._metrics[name]:.4f}"} for name in SHOWN_METRICS]

    def place_rows(self, folder: Path) -> list[dict[str, Json]]:
        """Where the model is, by what one may want to do with it."""
        pushed = self.metadata("Pusher", "pushed")
        served = Path(pushed["destination"])
        version = f"{pushed['registered_model']} version {pushed['version']}, alias {pushed['alias']}"
        trained = self.artifact("Trainer", "model")
        return [
            {"what": "registered as", "where": version},
            {"what": "pushed to", "where": str(served.relative_to(folder))},
            {"what": "tracked as run", "where": trained["metadata"]["tracking_run"]},
            {"what": "stored as artifact", "where": trained["artifact_id"]},
        ]

    def unseen_row(self, label: str) -> tuple[dict[str, Json], str]:
        """The first row with this label of those that were not in training, without the label, and the label."""
        examples = library.Examples.open(self.platform.stores.artifacts.fetch(self._examples["uri"]))
        row = examples.read("eval").filter(pl.col("diagnosis") == label).row(0, named=True)
        return row, row.pop("diagnosis")

    @property
    def _examples(self) -> Json:
        return self.artifact("CsvExampleGen", "examples")

    def findings(self) -> list[str]:
        """What ExampleValidator said was wrong, from its log."""
        log = self.platform.operations.log(self.document["run_id"], "ExampleValidator", number=None, after=0)
        return [found[1] for line in log["text"].splitlines() if (found := _FINDING.search(line))]
