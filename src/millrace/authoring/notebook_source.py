"""A module text for what was typed into a notebook or an interpreter, where there is no file to read.

It serves fingerprints: a function that was redefined in another cell has another one. It is never executed.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import textwrap
from types import CodeType, ModuleType
from typing import Any

from millrace.authoring.constants import is_constant
from millrace.core.fingerprint import ModuleSource


def notebook_source() -> ModuleSource:
    """What ``__main__`` holds now, as the text of a module that defines it."""
    names = vars(sys.modules["__main__"])
    parts = [_definition(name, value) for name, value in names.items() if not name.startswith("_")]
    return ModuleSource("__main__", "<notebook>", "\n".join(p for p in parts if p))


def _definition(name: str, value: Any) -> str:
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}" if _is_dotted(value.__name__) else ""
    function = getattr(value, "__wrapped_task__", value)
    if inspect.isfunction(function) or inspect.isclass(function):
        if function.__module__ != "__main__":
            imported = function.__qualname__
            return f"from {function.__module__} import {imported} as {name}" if imported.isidentifier() else ""
        return _source(name, function)
    return f"{name} = {value!r}" if is_constant(value) else ""


def _source(name: str, function: Any) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(function))
        compile(text, name, "exec")
    except (OSError, TypeError, SyntaxError):
        # Typed into a plain interpreter, which keeps no source: its byte code and the names it uses stand for it.
        code: CodeType | None = getattr(function, "__code__", None)
        return "" if code is None else f"{name} = ({_digest(code)!r}, {''.join(f'{n}, ' for n in _globals_of(code))})"
    return text


def _digest(code: CodeType) -> str:
    """Of what the code does; not of its lines, so typing it again is no change."""
    constants = [_digest(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    parts = repr((code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_exceptiontable))
    return hashlib.sha256(parts.encode()).hexdigest()


def _globals_of(code: CodeType) -> list[str]:
    """Names that the code, or code nested in it, may look up in its module."""
    nested = [name for c in code.co_consts if isinstance(c, CodeType) for name in _globals_of(c)]
    known = vars(sys.modules["__main__"])
    return sorted({name for name in (*code.co_names, *nested) if name in known})


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
