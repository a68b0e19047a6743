"""How checks say what they found, and how severe it is.

A check is a function that yields `Finding`s; the severity is decided in one place, by type and column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from millrace.core.errors import DataError
from millrace.data.validation.anomalies import ERROR, WARNING, Anomaly

IGNORE = "IGNORE"


@attrs.frozen
class Finding:
    """An anomaly before its severity is decided."""

    type: str
    feature: str | None
    description: str
    measured: float | None = None
    threshold: float | None = None


@attrs.frozen
class Severities:
    """Severity by "TYPE/column", else by "TYPE", else ERROR. `IGNORE` leaves a finding out."""

    by_key: Mapping[str, str]

    @classmethod
    def of(cls, severities: Mapping[str, str] | None) -> Severities:
        chosen = dict(severities or {})
        for key, severity in chosen.items():
            if severity not in {ERROR, WARNING, IGNORE}:
                raise DataError(f"severity of {key} is {severity!r}", remedy=f"It is {ERROR}, {WARNING} or {IGNORE}.")
        return cls(chosen)

    def judge(self, findings: Iterable[Finding]) -> tuple[Anomaly, ...]:
        judged = []
        for finding in findings:
            specific = self.by_key.get(f"{finding.type}/{finding.feature}")
            severity = specific or self.by_key.get(finding.type, ERROR)
            if severity != IGNORE:
                judged.append(
                    Anomaly(
                        finding.type,
                        finding.feature,
                        severity,
                        finding.description,
                        finding.measured,
                        finding.threshold,
                    )
                )
        return tuple(judged)


def number(value: float) -> str:
    """A number as people write it: four significant digits, integers in full."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def some(values: Sequence[str], limit: int = 5) -> str:
    """The first few of `values`, quoted, and how many there are beyond."""
    shown = ", ".join(repr(value) for value in values[:limit])
    return shown if len(values) <= limit else f"{shown} and {len(values) - limit} more"
