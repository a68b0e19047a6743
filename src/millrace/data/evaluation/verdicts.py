"""One verdict for each bound of a threshold, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs

from millrace.data.evaluation.config import HIGHER_IS_BETTER, Threshold


@attrs.frozen
class Verdict:
    """`value` is what was held against `bound`: the metric itself, or its change from `baseline`.

    `kind` is the bound's name in `Threshold`. `value` is NaN where the metric is not defined; that never passes.
    """

    metric: str
    slice: str
    kind: str
    value: float
    bound: float
    passed: bool
    description: str
    baseline: float | None = None


def judge(
    metric: str, slice_name: str, threshold: Threshold, value: float, baseline: float | None
) -> Iterator[Verdict]:
    """Verdicts on one metric of one slice; the bounds on changes are left out where there is no baseline."""
    if threshold.lower_bound is not None:
        yield _verdict(metric, slice_name, "lower_bound", value, threshold.lower_bound, at_least=True)
    if threshold.upper_bound is not None:
        yield _verdict(metric, slice_name, "upper_bound", value, threshold.upper_bound, at_least=False)
    if baseline is None or math.isnan(baseline):
        return
    change = value - baseline
    at_least = threshold.direction == HIGHER_IS_BETTER
    if threshold.change_absolute is not None:
        yield _verdict(
            metric, slice_name, "change_absolute", change, threshold.change_absolute, at_least=at_least, old=baseline
        )
    if threshold.change_relative is not None:
        relative = change / abs(baseline) if baseline else _infinite(change)
        yield _verdict(
            metric, slice_name, "change_relative", relative, threshold.change_relative, at_least=at_least, old=baseline
        )


def _infinite(change: float) -> float:
    return math.copysign(math.inf, change) if change else 0.0


def _verdict(
    metric: str, slice_name: str, kind: str, value: float, bound: float, *, at_least: bool, old: float | None = None
) -> Verdict:
    passed = value >= bound if at_least else value <= bound
    where = "" if slice_name == "all rows" else f" for {slice_name}"
    asked = f"at {'least' if at_least else 'most'} {bound:.4g} is asked"
    if math.isnan(value):
        words = f"{metric}{where} is not defined for these rows; {asked}"
    elif old is None:
        words = f"{metric}{where} is {value:.4g}, {asked}"
    elif kind == "change_absolute":
        words = f"{metric}{where} changed by {value:+.4g} from the baseline's {old:.4g}, {asked}"
    else:
        words = f"{metric}{where} changed by {100 * value:+.3g} % from the baseline's {old:.4g}, {asked}"
    return Verdict(metric, slice_name, kind, value, bound, passed, words, old)
