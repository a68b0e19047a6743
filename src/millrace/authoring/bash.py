"""Running a bash command as a task.

Invariant: however the task ends (success, failure, timeout, cancellation, SIGKILL of this process), no process of the
command's group outlives it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from millrace.core.errors import FailWithoutRetry, SkipTask, TaskFailure

_GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""

# Bash leads its own process group ($$). The reader in the background sees the end of the pipe when
# this process is gone, whatever ended it, and then kills the group: a parent-death signal that reaches grandchildren
# too, and needs no code between fork and exec. The command itself does not get the descriptor.
# When it ends, what it left in the background is asked to end too: it would hold the output open.
_GUARDED = """
{ read -r -u "$1"; kill -KILL -- -$$; } </dev/null >/dev/null 2>&1 &
eval "exec $1<&-"
bash -c "$2"
code=$?
trap "" TERM
kill -TERM -- -$$
exit $code
"""


def run_bash(
    bash_command: str,
    env: dict[str, str] | None = None,
    append_env: bool = False,
    cwd: str | None = None,
    skip_on_exit_code: int | list[int] | None = 99,
) -> str:
    """The last line that ``bash_command`` prints, standard error included; its output streams to this task's log.

    SkipTask for an exit code of ``skip_on_exit_code``, TaskFailure for any other than 0. The command has a process
    group of its own, and what it leaves in the background is ended with it.
    """
    environment = env if env is not None and not append_env else {**os.environ, **(env or {})}
    if cwd is not None and not Path(cwd).is_dir():
        raise FailWithoutRetry(f"there is no folder {cwd} to run the command in", remedy="Correct `cwd`.")
    last = ""
    with _bash(bash_command, environment, cwd) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.rstrip("\r\n")
            print(last, flush=True)
        code = process.wait()
    skipping = skip_on_exit_code if isinstance(skip_on_exit_code, list) else [skip_on_exit_code]
    if code in skipping:
        raise SkipTask(f"the bash command ended with exit code {code}")
    if code != 0:
        raise TaskFailure(f"the bash command {_ended(code)}", remedy="Its output is in the log of the task.")
    return last


@contextmanager
def _bash(command: str, environment: dict[str, str], cwd: str | None) -> Iterator[subprocess.Popen[str]]:
    ours, theirs = os.pipe()
    try:
        process = subprocess.Popen(
            ["bash", "-c", _GUARDED, "bash", str(ours), command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            pass_fds=(ours,),
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError as error:
        raise FailWithoutRetry("there is no bash on this machine", remedy="apt-get install bash") from error
    finally:
        os.close(ours)
    try:
        with process:
            try:
                yield process
            finally:
                _end_group(process)
    finally:
        os.close(theirs)


def _end_group(process: subprocess.Popen[str]) -> None:
    """SIGTERM to the command if it still runs, then SIGKILL to whatever is left of its group."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    # A group that is empty already raises; its number cannot have been given to another while bash is not reaped or
    # its guard lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _ended(code: int) -> str:
    number = -code if code < 0 else code - 128
    if code < 0 or 128 < code < 128 + signal.NSIG:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(number).name} (exit code {code})"
    return f"ended with exit code {code}"
