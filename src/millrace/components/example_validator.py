"""ExampleValidator: stops a run whose data is not what the schema and the earlier data say it should be."""

from __future__ import annotations

from typing import Annotated

import millrace.data as library
from millrace.authoring.tasks import component
from millrace.components.artifact_types import Anomalies, Schema, Statistics
from millrace.core.errors import FailWithoutRetry
from millrace.core.types import FromEarlierRun, Output


@component(environment=["millrace"])
def ExampleValidator(
    statistics: Statistics,
    schema: Schema,
    anomalies: Output[Anomalies],
    previous_statistics: Annotated[Statistics | None, FromEarlierRun("statistics", other_than="statistics")] = None,
    blocking: bool = True,
    severities: dict[str, str] | None = None,
    schema_environment: str | None = None,
) -> None:
    """Hold the data of all splits together against the schema, and against the previous data for drift.

    `previous_statistics` come by themselves: those of the newest successful run over other data. With `blocking`
    an anomaly of severity ERROR ends the run here, with every anomaly in the reason and in the log; without it they
    are written and the run goes on. `severities` maps an anomaly type, or "TYPE/column", to ERROR, WARNING or IGNORE.
    """
    before = None if previous_statistics is None else _all_splits(previous_statistics)
    found = library.validate_statistics(
        _all_splits(statistics),
        library.load_schema(schema.path),
        previous=before,
        environment=schema_environment,
        severities=severities,
    )
    for anomaly in found:
        print(f"{anomaly.severity} {anomaly.type}: {anomaly.description}")
    if not len(found):
        print("no anomalies")
    if blocking and not found.valid:
        raise FailWithoutRetry(_reason(found.errors))
    anomalies.path.mkdir(parents=True, exist_ok=True)
    library.save_anomalies(found, anomalies.path)
    anomalies.metadata.update(anomalies=len(found), errors=len(found.errors), valid=found.valid)


def _all_splits(statistics: Statistics) -> library.DatasetStatistics:
    return library.merge_statistics(library.load_statistics(statistics.path).values())


def _reason(errors: list[library.Anomaly]) -> str:
    count = "1 anomaly" if len(errors) == 1 else f"{len(errors)} anomalies"
    return f"{count}: " + "; ".join(error.description for error in errors)
