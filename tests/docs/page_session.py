"""Runs the blocks of one page in a scratch folder, as a reader would: one terminal, one Python, servers beside."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.pages import Block

_CELLS = Path(__file__).with_name("cells.py")
_WATCHED_PORTS = ("8080", "5000")
_STATE = ".exported"


class PageSession:
    """``with PageSession(folder) as session: session.run(block)``; leaving it ends every process."""

    def __init__(self, folder: Path, replaced: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._ports = {port: str(free_port()) for port in _WATCHED_PORTS}
        self._replaced = {**self._ports, **(replaced or {})}
        self._servers: list[subprocess.Popen[str]] = []
        self._python: subprocess.Popen[str] | None = None
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MILLRACE_", "PYTEST_"))}
        self._environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MILLRACE_PORT": self._ports["8080"],
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.send_signal(signal.SIGINT)
        for server in self._servers:
            server.wait()
            assert server.stdout is not None
            server.stdout.close()
        if self._python is not None:
            self._python.communicate()

    def run(self, block: Block) -> str:
        """What it printed. AssertionError with all of it when the block ends otherwise than the page says."""
        text = self._with_replacements(block.text)
        if block.file:
            file = self._folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return ""
        if block.language == "toml":
            raise AssertionError(f"{block.where}: say in its first line which file it is: # millrace.toml")
        if block.is_server:
            return self._serve(block, text)
        return self._run_cell(block, text) if block.language == "python" else self._run_shell(block, text)

    def _with_replacements(self, text: str) -> str:
        for old, new in self._replaced.items():
            text = text.replace(old, new)
        return text

    def _run_shell(self, block: Block, text: str) -> str:
        done = subprocess.run(
            ["bash", "-c", self._script(text)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == block.exit_code, f"{block.where} exited {done.returncode}:\n{text}\n{done.stdout}"
        return done.stdout

    def _script(self, text: str) -> str:
        state = shlex.quote(str(self._folder / _STATE))
        run = self._newest_run()
        return "\n".join(
            [
                f"[ -e {state} ] && . {state}",
                "set -eo pipefail",
                f"trap 'export -p > {state}' EXIT",
                f"RUN={shlex.quote(run)}" if run else "",
                text,
            ]
        )

    def _newest_run(self) -> str:
        file = self._folder / ".millrace" / "millrace.db"
        if not file.exists():
            return ""
        database = sqlite3.connect(file)
        try:
            row = database.execute("SELECT run_id FROM pipeline_run ORDER BY run_id DESC LIMIT 1").fetchone()
        finally:
            database.close()
        return str(row[0]) if row else ""

    def _serve(self, block: Block, text: str) -> str:
        """Start it, and wait for the line that says it is up."""
        server = subprocess.Popen(
            ["bash", "-c", self._script("exec " + text)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._servers.append(server)
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            if "http://" in line:
                return said
        raise AssertionError(f"{block.where}: the server ended:\n{said}")

    def _run_cell(self, block: Block, text: str) -> str:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-W", "error", str(_CELLS)],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps({"text": text, "name": f"<{block.where}>"}) + "\n")
        self._python.stdin.flush()
        line = self._python.stdout.readline()
        assert line, f"{block.where}: Python ended"
        answer = json.loads(line)
        failed = 1 if answer["error"] else 0
        assert failed == block.exit_code, f"{block.where}:\n{text}\n{answer['printed']}{answer['error']}"
        return str(answer["printed"]) + str(answer["error"])


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
