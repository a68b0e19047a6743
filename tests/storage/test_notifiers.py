"""Both notifiers wake whoever listens, across processes, and cost nothing while they wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace.interfaces import Notifier
from millrace.storage.fifo_notifier import FifoNotifier
from millrace.storage.notifier import notifier_for
from millrace.storage.sql.database import Database
from millrace.testing.notifier_conformance import NotifierConformance

LONG = 30.0


@pytest.fixture
def make_notifier(database: Database, tmp_path: Path) -> Iterator[Callable[[], Notifier]]:
    made: list[Notifier] = []

    def make() -> Notifier:
        made.append(notifier_for(database, tmp_path))
        return made[-1]

    yield make
    for notifier in made:
        notifier.close()


class TestNotifiers(NotifierConformance):
    pass


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Path, Database]]:
    database = Database.open(f"sqlite:///{tmp_path}/millrace.db")
    yield tmp_path, database
    database.close()


LISTEN = """
import sys, time
from pathlib import Path
from millrace.storage.notifier import notifier_for
from millrace.storage.sql.database import Database
home = Path(sys.argv[1])
notifier_for(Database.open(f"sqlite:///{home}/millrace.db"), home).listen(lambda: print("woken", flush=True))
print("listening", flush=True)
sys.stdin.read()
"""


def listener(home: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_another_process_is_woken_and_a_dead_one_swept(home: tuple[Path, Database]) -> None:
    folder, database = home
    alive, dead = listener(folder), listener(folder)
    end(dead)
    assert len(list((folder / "wake").iterdir())) == 2
    notifier = FifoNotifier(folder, database)
    notifier.notify()
    assert alive.stdout is not None
    assert alive.stdout.readline() == "woken\n"
    assert [p.name for p in (folder / "wake").iterdir()] == [f"wake-{alive.pid}-1"]
    end(alive)


def test_a_commit_that_nobody_announced_is_noticed(home: tuple[Path, Database]) -> None:
    folder, database = home
    notifier, woken = FifoNotifier(folder, database), threading.Event()
    notifier.listen(woken.set)
    with database.write() as connection:
        connection.change("UPDATE experiment SET last_update_time = 1")
    assert woken.wait(LONG)
    notifier.close()


def test_waiting_costs_no_cpu(home: tuple[Path, Database]) -> None:
    folder, database = home
    notifier = FifoNotifier(folder, database)
    notifier.listen(lambda: None)
    before = os.times()
    time.sleep(2.2)
    after = os.times()
    notifier.close()
    assert after.user + after.system - before.user - before.system < 0.1
    assert list((folder / "wake").iterdir()) == []


def test_a_home_without_a_place_for_fifos(home: tuple[Path, Database]) -> None:
    folder, database = home
    (folder / "wake").write_text("a file is in the way")
    from millrace.core.errors import StorageError

    with pytest.raises(StorageError, match="cannot make"):
        FifoNotifier(folder, database).listen(lambda: None)
