"""Bad input gives one clear message with the remedy, a non-zero exit, and leaves store and artifacts as they were."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
from pathlib import Path

import pytest

from tests.whole.installation import Ended, Installation
from tests.whole.restricted import WITHOUT_OVERRIDE, needs_restriction

INGEST = """
    from millrace import pipeline
    from millrace.components import CsvExampleGen

    @pipeline
    def ingest(data: str):
        CsvExampleGen(data)
    """
GOOD = """
    from millrace import pipeline, task

    @task
    def double(number: int) -> int:
        return 2 * number

    @pipeline
    def good(number: int = 21, rate: float = 0.5):
        double(number)
    """


@pytest.fixture(scope="module")
def lived_in(shared: Installation) -> Installation:
    """A home in which something has run, so that there is something to be harmed."""
    shared.write("good.py", GOOD)
    shared.write("ingest.py", INGEST)
    (shared.folder / "good.csv").write_text("a,b\n" + "".join(f"{i},x{i % 3}\n" for i in range(50)))
    shared.millrace("run", shared.pipelines / "good.py").ok()
    shared.millrace("run", shared.pipelines / "ingest.py", "-p", "data=good.csv").ok()
    return shared


def check(done: Ended, message: str, remedy: str, *, codes: tuple[int, ...] = (1, 2)) -> None:
    """``message`` and ``remedy`` are patterns; the message stands once, and no traceback with it."""
    shown = done.out + done.err
    assert done.code in codes, f"exit code {done.code}\n{shown}"
    assert "Traceback" not in shown
    assert "unexpected error" not in shown, shown
    assert re.search(message, shown, re.DOTALL), shown
    assert re.search(remedy, shown, re.DOTALL), shown


# --- data -------------------------------------------------------------------------------------------------------

DATA = [
    ("missing", None, "missing.csv: no such file", "Check the path"),
    ("empty", b"", "empty.csv: the file is empty", "header line and rows"),
    ("no-rows", b"a,b\n", "no-rows.csv: the file has a header and no rows", "put rows in it"),
    ("ragged", b"a,b\n1,2\n3,4,5\n", "ragged.csv, line 3: the row has 3 fields, the header has 2", "Mend the row"),
    ("encoding", b"a,b\n1,caf\xe9\n", "encoding.csv, line 2: the byte 0xe9 .*is not UTF-8", "Save it as UTF-8"),
    ("binary", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, r"binary.csv", "."),
    ("twice", b"a,a\n1,2\n", "twice.csv.*'a'|twice.csv.*a", "."),
]


@pytest.mark.parametrize(("name", "content", "message", "remedy"), DATA, ids=[d[0] for d in DATA])
def test_a_bad_csv(lived_in: Installation, name: str, content: bytes | None, message: str, remedy: str) -> None:
    if content is not None:
        (lived_in.folder / f"{name}.csv").write_bytes(content)
    files, rows = _artifacts(lived_in)
    done = lived_in.millrace("run", lived_in.pipelines / "ingest.py", "-p", f"data={name}.csv")
    check(done, message, remedy, codes=(1,))
    assert _artifacts(lived_in) == (files, rows)


@needs_restriction
def test_an_unreadable_csv(lived_in: Installation) -> None:
    file = lived_in.folder / "secret.csv"
    file.write_text("a,b\n1,2\n")
    file.chmod(0)
    before = _artifacts(lived_in)
    command = ("run", lived_in.pipelines / "ingest.py", "-p", "data=secret.csv")
    done = lived_in.millrace(*command, prefix=WITHOUT_OVERRIDE)
    check(done, "secret.csv: .*(permission|not be read|cannot be read)", "Change the permissions", codes=(1,))
    assert _artifacts(lived_in) == before


def _artifacts(installation: Installation) -> tuple[dict[str, str], int]:
    """What the artifact store holds. A run that failed is on record; it left no artifact."""
    kept = {n: d for n, d in installation.files().items() if n.startswith("artifacts")}
    return kept, installation.rows()["artifact"]


# --- pipeline files ---------------------------------------------------------------------------------------------

SYNTAX = "from millrace import pipeline\n\n@pipeline\ndef p(:\n    pass\n"
IMPORT = "from millrace import pipeline\nimport pandoras\n"
RAISES = "from millrace import pipeline\n\ndef load():\n    return {}['key']\n\nload()\n"
CYCLE = """
    from millrace import DAG
    from millrace.operators import EmptyOperator

    with DAG("round"):
        a, b, c = (EmptyOperator(task_id=n) for n in "abc")
        a >> b >> c >> a
    """
MISMATCH = """
    from millrace import pipeline, task

    @task
    def text() -> str:
        return "1"

    @task
    def double(number: int) -> int:
        return 2 * number

    @pipeline
    def wrong():
        double(text())
    """
MISSING_ARGUMENT = """
    from millrace import pipeline, task

    @task
    def double(number: int) -> int:
        return 2 * number

    @pipeline
    def wrong():
        double()
    """
SURPLUS_ARGUMENT = MISSING_ARGUMENT.replace("double()", "double(1, numbre=2)")
UNKNOWN_OPTION = MISSING_ARGUMENT.replace("@task", "@task(retires=3)")
NO_PIPELINE = "from millrace import pipeline\n"
TWO = GOOD + GOOD.replace("def good", "def better").replace("def double", "def twice").replace("double(n", "twice(n")

FILES = [
    ("syntax", SYNTAX, r"syntax\.py:4", "."),
    ("import", IMPORT, r"No module named 'pandoras'|no module.*pandoras", "."),
    ("raises", RAISES, r"raises\.py:4.*KeyError|KeyError.*raises\.py:4", "."),
    ("cycle", CYCLE, r"(?=.*a)(?=.*b)(?=.*c).*(wait|cycle)", r"cycle\.py:\d"),
    ("mismatch", MISMATCH, r"takes an integer for 'number', not .*a string", r"mismatch\.py:14"),
    ("missing_argument", MISSING_ARGUMENT, "number", r"missing_argument\.py:10"),
    ("surplus_argument", SURPLUS_ARGUMENT, "numbre", r"surplus_argument\.py:10"),
    ("unknown_option", UNKNOWN_OPTION, "retires", "Did you mean 'retries'"),
    ("no_pipeline", NO_PIPELINE, "defines no pipeline", "Define one"),
    ("two", TWO, "defines 2 pipelines: good, better", r"two\.py:good"),
]


IN_BOTH_VERBS = {"import", "cycle"}
"""Reading a file is one way for all verbs, so two samples suffice for the second."""


@pytest.mark.parametrize(
    ("verb", "name", "text", "message", "remedy"),
    [
        pytest.param(verb, *case, id=f"{case[0]}-{verb}")
        for case in FILES
        for verb in ("run", "plan")
        if verb == "run" or case[0] in IN_BOTH_VERBS
    ],
)
def test_a_bad_pipeline_file(
    lived_in: Installation, verb: str, name: str, text: str, message: str, remedy: str
) -> None:
    file = _outside(lived_in, f"{name}.py", text)
    before = lived_in.content()
    check(lived_in.millrace(verb, file), message, remedy, codes=(2,))
    assert lived_in.content() == before


def _outside(installation: Installation, name: str, text: str) -> Path:
    """A file beside the pipelines folder."""
    draft = installation.write(name, text)
    folder = installation.folder / "elsewhere"
    folder.mkdir(exist_ok=True)
    return draft.rename(folder / name)


def test_a_traceback_when_it_is_asked_for(lived_in: Installation) -> None:
    file = _outside(lived_in, "raises.py", RAISES)
    done = lived_in.millrace("run", file, "--traceback")
    assert done.code == 2
    assert "Traceback" in done.err
    assert "return {}['key']" in done.err
    assert "site-packages" not in done.err


def test_the_traceback_of_a_task_when_it_is_asked_for(lived_in: Installation) -> None:
    file = _outside(lived_in, "fails.py", GOOD.replace("2 * number", "{}['key']"))
    silent = lived_in.millrace("run", file)
    assert silent.code == 1
    assert "KeyError: 'key'" in silent.out
    assert "Traceback" not in silent.out + silent.err
    done = lived_in.millrace("run", file, "--traceback")
    assert done.code == 1
    assert "Traceback" in done.err
    assert "return {}['key']" in done.err
    assert "millrace/worker" not in done.err


def test_a_file_that_is_not_there(lived_in: Installation) -> None:
    before = lived_in.content()
    check(lived_in.millrace("run", "nowhere.py"), r"there is no file .*nowhere\.py", ".", codes=(2,))
    check(lived_in.millrace("run", lived_in.pipelines), "is a folder", "Name the Python file", codes=(2,))
    check(lived_in.millrace("run", f"{lived_in.pipelines}/good.py:god"), "'god'", "Did you mean 'good'", codes=(1,))
    assert lived_in.content() == before


# --- parameters -------------------------------------------------------------------------------------------------

PARAMETERS = [
    ("unknown", ["-p", "numbr=1"], "no parameter 'numbr'", "Did you mean 'number'"),
    ("no int", ["-p", "number=many"], "'?number'?.*int.*many|many.*int", "."),
    ("no float", ["-p", "rate=fast"], "'?rate'?.*float.*fast|fast.*float|number.*fast", "."),
    ("float for int", ["-p", "number=1.5"], "number.*1.5", "."),
    ("twice", ["-p", "number=1", "-p", "number=2"], "given twice", "."),
    ("no sign", ["-p", "number"], "NAME=VALUE", "For example"),
]


@pytest.mark.parametrize(
    ("verb", "given", "message", "remedy"),
    [
        pytest.param(verb, *case[1:], id=f"{case[0]}-{verb}")
        for case in PARAMETERS
        for verb in ("run", "trigger", "plan")
        if verb != "plan" or case[0] == "unknown"
    ],
)
def test_a_bad_parameter(lived_in: Installation, verb: str, given: list[str], message: str, remedy: str) -> None:
    before = lived_in.content()
    target = "good" if verb == "trigger" else lived_in.pipelines / "good.py"
    check(lived_in.millrace(verb, target, *given), message, remedy, codes=(2,))
    assert lived_in.content() == before


def test_a_parameter_that_is_needed(lived_in: Installation) -> None:
    before = lived_in.content()
    check(lived_in.millrace("run", lived_in.pipelines / "ingest.py"), "data", "-p data=", codes=(2,))
    assert lived_in.content() == before


# --- the place --------------------------------------------------------------------------------------------------


@needs_restriction
def test_a_home_that_cannot_be_made(installation: Installation) -> None:
    file = installation.write("good.py", GOOD)
    locked = installation.folder / "locked"
    locked.mkdir(mode=0o500)
    done = installation.millrace("--home", locked / "home", "run", file, prefix=WITHOUT_OVERRIDE)
    check(done, f"{locked}/home.*([Pp]ermission denied)", "--home", codes=(1,))
    assert list(locked.iterdir()) == []


@needs_restriction
@pytest.mark.parametrize("verb", ["run", "trigger", "up"])
def test_a_read_only_home(installation: Installation, verb: str) -> None:
    file = installation.write("good.py", GOOD)
    installation.millrace("run", file).ok()
    before = installation.content()
    folders = [installation.home, *(f for f in installation.home.rglob("*") if f.is_dir())]
    for path in installation.home.rglob("*"):
        path.chmod(0o500 if path.is_dir() else 0o400)
    installation.home.chmod(0o500)
    targets: dict[str, list[object]] = {
        "run": [file],
        "trigger": ["good"],
        "up": ["--pipelines", installation.pipelines, "--port", 0],
    }
    done = installation.millrace(verb, *targets[verb], prefix=WITHOUT_OVERRIDE)
    for folder in folders:
        folder.chmod(0o700)
    check(done, str(installation.home), "--home|chmod|right", codes=(1,))
    assert installation.content() == before


def test_a_home_that_is_a_file(installation: Installation) -> None:
    file = installation.write("good.py", GOOD)
    installation.home.write_text("not a folder")
    check(installation.millrace("run", file), str(installation.home), "--home", codes=(1,))
    assert installation.home.read_text() == "not a folder"


NEWER = ["run", "trigger", "up", "runs list", "db upgrade"]


@pytest.mark.parametrize("verb", NEWER)
def test_a_database_of_a_newer_version(installation: Installation, verb: str) -> None:
    file = installation.write("good.py", GOOD)
    installation.millrace("db", "upgrade").ok()
    with contextlib.closing(sqlite3.connect(installation.home / "millrace.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9f99_later'")
    before = installation.content()
    more: dict[str, list[object]] = {
        "run": [file],
        "trigger": ["good"],
        "up": ["--port", 0, "--pipelines", installation.pipelines],
    }
    done = installation.millrace(*verb.split(), *more.get(verb, []))
    check(done, "newer", "(Install|[Uu]pgrade|[Uu]pdate) ", codes=(1,))
    assert installation.content() == before
    doctor = installation.millrace("doctor")
    assert doctor.code == 1
    assert "newer" in doctor.out


def test_a_file_that_is_no_database(installation: Installation) -> None:
    file = installation.write("good.py", GOOD)
    installation.home.mkdir()
    (installation.home / "millrace.db").write_text("this is no database at all, " * 100)
    check(installation.millrace("run", file), "millrace.db.*not a SQLite database", ".", codes=(1,))
    assert (installation.home / "millrace.db").read_text() == "this is no database at all, " * 100


def test_a_port_in_use(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = installation.millrace("up", "--port", port, "--pipelines", installation.pipelines)
    check(done, f"port {port} is in use", "--port", codes=(1,))
    assert not installation.home.exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"MILLRACE_PORT": "many"}, "MILLRACE_PORT"),
        ({"MILLRACE_DATABASE": "mysql://x/y"}, "MILLRACE_DATABASE"),
        ({"MILLRACE_MEMORY_LIMIT": "2 elephants"}, "MILLRACE_MEMORY_LIMIT"),
        ({"MILLRACE_PARALELISM": "3"}, "MILLRACE_PARALLELISM"),
    ],
)
def test_a_bad_setting(installation: Installation, variables: dict[str, str], message: str) -> None:
    file = installation.write("good.py", GOOD)
    check(installation.millrace("run", file, env=variables), message, ".", codes=(2,))
    assert not installation.home.exists()


def test_a_server_that_is_not_there(installation: Installation) -> None:
    done = installation.millrace("runs", "list", "--url", "http://127.0.0.1:9")
    check(done, "http://127.0.0.1:9", "millrace up", codes=(1,))


def test_names_that_are_not_there(lived_in: Installation) -> None:
    before = lived_in.content()
    check(lived_in.millrace("trigger", "goood"), "there is no pipeline 'goood'", "Did you mean 'good'", codes=(1,))
    check(lived_in.millrace("runs", "show", "12345678"), "there is no run", ".", codes=(1,))
    check(lived_in.millrace("artifacts", "show", "12345678"), "there is no artifact", ".", codes=(1,))
    check(lived_in.millrace("models", "show", "nobody"), "there is no", ".", codes=(1,))
    assert lived_in.content() == before
