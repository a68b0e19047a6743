"""``millrace up``: scheduler, workers, the watched pipelines folder and the HTTP API, in one process on one port.

Started in an order in which a failure leaves nothing behind (the port first), closed in the reverse one; SIGTERM and
Ctrl-C end it with no process left.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import attrs

from millrace.core.attempts import Launch
from millrace.core.errors import StorageError
from millrace.core.types import Json
from millrace.executors.local import LocalExecutor
from millrace.interfaces import TaskServices
from millrace.operations.local import LocalOperations
from millrace.operations.registration import Registrar
from millrace.operations.task_services import LocalTaskServices, Services
from millrace.scheduler.scheduler import Scheduler, SchedulerParts
from millrace.server.app import create_app
from millrace.server.listening import HttpServer
from millrace.version import __version__
from millrace.wiring.pipeline_folder import PipelineFolder
from millrace.wiring.settings import Settings
from millrace.wiring.stores import Stores, check_writable, open_stores, process_name
from millrace.wiring.worker_command import worker_command

_log = logging.getLogger("millrace")


class Service:
    """The parts of ``millrace up``, and their health."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._executor = LocalExecutor(
            worker_command(settings),
            parallelism=settings.parallelism,
            prestart=min(2, settings.parallelism),
            logs=stores.logs,
            services_for=self._services_for,
            memory_limit=settings.memory_limit,
            clock=stores.clock,
        )
        self._scheduler = Scheduler(
            SchedulerParts(
                pipelines=stores.pipelines,
                execution=stores.execution,
                executor=self._executor,
                notifier=stores.notifier,
                clock=stores.clock,
                ids=stores.ids,
                artifact_root=stores.artifacts.root,
                source_digest=stores.source_digests.digest,
                owner=process_name("scheduler"),
            )
        )
        registrar = Registrar(stores.pipelines, stores.execution, stores.artifacts, stores.notifier, stores.clock)
        dedicated = settings.pipelines.resolve() != Path.cwd()
        self._folder = PipelineFolder(settings.pipelines, registrar, dedicated=dedicated)
        self._threads = [
            threading.Thread(
                target=self._guarded, args=("scheduler", self._scheduler.serve), name="millrace-scheduler"
            ),
            threading.Thread(target=self._guarded, args=("pipelines", self._folder.watch), name="millrace-pipelines"),
        ]
        self._failures: dict[str, str] = {}
        self.operations = LocalOperations(attrs.evolve(stores.operations_parts(), health=self.health))

    def start(self) -> None:
        self._scheduler.start()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._folder.stop()
        self._scheduler.stop()
        for thread in self._threads:
            thread.join()
        self._scheduler.close()

    def health(self) -> Json:
        """``ok`` when every part is up, ``starting`` until then, ``failing`` when one has died."""
        parts: dict[str, Json] = {
            "database": self._database(),
            "scheduler": self._part("scheduler", {"active_runs": self._scheduler.active}),
            "workers": {
                "status": "ok" if self._executor.alive else "failing",
                "parallelism": self._settings.parallelism,
            },
            "pipelines": self._part("pipelines", {"folder": str(self._settings.pipelines)}),
        }
        if parts["pipelines"]["status"] == "ok" and not self._folder.first_scan.is_set():
            parts["pipelines"]["status"] = "starting"
        states = {part["status"] for part in parts.values()}
        status = "failing" if "failing" in states else "starting" if "starting" in states else "ok"
        return {"status": status, "parts": parts, "version": __version__}

    def _database(self) -> dict[str, Json]:
        try:
            with self._stores.database.read() as connection:
                connection.row("SELECT version_num FROM alembic_version")
        except StorageError as error:
            return {"status": "failing", "reason": error.message}
        return {"status": "ok"}

    def _part(self, name: str, more: dict[str, Json]) -> dict[str, Json]:
        if name in self._failures:
            return {"status": "failing", "reason": self._failures[name], **more}
        return {"status": "ok", **more}

    def _guarded(self, name: str, loop: Callable[[], None]) -> None:
        """A part that dies says so in ``/health`` and in the log; the others go on."""
        try:
            loop()
        except BaseException as error:
            self._failures[name] = f"{type(error).__name__}: {error}"
            _log.exception("the %s part died", name)
            raise

    def _services_for(self, launch: Launch) -> TaskServices:
        return LocalTaskServices(Services(self._stores.tracking, self._stores.registry, self._stores.clock), launch)


def up(settings: Settings, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C. ``ready`` is called with the URL once requests are answered."""
    server = HttpServer(settings.host, settings.port)
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        stores = open_stores(settings)
        stack.callback(stores.close)
        check_writable(settings, stores)
        service = Service(settings, stores)
        stack.callback(service.close)
        service.start()
        server.run(create_app(service.operations, version=__version__, host=settings.host), ready)
