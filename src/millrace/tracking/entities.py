"""What may be logged: keys, values and their limits, by MLflow's rules.

Invariant: what passes here is accepted by every MLflow server, so a run can be copied to one unchanged. What does not
is refused at the call, where the user's line is, and not cut short.
"""

from __future__ import annotations

import posixpath
import re

from millrace.core.errors import UsageError

METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
TAGS_PER_BATCH = 100
_KEY_CHARACTERS = 250
_PARAM_CHARACTERS = 6000
_TAG_CHARACTERS = 8000
_KEY = re.compile(r"[/\w.\- :]+")
_STEPS = range(-(2**63), 2**63)


def checked_key(kind: str, key: object) -> str:
    """``key`` of a param, metric or tag (``kind``)."""
    if not isinstance(key, str):
        raise UsageError(f"the name of a {kind} is a string, not {key!r}")
    if not _KEY.fullmatch(key):
        raise UsageError(
            f"{key!r} cannot name a {kind}",
            remedy="Use letters, digits, '_', '-', '.', ':', '/' and spaces.",
        )
    if key == "." or key.startswith(("..", "/")) or posixpath.normpath(key) != key:
        raise UsageError(
            f"{key!r} cannot name a {kind}: slashes part it as they do a path, and this path is not plain",
            remedy=f"Use {posixpath.normpath('/' + key).lstrip('/') or 'a name'!r}.",
        )
    if len(key) > _KEY_CHARACTERS:
        raise UsageError(
            f"a {kind}'s name has {len(key)} characters, at most {_KEY_CHARACTERS} are kept: {key[:40]}..."
        )
    return key


def param_text(key: str, value: object) -> str:
    """The text that a param's value is kept as."""
    return _checked_text("param", key, str(value), _PARAM_CHARACTERS)


def tag_text(key: str, value: object) -> str:
    """The text that a tag's value is kept as."""
    return _checked_text("tag", key, str(value), _TAG_CHARACTERS)


def metric_number(key: str, value: object) -> float:
    """A metric's value; NaN and infinities are numbers here."""
    try:
        return float(value)  # type: ignore[arg-type]  # what it cannot take is refused below
    except (TypeError, ValueError):
        raise UsageError(
            f"metric {key!r} is a {type(value).__name__}, not a number", remedy="Log text with log_param or set_tag."
        ) from None


def metric_step(key: str, step: object) -> int:
    """A metric's step; None is 0."""
    if step is None:
        return 0
    if isinstance(step, bool) or not hasattr(step, "__index__"):
        raise UsageError(f"the step of metric {key!r} is a whole number, not {step!r}")
    number = int(step.__index__())
    if number not in _STEPS:
        raise UsageError(f"the step of metric {key!r} has more than 64 bits")
    return number


def _checked_text(kind: str, key: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise UsageError(
            f"{kind} {key!r} has {len(text)} characters, at most {limit} are kept",
            remedy="Write it to an artifact: Output[Artifact].",
        )
    return text
