"""How ``.run()`` reaches the platform.

Authoring stands below the scheduler, the stores and the composition root, so it must not import them; and a pipeline
file that is only loaded needs none of them. The one seam: ``millrace.wiring.in_process.run``, found by name when
somebody runs a pipeline.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millrace.core.types import Json

RUNNER = "millrace.wiring.in_process"


def run_in_process(pipeline: object, params: Mapping[str, Json], *, home: Path | None, show: bool) -> Any:
    """Run ``pipeline`` here and now, with no server and no worker processes; its ``RunResult``."""
    # By name, because an import would turn the layers round.
    return importlib.import_module(RUNNER).run(pipeline, params, home=home, show=show)
