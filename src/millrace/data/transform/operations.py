"""The `t` of a preprocess function: operations over columns, under TensorFlow Transform's names where it has them.

Those that need to know the data (means, quantiles, vocabularies) add an analysis node, which is fitted in a full
pass over the analysed split; the rest is computed row by row. Missing cells stay missing unless an operation
says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from millrace.core.errors import DataError
from millrace.data.transform.column import Column, Literal
from millrace.data.transform.nodes import ANALYSIS, BOOL, FLOAT, GROUP, INT, NUMERIC, STRING

_CASTS = {"int": INT, "int64": INT, "float": FLOAT, "double": FLOAT, "string": STRING}


class Operations:
    """One instance is handed to a preprocess function; it holds nothing."""

    # --- numbers -------------------------------------------------------------------------------------------

    def scale_to_z_score(self, column: Column) -> Column:
        """(x - mean) / standard deviation of the population; 0 where all values are equal."""
        column.require(NUMERIC, "t.scale_to_z_score")
        return column.derive("z_score", self._moments(column), kind=FLOAT)

    def scale_by_min_max(self, column: Column, output_min: float = 0.0, output_max: float = 1.0) -> Column:
        """Minimum and maximum become the two bounds. If all values are equal: the sigmoid of x, as in TFT."""
        column.require(NUMERIC, "t.scale_by_min_max")
        if output_min >= output_max:
            raise DataError(f"output_min {output_min} is not below output_max {output_max}")
        return column.derive(
            "min_max", self._moments(column), kind=FLOAT, low=float(output_min), high=float(output_max)
        )

    def scale_to_0_1(self, column: Column) -> Column:
        return self.scale_by_min_max(column)

    def bucketize(self, column: Column, num_buckets: int) -> Column:
        """The number, from 0, of the bucket of about equal share that x lies in; NaN lies in the last."""
        column.require(NUMERIC, "t.bucketize")
        return column.derive("bucket", self._quantiles(column, num_buckets), kind=INT)

    def apply_buckets(self, column: Column, boundaries: Sequence[float]) -> Column:
        """As `bucketize`, with boundaries given: x below the first is 0, at or above the last is their number."""
        column.require(NUMERIC, "t.apply_buckets")
        given = [float(one) for one in boundaries]
        if given != sorted(given):
            raise DataError("the boundaries do not ascend", remedy="Sort them.")
        return column.derive("given_bucket", kind=INT, boundaries=given)

    def quantiles(self, column: Column, num_buckets: int) -> list[Column]:
        """The num_buckets - 1 boundaries between buckets of about equal share, each as a constant column."""
        column.require(NUMERIC, "t.quantiles")
        analysis = self._quantiles(column, num_buckets)
        return [
            analysis.derive("fitted", kind=FLOAT, field="boundaries", index=index) for index in range(num_buckets - 1)
        ]

    def mean(self, column: Column) -> Column:
        """The mean over all rows, as a constant column; so are `var`, `min`, `max` and `size`."""
        return self._moment(column, "mean")

    def var(self, column: Column) -> Column:
        return self._moment(column, "variance")

    def min(self, column: Column) -> Column:
        return self._moment(column, "minimum")

    def max(self, column: Column) -> Column:
        return self._moment(column, "maximum")

    def size(self, column: Column) -> Column:
        """How many rows have a finite value."""
        return self._moment(column, "count")

    def log1p(self, column: Column) -> Column:
        """ln(1 + x); missing where x is below -1."""
        return column.require(NUMERIC, "t.log1p").derive("log1p", kind=FLOAT)

    def log(self, column: Column) -> Column:
        """ln(x); missing where x is not positive."""
        return column.require(NUMERIC, "t.log").derive("log", kind=FLOAT)

    def exp(self, column: Column) -> Column:
        return column.require(NUMERIC, "t.exp").derive("exp", kind=FLOAT)

    def sqrt(self, column: Column) -> Column:
        """The square root; missing where x is negative."""
        return column.require(NUMERIC, "t.sqrt").derive("sqrt", kind=FLOAT)

    def clip(self, column: Column, low: float | None = None, high: float | None = None) -> Column:
        return column.require(NUMERIC, "t.clip").derive("clip", kind=column.kind, low=low, high=high)

    # --- strings and categories ----------------------------------------------------------------------------

    def compute_and_apply_vocabulary(
        self,
        column: Column,
        top_k: int | None = None,
        num_oov_buckets: int = 0,
        default_value: int = -1,
        frequency_threshold: int = 1,
    ) -> Column:
        """The value's place among all values by falling frequency, from 0.

        A value outside the vocabulary gets `default_value`, or with `num_oov_buckets` a number after the
        vocabulary by its hash. A missing cell stays missing.
        """
        text = self._text(column)
        vocabulary = self._vocabulary(text, top_k, frequency_threshold)
        return text.derive("vocabulary_index", vocabulary, kind=INT, oov_buckets=num_oov_buckets, default=default_value)

    def apply_vocabulary(
        self, column: Column, vocabulary: Sequence[str], num_oov_buckets: int = 0, default_value: int = -1
    ) -> Column:
        """As `compute_and_apply_vocabulary`, with the vocabulary given."""
        values = [str(value) for value in vocabulary]
        if len(set(values)) < len(values):
            raise DataError("the vocabulary names a value twice")
        return self._text(column).derive(
            "given_vocabulary_index", kind=INT, values=values, oov_buckets=num_oov_buckets, default=default_value
        )

    def one_hot(self, column: Column, top_k: int | None = None) -> Column:
        """One output of 0 and 1 for every value, named OUTPUT_VALUE; all are 0 for a new or missing value."""
        text = self._text(column)
        return text.derive("one_hot", self._vocabulary(text, top_k, 1), kind=GROUP)

    def hash_strings(self, column: Column, hash_buckets: int) -> Column:
        """A bucket from 0 to hash_buckets - 1 by a hash that never changes with machine or version."""
        if hash_buckets < 1:
            raise DataError(f"hash_buckets is {hash_buckets}", remedy="Give at least 1.")
        return self._text(column).derive("hash_bucket", kind=INT, buckets=hash_buckets)

    def lower(self, column: Column) -> Column:
        return column.require((STRING,), "t.lower").derive("lower", kind=STRING)

    def strip(self, column: Column) -> Column:
        return column.require((STRING,), "t.strip").derive("strip", kind=STRING)

    def length(self, column: Column) -> Column:
        """The number of characters."""
        return column.require((STRING,), "t.length").derive("length", kind=INT)

    # --- missing values, conditions, kinds, labels -----------------------------------------------------------

    def fill_missing(self, column: Column, value: Literal) -> Column:
        """Missing cells and NaN become `value`, or the column's "mean", "median" or "mode" in the analysed data."""
        if column.kind == STRING:
            if value == "mode":
                return column.derive("fill_fitted", self._analysis("mode", column), kind=STRING, field="mode")
            if not isinstance(value, str):
                raise DataError(f"column {column.name!r} holds strings, it cannot be filled with {value!r}")
            return column.derive("fill", kind=STRING, value=value)
        column.require(NUMERIC, "t.fill_missing")
        if value == "mean":
            return column.derive("fill_fitted", self._moments(column), kind=FLOAT, field="mean")
        if value == "median":
            return column.derive("fill_fitted", self._analysis("median", column), kind=FLOAT, field="median")
        if value == "mode":
            analysis = self._analysis("mode", column)
            return column.derive("fill_fitted", analysis, kind=column.kind, field="mode")
        if isinstance(value, str):
            raise DataError(
                f"column {column.name!r} holds numbers, it cannot be filled with {value!r}",
                remedy='Give a number, or "mean", "median" or "mode".',
            )
        kind = FLOAT if isinstance(value, float) else column.kind
        return column.derive("fill", kind=kind, value=value)

    def is_missing(self, column: Column) -> Column:
        """1 where the cell is missing or NaN."""
        return column.derive("is_missing", kind=BOOL)

    def where(self, condition: Column, then: Column | Literal, otherwise: Column | Literal) -> Column:
        """`then` where the condition holds, `otherwise` where it does not or is missing."""
        if condition.kind != BOOL:
            raise DataError("the condition of t.where holds no truth values", remedy="Compare: x['a'] > 0.")
        left, right = condition.lift(then), condition.lift(otherwise)
        if (left.kind == STRING) != (right.kind == STRING):
            raise DataError("t.where gives strings on one side and numbers on the other")
        kind = FLOAT if FLOAT in {left.kind, right.kind} else left.kind
        return condition.derive("where", left, right, kind=kind)

    def equals(self, column: Column, value: Literal) -> Column:
        """1 where the cell holds `value`, else 0; missing where it is missing."""
        return self.cast(column == value, "int")

    def cast(self, column: Column, kind: str) -> Column:
        """To "int" (towards zero), "float" or "string"; a string that is no such number becomes missing."""
        if kind not in _CASTS:
            raise DataError(f"t.cast does not know {kind!r}", remedy='Use "int", "float" or "string".')
        return column.derive("cast", kind=_CASTS[kind], to=_CASTS[kind])

    def label(self, column: Column, positive: Literal | None = None) -> Column:
        """Marks an output as a label, which rows need not have when they are served.

        With `positive` the label is 1 where the cell holds it and 0 elsewhere.
        """
        target = column if positive is None else self.equals(column, positive)
        target = target.derive("identity", kind=target.kind)
        target.is_label = True
        return target

    # --- analyses --------------------------------------------------------------------------------------------

    def _analysis(self, analyzer: str, column: Column, **params: object) -> Column:
        return column.derive(analyzer, kind=ANALYSIS, **params)

    def _moments(self, column: Column) -> Column:
        return self._analysis("moments", column)

    def _moment(self, column: Column, field: str) -> Column:
        column.require(NUMERIC, "a mean, variance, minimum, maximum or size")
        return self._moments(column).derive("fitted", kind=FLOAT, field=field, index=None)

    def _quantiles(self, column: Column, num_buckets: int) -> Column:
        if num_buckets < 2:
            raise DataError(f"num_buckets is {num_buckets}", remedy="Give at least 2.")
        return self._analysis("quantiles", column, num_buckets=num_buckets)

    def _vocabulary(self, text: Column, top_k: int | None, frequency_threshold: int) -> Column:
        if top_k is not None and top_k < 1:
            raise DataError(f"top_k is {top_k}", remedy="Give at least 1, or None for all values.")
        return self._analysis("vocabulary", text, top_k=top_k, frequency_threshold=frequency_threshold)

    def _text(self, column: Column) -> Column:
        return column if column.kind == STRING else self.cast(column.require(NUMERIC, "this"), "string")
