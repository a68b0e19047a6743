"""Where settings come from, which goes before which, and what is said about a wrong one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import SettingsError
from millrace.wiring.settings import Settings, load_settings, without_password

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def load(cwd: Path, environ: Mapping[str, str] | None = None, **flags: object) -> Settings:
    return load_settings(flags, cwd=cwd, environ=environ or {})


def write(folder: Path, text: str, name: str = "millrace.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings == Settings(
        home=tmp_path / ".millrace",
        pipelines=tmp_path,
        database=f"sqlite:///{tmp_path}/.millrace/millrace.db",
        artifacts=str(tmp_path / ".millrace" / "artifacts"),
        host="127.0.0.1",
        port=8080,
        url=None,
        parallelism=len(os.sched_getaffinity(0)),
        memory_limit=None,
    )
    assert list(tmp_path.iterdir()) == []  # reading settings makes nothing


def test_the_pipelines_folder_is_taken_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    assert load(tmp_path).pipelines == tmp_path / "pipelines"


def test_each_source_goes_over_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, 'port = 1001\nhost = "h1"\nparallelism = 3\n')
    environ = {"MILLRACE_PORT": "1002", "MILLRACE_HOST": "h2"}
    settings = load(tmp_path, environ, port=1003)
    assert (settings.port, settings.host, settings.parallelism) == (1003, "h2", 3)


def test_database_and_artifacts_follow_the_home(tmp_path: Path) -> None:
    settings = load(tmp_path, {"MILLRACE_HOME": "elsewhere"})
    assert settings.home == tmp_path / "elsewhere"
    assert settings.database == f"sqlite:///{tmp_path}/elsewhere/millrace.db"
    assert settings.artifacts == str(tmp_path / "elsewhere" / "artifacts")


def test_every_variable(tmp_path: Path) -> None:
    environ = {
        "MILLRACE_HOME": "/h",
        "MILLRACE_PIPELINES": "p",
        "MILLRACE_DATABASE": "postgres://u:s3cret@db/name",
        "MILLRACE_ARTIFACTS": "s3://bucket/folder/",
        "MILLRACE_HOST": "0.0.0.0",
        "MILLRACE_PORT": "0",
        "MILLRACE_URL": "http://server:8080/",
        "MILLRACE_PARALLELISM": "7",
        "MILLRACE_MEMORY_LIMIT": "1.5 GiB",
    }
    assert load(tmp_path, environ) == Settings(
        home=Path("/h"),
        pipelines=tmp_path / "p",
        database="postgresql://u:s3cret@db/name",
        artifacts="s3://bucket/folder",
        host="0.0.0.0",
        port=0,
        url="http://server:8080",
        parallelism=7,
        memory_limit=3 * 2**29,
    )
    assert set(environ) == {f"MILLRACE_{field.name.upper()}" for field in attrs.fields(Settings)}


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, {"MILLRACE_PORT": "", "MILLRACE_URL": ""}) == load(tmp_path)


def test_the_file_of_the_nearest_folder_above(tmp_path: Path) -> None:
    write(tmp_path, "port = 1\n")
    write(tmp_path / "project", 'home = "store"\n')
    (tmp_path / "project" / "flows").mkdir()
    settings = load(tmp_path / "project" / "flows")
    assert settings.home == tmp_path / "project" / "store"
    assert settings.port == 8080
    assert settings.pipelines == tmp_path / "project"


def test_pyproject_counts_only_with_its_table(tmp_path: Path) -> None:
    write(tmp_path, "[tool.millrace]\nport = 5\n", "pyproject.toml")
    write(tmp_path / "inner", "[tool.other]\nport = 6\n", "pyproject.toml")
    assert load(tmp_path / "inner").port == 5
    write(tmp_path, "port = 7\n")
    assert load(tmp_path / "inner").port == 7  # millrace.toml goes before pyproject.toml of the same folder


def test_paths_are_relative_to_where_they_were_written(tmp_path: Path) -> None:
    write(tmp_path, 'database = "sqlite:///data/m.db"\nartifacts = "data/artifacts"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    settings = load(inner, {"MILLRACE_PIPELINES": "flows"}, home="../h")
    assert settings.database == f"sqlite:///{tmp_path}/data/m.db"
    assert settings.artifacts == str(tmp_path / "data" / "artifacts")
    assert settings.pipelines == inner / "flows"
    assert settings.home == tmp_path / "h"


def test_a_home_with_spaces_and_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    assert load(tmp_path, home="~/store").home == tmp_path / "my home" / "store"


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("prot = 1", "there is no setting 'prot'", "Did you mean 'port'"),
        ('port = "many"', "port takes an integer, not 'many'", None),
        ("port = true", "port takes an integer, not True", None),
        ("port = 70000", "port is from 1 to 65535 (0 takes a free one), not 70000", None),
        ("parallelism = 0", "parallelism is from 1 to 1024, not 0", None),
        ("home = 3", "home takes a text, not 3", None),
        ('home = "s3://bucket"', "home takes a folder of this machine, not 's3://bucket'", None),
        ('database = "runs.db"', "database takes a database URL, not 'runs.db'", "sqlite:///folder/millrace.db"),
        (
            'database = "mysql://u:s3cret@h/d"',
            "database takes a database URL, not 'mysql://u:***@h/d'",
            "postgresql://",
        ),
        ('database = "sqlite://"', "database takes a SQLite file, not 'sqlite://'", "sqlite:///millrace.db"),
        ('url = "ftp://x"', "url takes a server's address, not 'ftp://x'", "http://127.0.0.1:8080"),
        ('memory_limit = "lots"', "memory_limit takes a size, not 'lots'", "2GiB"),
        ("memory_limit = 1000", "memory_limit is at least 64MiB, not 1000", "libraries"),
        ('host = ""', "host takes a text, not ''", None),
        ("port = ", "this is not TOML", None),
    ],
)
def test_a_wrong_value_names_the_file(tmp_path: Path, text: str, message: str, remedy: str | None) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        load(tmp_path)
    assert raised.value.message.startswith(message)
    assert raised.value.where == str(file)
    assert (remedy or "") in (raised.value.remedy or "")
    assert "s3cret" not in str(raised.value)


def test_a_wrong_variable_or_flag_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, {"MILLRACE_PORT": "x"})
    assert raised.value.where == "MILLRACE_PORT"
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, memory_limit="x")
    assert raised.value.where == "--memory-limit"


@pytest.mark.parametrize("name", ["MILLRACE_HOEM", "MILLRACE_PROT", "MILLRACE_DATABSE", "MILLRACE_PARALELISM"])
def test_a_variable_with_a_typing_error_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=name) as raised:
        load(tmp_path, {name: "1"})
    assert "Did you mean 'MILLRACE_" in (raised.value.remedy or "")


@pytest.mark.parametrize("name", ["MILLRACE_TEST_NO_SKIP", "MILLRACE_WORKER_TOKEN", "MILLRACE_X", "MILLRACES_HOME"])
def test_variables_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, {name: "1"}) == load(tmp_path)


def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "millrace.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path)


def test_the_password_is_not_shown() -> None:
    for url in (
        "postgresql://u:s3cret@h/d",
        "postgresql://u:s3/cret@h/d",
        "postgresql://u:s3@s3@h/d",
        "postgresql://u:s3 s3@h/d",
        "postgresql://:s3cret@h:5432/d",
        "postgresql://h/d?user=u&password=s3cret",
        "postgresql://h/d?password=s3cret&sslpassword=s3",
    ):
        assert "s3" not in without_password(url)
        assert without_password(url).startswith("postgresql://")
    for url in ("postgresql://h:5432/d", "postgresql://u@h/d", "sqlite:////srv/a:b@c/x.db"):
        assert without_password(url) == url
    settings = load(Path("/x"), database="postgresql://user:s3cret@host/db")
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in repr(load(Path("/x"), artifacts="sftp://user:s3cret@host/folder"))


@given(st.text(max_size=30))
def test_any_text_gives_settings_or_a_settings_error(text: str) -> None:
    for name in ("home", "database", "artifacts", "host", "port", "url", "parallelism", "memory_limit"):
        places = []
        try:
            load_settings({name: text}, cwd=Path("/somewhere"), environ={})
        except SettingsError as error:
            places.append(error.where)
        assert places in ([], ["--" + name.replace("_", "-")])


def test_the_reference_has_a_heading_for_every_setting_and_no_other() -> None:
    headings = re.findall(r"^## `(.+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(field.name for field in attrs.fields(Settings))
    for field in attrs.fields(Settings):
        assert f"`MILLRACE_{field.name.upper()}`" in PAGE.read_text(encoding="utf-8")
