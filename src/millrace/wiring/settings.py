"""Settings: one table, four sources, each over the one before: defaults, file, ``MILLRACE_*``, flags.

The file is ``millrace.toml``, or ``[tool.millrace]`` in ``pyproject.toml``, in the working folder or else in the
nearest folder above it that has one. That folder is the project: relative paths in the file and the default folders
lie in it, while flags and variables are relative to the working folder.

Invariant: a value that is used was checked, and an error says which source it came from; a name with a typing error is
never ignored.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from millrace.core.errors import SettingsError, did_you_mean

PREFIX = "MILLRACE_"
FILE = "millrace.toml"

_DATABASES = ("sqlite", "postgresql")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?", re.IGNORECASE)
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@attrs.frozen
class Settings:
    """Every setting, checked; paths are absolute. docs/reference/settings.md says what each means."""

    home: Path
    pipelines: Path
    database: str = attrs.field(repr=lambda url: repr(without_password(url)))
    artifacts: str = attrs.field(repr=lambda url: repr(without_password(url)))
    """An absolute folder or an fsspec URL."""
    host: str
    port: int
    url: str | None
    parallelism: int
    memory_limit: int | None
    """Bytes that one worker process may use."""


@attrs.frozen
class _Source:
    """Where values come from: ``names`` of the keys' places for errors, ``base`` for relative paths."""

    values: Mapping[str, object]
    base: Path
    names: Mapping[str, str]

    def wrong(self, key: str, rule: str, value: object, remedy: str | None = None) -> SettingsError:
        shown = without_password(value) if isinstance(value, str) else value
        return SettingsError(f"{key} {rule}, not {shown!r}", where=self.names[key], remedy=remedy)


