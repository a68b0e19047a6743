"""Rules for every test: no settings leak in from outside, no time limits, and CI skips no server test."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.postgres_server"]

NO_SKIP = "MILLRACE_TEST_NO_SKIP"
REMEDY = "apt-get install"  # what a skip says when a program of Debian's is missing

# A busy machine is no failure. CI searches the same examples every time, a developer's machine new ones.
NO_LIMIT: timedelta | None = None
settings.register_profile("desk", deadline=NO_LIMIT, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure() -> None:
    """Neither the developer's settings nor how the suite was started are the tests'.

    A shell starts what it puts in the background with SIGINT ignored, and every process of a test would inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith(("MILLRACE_", "MLFLOW_")) and not name.startswith("MILLRACE_TEST_"):
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(NO_SKIP) == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if REMEDY in reason or item.get_closest_marker("postgres"):
            report.outcome = "failed"
            report.longrepr = f"{NO_SKIP}=1 allows no skip, but: {reason}"
    return report
