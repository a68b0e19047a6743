"""What an evaluation measures, over which slices, and what a model must reach to be blessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from millrace.core.errors import DataError

HIGHER_IS_BETTER: Final = "higher_is_better"
LOWER_IS_BETTER: Final = "lower_is_better"
PROBLEMS = ("binary", "regression", "multiclass")


@attrs.frozen
class Threshold:
    """Bounds on a metric's value, and on its change from the baseline model's.

    The change is the candidate's value less the baseline's. With `higher_is_better`, `change_absolute=-0.01` allows
    a loss of 0.01 at most; with `lower_is_better`, `change_absolute=0.01` allows a rise of 0.01 at most.
    `change_relative` is the same as a fraction of the baseline's value. Without a baseline the changes are ignored.
    Bounds apply to all rows together, with `every_slice` to each slice too.
    """

    lower_bound: float | None = None
    upper_bound: float | None = None
    change_absolute: float | None = None
    change_relative: float | None = None
    direction: str = HIGHER_IS_BETTER
    every_slice: bool = False

    def __attrs_post_init__(self) -> None:
        if self.direction not in {HIGHER_IS_BETTER, LOWER_IS_BETTER}:
            raise DataError(
                f"direction {self.direction!r}", remedy=f"It is {HIGHER_IS_BETTER!r} or {LOWER_IS_BETTER!r}."
            )


def _slices(slices: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple((one,) if isinstance(one, str) else tuple(one) for one in slices)


def _thresholds(thresholds: Mapping[str, Threshold | Mapping[str, Any]]) -> Mapping[str, Threshold]:
    made = {}
    for metric, threshold in thresholds.items():
        try:
            made[metric] = threshold if isinstance(threshold, Threshold) else Threshold(**threshold)
        except TypeError as error:
            known = ", ".join(field.name for field in attrs.fields(Threshold))
            raise DataError(f"the threshold of {metric!r}: {error}", remedy=f"There is: {known}.") from error
    return made


@attrs.frozen
class EvalConfig:
    """Columns, problem, slices and thresholds.

    `slices` is a list of column lists: ["sex"] gives a slice for each value of sex. All rows together are always
    evaluated. `prediction` holds the score of the positive class, the predicted number, or the predicted class.
    Slices with fewer than `min_slice_size` rows are left out.
    """

    label: str = "label"
    prediction: str = "score"
    problem: str = "binary"
    slices: tuple[tuple[str, ...], ...] = attrs.field(default=(), converter=_slices)
    thresholds: Mapping[str, Threshold] = attrs.field(factory=dict, converter=_thresholds)
    decision_threshold: float = 0.5
    min_slice_size: int = 1

    def __attrs_post_init__(self) -> None:
        if self.problem not in PROBLEMS:
            raise DataError(f"problem {self.problem!r}", remedy=f"It is one of {', '.join(PROBLEMS)}.")

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EvalConfig:
        return cls(**document)