def load_settings(flags: Mapping[str, object], *, cwd: Path, environ: Mapping[str, str]) -> Settings:
    """The settings for a command. Flags that are None were not given.

    SettingsError names an unknown key with the near ones, or a bad value, and where it stands.
    """
    cwd = cwd.absolute()
    found: dict[str, Any] = {}
    file = _from_file(cwd)
    for source in (file, _from_environment(cwd, environ), _from_flags(cwd, flags)):
        for key, value in source.values.items():
            found[key] = _READERS[key](source, key, value)
    home: Path = found.get("home", file.base / ".millrace")
    default_pipelines = file.base / "pipelines"
    return Settings(
        home=home,
        pipelines=found.get("pipelines", default_pipelines if default_pipelines.is_dir() else file.base),
        database=found.get("database", f"sqlite:///{home / 'millrace.db'}"),
        artifacts=found.get("artifacts", str(home / "artifacts")),
        host=found.get("host", "127.0.0.1"),
        port=found.get("port", 8080),
        url=found.get("url"),
        parallelism=found.get("parallelism", _cores()),
        memory_limit=found.get("memory_limit"),
    )


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def without_password(url: str) -> str:
    """``url`` as it may be shown."""
    shown = re.sub(r"(://[^:/?#@\s]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"([?&]\w*password=)[^&]*", r"\1***", shown)


# --- sources ---------------------------------------------------------------------------------------------------


def _from_file(cwd: Path) -> _Source:
    for folder in (cwd, *cwd.parents):
        found = _table(folder)
        if found is not None:
            file, values = found
            for key in values:
                if key not in _READERS:
                    raise SettingsError(f"there is no setting {key!r}", where=file, remedy=did_you_mean(key, _READERS))
            return _Source(values, folder, dict.fromkeys(values, file))
    return _Source({}, cwd, {})


def _table(folder: Path) -> tuple[str, Mapping[str, object]] | None:
    """The file and the settings that ``folder`` holds; ``millrace.toml`` goes before ``pyproject.toml``."""
    own = folder / FILE
    if own.is_file():
        return str(own), _read_toml(own)
    project = folder / "pyproject.toml"
    if not project.is_file():
        return None
    table = _read_toml(project).get("tool", {})
    settings = table.get("millrace") if isinstance(table, dict) else None
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise SettingsError("[tool.millrace] is not a table", where=str(project))
    return str(project), settings


def _read_toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"this is not TOML: {error}", where=str(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file cannot be read: {error}", where=str(file)) from None


def _from_environment(cwd: Path, environ: Mapping[str, str]) -> _Source:
    """``MILLRACE_*``; an empty one counts as not set. Names that are near to none are somebody else's."""
    values: dict[str, object] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or not text:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key in _READERS:
            values[key] = text
            continue
        near = did_you_mean(name, [PREFIX + known.upper() for known in _READERS])
        if near and near.startswith("Did you mean") and _shares_length(key):
            raise SettingsError(f"there is no setting {name}", where="environment", remedy=near)
    return _Source(values, cwd, {key: PREFIX + key.upper() for key in values})


def _shares_length(key: str) -> bool:
    """Whether ``key`` is as long as a setting's name, give or take two: a typing error, not another word."""
    return any(abs(len(key) - len(known)) <= 2 and known[0] == key[:1] for known in _READERS)


def _from_flags(cwd: Path, flags: Mapping[str, object]) -> _Source:
    values = {key: value for key, value in flags.items() if value is not None}
    for key in values:
        if key not in _READERS:
            raise SettingsError(f"there is no setting {key!r}", remedy=did_you_mean(key, _READERS))
    return _Source(values, cwd, {key: "--" + key.replace("_", "-") for key in values})


# --- values ------------------------------------------------------------------------------------------------------


def _text(source: _Source, key: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise source.wrong(key, "takes a text", value)
    return value


def _folder(source: _Source, key: str, value: object) -> Path:
    text = _text(source, key, value)
    if "://" in text:
        raise source.wrong(key, "takes a folder of this machine", text)
    return Path(os.path.normpath(source.base / os.path.expanduser(text)))  # noqa: PTH111 - unlike pathlib's it never raises


def _database(source: _Source, key: str, value: object) -> str:
    text = _text(source, key, value)
    scheme, separator, rest = text.partition("://")
    if scheme == "postgres":
        scheme = "postgresql"
    if not separator or scheme.partition("+")[0] not in _DATABASES:
        raise source.wrong(
            key,
            "takes a database URL",
            text,
            remedy="sqlite:///folder/millrace.db, or postgresql://user:password@host/database",
        )
    if scheme.partition("+")[0] == "sqlite":
        if not rest.startswith("/") or rest in {"/", "/:memory:"}:
            raise source.wrong(
                key, "takes a SQLite file", text, remedy="sqlite:///millrace.db, or sqlite:////srv/millrace.db"
            )
        return f"{scheme}:///{_folder(source, key, rest[1:])}"
    return f"{scheme}://{rest}"


def _artifacts(source: _Source, key: str, value: object) -> str:
    text = _text(source, key, value)
    if "://" not in text:
        return str(_folder(source, key, text))
    return text.rstrip("/")


def _url(source: _Source, key: str, value: object) -> str:
    text = _text(source, key, value)
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise source.wrong(key, "takes a server's address", text, remedy="For example: http://127.0.0.1:8080")
    return parts.geturl().rstrip("/")


def _integer(source: _Source, key: str, value: object) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise source.wrong(key, "takes an integer", value)
    return value


def _port(source: _Source, key: str, value: object) -> int:
    port = _integer(source, key, value)
    if not 0 <= port <= 65535:
        raise source.wrong(key, "is from 1 to 65535 (0 takes a free one)", port)
    return port


def _parallelism(source: _Source, key: str, value: object) -> int:
    count = _integer(source, key, value)
    if not 1 <= count <= 1024:
        raise source.wrong(key, "is from 1 to 1024", count)
    return count


def _memory_limit(source: _Source, key: str, value: object) -> int:
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    size = int(float(match[1]) * _UNITS[(match[2] or "B").upper()]) if match else value
    if isinstance(size, bool) or not isinstance(size, int):
        raise source.wrong(key, "takes a size", value, remedy="For example: 2GiB, 500MB, or a number of bytes")
    if size < 64 * 2**20:
        raise source.wrong(key, "is at least 64MiB", value, remedy="A worker with its libraries needs more than that")
    return size


_READERS: dict[str, Callable[[_Source, str, object], Any]] = {
    "home": _folder,
    "pipelines": _folder,
    "database": _database,
    "artifacts": _artifacts,
    "host": _text,
    "port": _port,
    "url": _url,
    "parallelism": _parallelism,
    "memory_limit": _memory_limit,
}
"""Every setting and how its value is read: the one list of their names."""
