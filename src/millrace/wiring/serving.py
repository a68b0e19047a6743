"""``millrace models serve``: the scoring server over a registered model or a model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from millrace.operations.model_uris import find_model
from millrace.serving.server import serve
from millrace.wiring.settings import Settings
from millrace.wiring.stores import open_stores


def serve_model(settings: Settings, uri: str, host: str, port: int, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C. ``port`` 0 takes a free one; ``ready`` is called with the URL."""
    serve(model_path(settings, uri), host=host, port=port, ready=ready)


def model_path(settings: Settings, uri: str) -> Path:
    """The local folder of the model that ``uri`` names."""
    if not uri.startswith("models:") and Path(uri).is_dir():
        return Path(uri)
    stores = open_stores(settings)
    try:
        return find_model(uri, stores.registry, stores.artifacts).path
    finally:
        stores.close()
