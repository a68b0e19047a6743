"""How many distinct values there are: the k smallest hashes (Bar-Yossef et al. 2002).

Exact up to `CAPACITY` distinct values; beyond it the standard error is 1 / sqrt(CAPACITY - 2), 1.6 %. The hash is
the stable one of `millrace.data.stable_hash`, so sketches of different machines and versions merge.
"""

from __future__ import annotations

import base64

import attrs
import numpy as np

from millrace.data.stable_hash import U64

CAPACITY = 4096


@attrs.frozen(eq=False)
class DistinctSketch:
    """`smallest` holds up to `CAPACITY` distinct hashes in ascending order."""

    smallest: U64

    @classmethod
    def of(cls, hashes: U64) -> DistinctSketch:
        """From the hashes of values that differ from one another."""
        if len(hashes) > CAPACITY:
            hashes = np.partition(hashes, CAPACITY - 1)[:CAPACITY]
        return cls(np.sort(hashes))

    def merge(self, other: DistinctSketch) -> DistinctSketch:
        return DistinctSketch(np.unique(np.concatenate([self.smallest, other.smallest]))[:CAPACITY])

    @property
    def exact(self) -> bool:
        return len(self.smallest) < CAPACITY

    def count(self) -> int:
        if self.exact:
            return len(self.smallest)
        reached = float(self.smallest[-1]) / 2.0**64
        return round((CAPACITY - 1) / reached)

    def to_json(self) -> str:
        return base64.b64encode(self.smallest.astype("<u8").tobytes()).decode("ascii")

    @classmethod
    def from_json(cls, text: str) -> DistinctSketch:
        return cls(np.frombuffer(base64.b64decode(text), dtype="<u8").astype(np.uint64))
