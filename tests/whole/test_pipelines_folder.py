"""What happens to the pipelines folder while ``millrace up`` watches it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest

from tests.whole.installation import Installation, Service, states_of
from tests.whole.processes import until

FILE = """
    from millrace import pipeline, task

    @task
    def say(text: str) -> str:
        return text + "{suffix}"

    @pipeline
    def {name}(text: str = "hello"):
        say(text)
    """


@pytest.fixture(scope="module")
def service(shared: Installation) -> Iterator[Service]:
    shared.write("steady.py", FILE.format(name="steady", suffix=""))
    with shared.up() as running:
        yield running


def output_of(service: Service, pipeline: str) -> object:
    run = service.finished(pipeline)
    assert run["state"] == "success"
    task = service.ask(f"/api/v1/runs/{run['run_id']}/tasks/say")
    return task["outputs"]["return_value"]["value"]


def test_a_file_that_was_there_is_there_when_it_is_healthy(service: Service) -> None:
    assert "steady" in service.pipelines()


def test_a_new_file_appears_and_runs(service: Service) -> None:
    service.of.write("new.py", FILE.format(name="brand_new", suffix="!"))
    until(lambda: "brand_new" in service.pipelines(), "the new pipeline")
    assert output_of(service, "brand_new") == "hello!"


def test_a_changed_file_is_a_new_version_and_runs_its_new_code(service: Service) -> None:
    service.of.write("changed.py", FILE.format(name="changed", suffix=" before"))
    until(lambda: "changed" in service.pipelines(), "the pipeline")
    before = service.pipelines()["changed"]["version"]
    assert output_of(service, "changed") == "hello before"
    service.of.write("changed.py", FILE.format(name="changed", suffix=" after"))
    until(lambda: service.pipelines()["changed"]["version"] != before, "the new version")
    assert output_of(service, "changed") == "hello after"


def test_a_change_of_an_imported_module_is_a_new_version(service: Service) -> None:
    service.of.write("words.py", "WORD = 'one'\n")
    text = """
        from millrace import pipeline, task
        from words import WORD

        @task
        def say() -> str:
            return WORD

        @pipeline
        def imports():
            say()
        """
    service.of.write("imports.py", text)
    until(lambda: "imports" in service.pipelines(), "the pipeline")
    before = service.pipelines()["imports"]["version"]
    assert output_of(service, "imports") == "one"
    service.of.write("words.py", "WORD = 'two'\n")
    until(lambda: service.pipelines()["imports"]["version"] != before, "the new version")
    assert output_of(service, "imports") == "two"


def test_a_deleted_file_takes_its_pipeline_along(service: Service) -> None:
    file = service.of.write("deleted.py", FILE.format(name="deleted", suffix=""))
    until(lambda: "deleted" in service.pipelines(), "the pipeline")
    run_id = service.finished("deleted")["run_id"]
    file.unlink()
    until(lambda: "deleted" not in service.pipelines(), "the pipeline to go")
    refused = service.command("trigger", "deleted")
    assert refused.code == 1
    assert "there is no pipeline 'deleted'" in refused.err
    assert states_of(service.run(run_id)) == {"say": "success"}, "its runs stay"


def test_a_broken_file_shows_its_traceback_and_harms_no_other(service: Service) -> None:
    text = """
        from millrace import pipeline

        def divide():
            return 1 / 0

        divide()
        """
    file = service.of.write("broken.py", text)
    until(lambda: "broken.py" in service.import_failures(), "the failure")
    failure = service.import_failures()["broken.py"]
    assert "ZeroDivisionError" in failure["message"]
    assert "in divide" in failure["traceback"]
    assert str(file) in failure["traceback"]
    assert "site-packages" not in failure["traceback"]
    assert output_of(service, "steady") == "hello"
    assert service.ask("/health")["status"] == "ok"
    listed = service.command("pipelines", "list").ok().out
    assert str(file) in listed
    assert "ZeroDivisionError" in listed
    service.of.write("broken.py", FILE.format(name="mended", suffix=""))
    until(lambda: "mended" in service.pipelines(), "the mended pipeline")
    until(lambda: "broken.py" not in service.import_failures(), "the failure to go")


def test_a_file_that_breaks_keeps_the_pipeline_it_defined(service: Service) -> None:
    service.of.write("fragile.py", FILE.format(name="fragile", suffix=""))
    until(lambda: "fragile" in service.pipelines(), "the pipeline")
    service.of.write("fragile.py", "from millrace import pipeline\nthis is no Python\n")
    until(lambda: "fragile.py" in service.import_failures(), "the failure")
    assert output_of(service, "fragile") == "hello"


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("exits.py", "raise SystemExit(3)"),
        ("dies.py", "import os; os._exit(7)"),
        ("killed.py", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
    ],
)
def test_a_file_that_ends_the_process_that_imports_it_is_reported(service: Service, name: str, ending: str) -> None:
    service.of.write(name, f"from millrace import pipeline\n{ending}\n")
    until(lambda: name in service.import_failures(), "the failure")
    message = service.import_failures()[name]["message"]
    assert name in message
    assert {"exits.py": "3", "dies.py": "7", "killed.py": "signal"}[name] in message
    assert output_of(service, "steady") == "hello"


def test_a_file_that_never_finishes_delays_no_other(service: Service) -> None:
    file = service.of.write("endless.py", "from millrace import pipeline\nwhile True: pass\n")
    service.of.write("meanwhile.py", FILE.format(name="meanwhile", suffix=""))
    until(lambda: "meanwhile" in service.pipelines(), "the new pipeline")
    assert "endless.py" not in service.import_failures(), "it was waited for"
    assert output_of(service, "meanwhile") == "hello"
    file.unlink()


def test_a_slow_file_is_registered_when_it_is_done(service: Service) -> None:
    service.of.write("slow.py", "import time\ntime.sleep(2)\n" + textwrap.dedent(FILE.format(name="slow", suffix="")))
    until(lambda: "slow" in service.pipelines(), "the slow pipeline")
    assert output_of(service, "slow") == "hello"


def test_a_file_is_loaded_again_when_what_broke_it_is_mended(service: Service) -> None:
    text = FILE.format(name="depends", suffix="").replace("@task", "from spoken import WORD\n\n    @task", 1)
    service.of.write("depends.py", text.replace('""', "WORD"))
    until(lambda: "depends.py" in service.import_failures(), "the failure")
    assert "spoken" in service.import_failures()["depends.py"]["message"]
    service.of.write("spoken.py", "WORD = ' again'\n")
    until(lambda: "depends" in service.pipelines(), "the pipeline")
    assert output_of(service, "depends") == "hello again"


def test_the_same_name_in_two_files_is_refused_for_the_second(service: Service) -> None:
    service.of.write("again.py", FILE.format(name="steady", suffix=" from another file"))
    until(lambda: "again.py" in service.import_failures(), "the failure")
    assert "steady.py" in service.import_failures()["again.py"]["message"]
    assert output_of(service, "steady") == "hello"
    (service.of.pipelines / "steady.py").rename(service.of.pipelines / "steady.txt")
    until(lambda: "again.py" not in service.import_failures(), "the second to have the name")
    assert output_of(service, "steady") == "hello from another file"
