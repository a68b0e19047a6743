"""``millrace doctor``: what is wrong with an installation, and how to mend it. Looks; changes nothing."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from millrace.core.errors import MillraceError
from millrace.storage.sql.upgrade import status
from millrace.version import __version__
from millrace.wiring.parsing import Parser
from millrace.wiring.settings import Settings, without_password

_LEAST_FREE = 1 << 30
"""Bytes below which a disk is called nearly full."""


@attrs.frozen
class Finding:
    name: str
    ok: bool
    message: str
    remedy: str = ""


def diagnose(settings: Settings) -> list[Finding]:
    """One finding for each part, in the order in which a failure of one explains the next."""
    return [
        *_python(),
        *_home(settings),
        *_database(settings),
        *_artifacts(settings),
        *_pipelines(settings),
        *_server(settings),
    ]


def _python() -> Iterator[Finding]:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    ok = sys.version_info >= (3, 11)
    yield Finding("python", ok, f"Python {found}, Millrace {__version__}", "" if ok else "Use Python 3.11 or later.")


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    folder = home if home.exists() else _nearest(home)
    if home.exists() and not home.is_dir():
        yield Finding("home", False, f"{home} is a file", "Name a folder: --home DIR, or MILLRACE_HOME.")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("home", False, f"{folder} cannot be written", f"chmod u+wx {folder}, or --home DIR")
    else:
        what = str(home) if home.exists() else f"{home} (is made when first needed)"
        yield Finding("home", True, what)
    free = shutil.disk_usage(folder).free
    shown = f"{free / (1 << 30):.1f} GiB free at {folder}"
    yield Finding("disk", free >= _LEAST_FREE, shown, "" if free >= _LEAST_FREE else "Make room, or move the home.")


def _database(settings: Settings) -> Iterator[Finding]:
    def look() -> Finding:
        found = status(settings.database)
        if found.state == "behind":
            return Finding("database", False, f"at version {found.version}, needed {found.head}", "millrace db upgrade")
        if found.state == "newer":
            return Finding(
                "database",
                False,
                f"made by a newer Millrace (version {found.version})",
                "Install that Millrace, or use another home folder.",
            )
        return Finding("database", True, f"{settings.database.partition(':')[0]}, {found.state}")

    yield _checked("database", look)


def _artifacts(settings: Settings) -> Iterator[Finding]:
    root = settings.artifacts
    if "://" in root:
        yield Finding("artifacts", True, f"{without_password(root)} (not tried: that would write)")
        return
    folder = _nearest(Path(root))
    ok = os.access(folder, os.W_OK | os.X_OK)
    yield Finding("artifacts", ok, root, "" if ok else f"{folder} cannot be written: chmod u+wx {folder}")


def _pipelines(settings: Settings) -> Iterator[Finding]:
    folder = settings.pipelines
    if not folder.is_dir():
        yield Finding("pipelines", True, f"{folder} is not there yet; `millrace up` makes it")
        return
    files = sorted(f for f in folder.glob("*.py") if b"millrace" in f.read_bytes())
    parser = Parser(keep_warm=False)
    try:
        broken = 0
        for parsed in parser.parse(files, folder):
            if parsed.error is not None:
                broken += 1
                yield Finding("pipelines", False, parsed.error.splitlines()[0], "Mend the file; the others are fine.")
        yield Finding("pipelines", True, f"{len(files) - broken} of {len(files)} files in {folder} import")
    finally:
        parser.close()


def _server(settings: Settings) -> Iterator[Finding]:
    if settings.url is not None:
        yield _checked("server", lambda: _ask(settings.url or ""))
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            taken = "by a `millrace up` perhaps; for another one use --port"
            message = f"port {settings.port} on {settings.host} cannot be taken ({error.strerror}), {taken}"
            yield Finding("port", True, message)
            return
    yield Finding("port", True, f"port {settings.port} on {settings.host} is free")


def _ask(url: str) -> Finding:
    from millrace.client import HttpOperations  # lazy: only where a server is named

    remote = HttpOperations(url)
    try:
        health = remote.health()
    finally:
        remote.close()
    ok = health["status"] == "ok"
    return Finding("server", ok, f"{url} is {health['status']}", "" if ok else f"See {url}/health")


def _checked(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except MillraceError as error:
        return Finding(name, False, error.message, error.remedy or "")


def _nearest(path: Path) -> Path:
    """The nearest folder above that exists."""
    while not path.exists():
        path = path.parent
    return path if path.is_dir() else path.parent
