"""StatisticsGen: statistics of every column and split."""

from __future__ import annotations

import millrace.data as library
from millrace.authoring.tasks import component
from millrace.components.artifact_types import Examples, Statistics
from millrace.core.types import Output


@component(environment=["millrace", "polars"])
def StatisticsGen(examples: Examples, statistics: Output[Statistics]) -> None:
    """Compute each split's statistics in one pass over its shards; they merge over splits and days."""
    computed = library.compute_statistics(library.Examples.open(examples.path))
    statistics.path.mkdir(parents=True, exist_ok=True)
    library.save_statistics(computed, statistics.path)
    rows = {split: dataset.num_examples for split, dataset in computed.items()}
    columns = max((len(dataset.features) for dataset in computed.values()), default=0)
    statistics.metadata.update(rows=rows, columns=columns)
    print(f"computed statistics of {columns} columns over {sum(rows.values())} rows")
