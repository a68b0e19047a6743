"""Cache keys say in words what differs."""

from __future__ import annotations

from millrace.core.cache_key import CacheKey, explain


def sentences(old: object, new: object) -> list[str]:
    keys = [CacheKey("interface", parameters={"source": value}) for value in (old, new)]
    return [change.sentence() for change in explain(*keys)]


def test_short_values_are_shown_whole() -> None:
    assert sentences("a", "b") == ['parameter source changed from "a" to "b"']


def test_long_values_are_shown_from_where_they_differ() -> None:
    folder = "/a/long/folder/" * 6
    (sentence,) = sentences(folder + "yesterday.csv", folder + "today.csv")
    assert sentence.startswith("parameter source changed from …")
    assert sentence.endswith('yesterday.csv" to …long/folder/today.csv"')


def test_equal_values_are_no_change() -> None:
    assert sentences([1, 2.0], [1, 2.0]) == []
