"""A clock that stands still and ids that count."""

from __future__ import annotations

import itertools


class FakeClock:
    """Starts at ``now`` (epoch microseconds) and moves when told."""

    def __init__(self, now: int = 1_700_000_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, *, seconds: float) -> int:
        """The new time."""
        self._now += round(seconds * 1_000_000)
        return self._now


class SequentialIds:
    """Ids of UUIDv7's shape that sort in the order they were made; the last group looks random, as it should."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self) -> str:
        number = next(self._numbers)
        return f"{number >> 16 & 0xFFFFFFFF:08x}-{number & 0xFFFF:04x}-7000-8000-{_scrambled(number):012x}"

    def new_tracking(self) -> str:
        return f"{_scrambled(next(self._numbers)):032x}"


def _scrambled(number: int) -> int:
    return number * 0x9E37_79B9_7F4A_7C15 >> 8 & 0xFFFF_FFFF_FFFF
