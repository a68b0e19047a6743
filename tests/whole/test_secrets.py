"""What user code is not given, and what is not shown."""

from __future__ import annotations

from tests.whole.installation import Installation

LOOKS = """
    import os

    from millrace import pipeline, task

    AT_IMPORT = str(os.environ.get("MILLRACE_DATABASE"))

    @task
    def looks():
        print("environment:", os.environ.get("MILLRACE_DATABASE"))

    @pipeline(description=AT_IMPORT)
    def secretive():
        looks()
"""


def test_the_databases_address_is_not_in_the_environment_of_user_code(installation: Installation) -> None:
    installation.write("secretive.py", LOOKS)
    with installation.up(MILLRACE_DATABASE=f"sqlite:///{installation.folder}/elsewhere.db") as service:
        run = service.finished("secretive")
        assert run["state"] == "success"
        assert "environment: None" in service.logged(run["run_id"], "looks")
        assert service.pipelines()["secretive"]["description"] == "None"
