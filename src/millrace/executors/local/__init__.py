"""Runs attempts in warm worker processes on this machine."""

from millrace.executors.local.executor import LocalExecutor

__all__ = ["LocalExecutor"]
