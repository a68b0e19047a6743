"""``millrace db upgrade`` and ``status``."""

from __future__ import annotations

import attrs

from millrace.core.errors import StorageError
from millrace.core.types import Json
from millrace.storage.sql import upgrade as migrations
from millrace.wiring.settings import Settings, without_password


def upgrade(settings: Settings) -> Json:
    """Bring the database's schema up to date; where it stands then."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the home folder {settings.home} cannot be made: {error.strerror}", remedy="Choose another: --home DIR"
        ) from error
    return _document(settings, migrations.upgrade(settings.database))


def status(settings: Settings) -> Json:
    """Which schema the database has and which this Millrace needs. Makes nothing."""
    return _document(settings, migrations.status(settings.database))


def _document(settings: Settings, found: migrations.DatabaseStatus) -> Json:
    return {"database": without_password(settings.database), **attrs.asdict(found)}
