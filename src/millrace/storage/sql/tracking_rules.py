"""What MLflow lets be logged: names, lengths, numbers of things.

Invariant: what passes is accepted by an MLflow server too. Source: MLflow's ``utils/validation.py`` as documented for
its REST API; long values are refused here and never cut short.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from millrace.core.errors import UsageError
from millrace.core.records import Metric

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")

_KEY = re.compile(r"[/\w.\- :]+")
_KEY_LENGTH = 250
_EXPERIMENT_NAME_LENGTH = 500
_PARAM_VALUE_LENGTH = 6000
_RUN_TAG_VALUE_LENGTH = 8000
_EXPERIMENT_TAG_VALUE_LENGTH = 20_000
_MODEL_TAG_VALUE_LENGTH = 100_000
_ALIAS_LENGTH = 255
_BATCH_METRICS, _BATCH_PARAMS, _BATCH_TAGS, _BATCH_TOTAL = 1000, 100, 100, 1000
_INT64 = range(-(2**63), 2**63)


def check_batch(metrics: Sequence[Metric], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    for noun, count, limit in (
        ("metrics", len(metrics), _BATCH_METRICS),
        ("params", len(params), _BATCH_PARAMS),
        ("tags", len(tags), _BATCH_TAGS),
        ("entries", len(metrics) + len(params) + len(tags), _BATCH_TOTAL),
    ):
        if count > limit:
            raise UsageError(f"a batch may have at most {limit} {noun}, not {count}", remedy="Log it in parts.")
    for metric in metrics:
        _check_key("metric", metric.key)
        if metric.timestamp not in _INT64 or metric.step not in _INT64:
            raise UsageError(f"metric {metric.key!r}: step and timestamp must fit into 64 bits")
    for key, text in params.items():
        _check_key("param", key)
        _check_value("param", key, text, _PARAM_VALUE_LENGTH)
    check_run_tags(tags)


def check_run_tags(tags: Mapping[str, str]) -> None:
    _check_tags(tags, _RUN_TAG_VALUE_LENGTH)


def check_experiment_tags(tags: Mapping[str, str]) -> None:
    _check_tags(tags, _EXPERIMENT_TAG_VALUE_LENGTH)


def check_model_tags(tags: Mapping[str, str]) -> None:
    _check_tags(tags, _MODEL_TAG_VALUE_LENGTH)


def check_experiment_name(name: str) -> None:
    if not name.strip():
        raise UsageError("an experiment needs a name")
    if len(name) > _EXPERIMENT_NAME_LENGTH:
        raise UsageError(f"an experiment's name may have {_EXPERIMENT_NAME_LENGTH} characters, not {len(name)}")


def check_status(status: str) -> None:
    if status not in STATUSES:
        raise UsageError(f"{status!r} is no status of a run", remedy=f"One of {', '.join(STATUSES)}.")


def check_model_name(name: str) -> None:
    if not name.strip() or "/" in name or ":" in name:
        raise UsageError(f"{name!r} cannot name a registered model", remedy="Not empty, without '/' and ':'.")


def check_alias(alias: str) -> None:
    if not re.fullmatch(r"[\w\-]+", alias) or len(alias) > _ALIAS_LENGTH:
        raise UsageError(
            f"{alias!r} cannot be an alias",
            remedy=f"Letters, digits, '_' and '-', at most {_ALIAS_LENGTH}.",
        )
    if re.fullmatch(r"[vV]\d+", alias) or alias.lower() == "latest":
        raise UsageError(f"{alias!r} cannot be an alias: it is how versions are named", remedy="For example: champion")


def _check_tags(tags: Mapping[str, str], length: int) -> None:
    for key, text in tags.items():
        _check_key("tag", key)
        _check_value("tag", key, text, length)


def _check_key(noun: str, key: str) -> None:
    if not _KEY.fullmatch(key) or len(key) > _KEY_LENGTH:
        raise UsageError(
            f"{key[:80]!r} cannot name a {noun}",
            remedy=f"Letters, digits, '_', '-', '.', ':', '/' and spaces, at most {_KEY_LENGTH}.",
        )
    if key == "." or key.startswith(("..", "/")) or posixpath.normpath(key) != key:
        raise UsageError(f"{key!r} cannot name a {noun}", remedy="Slashes part a name as they part a plain path.")


def _check_value(noun: str, key: str, text: str, length: int) -> None:
    if len(text) > length:
        raise UsageError(
            f"{noun} {key!r} may have {length} characters, not {len(text)}", remedy="Log it as an artifact."
        )
