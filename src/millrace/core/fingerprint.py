"""Fingerprints: one digest for a value, for a function, for a task with all that its result depends on.

    digest_json({"lr": 0.1})                                  a value
    function_fingerprint(source)                              a function, whatever its spelling
    code_closure("pipeline:train", modules)                   a function and the project code it uses
    CacheKey(interface=..., code=..., parameters=..., ...)    all of it; `explain` tells two keys apart

The invariant: the same parts give the same key in every process, on every machine and Python version; a part
that changes what a task does changes the key; spelling (comments, layout, names of locals) does not.
"""

from __future__ import annotations

import ast
import textwrap

from millrace.core.cache_key import CacheKey, Change, Part, explain
from millrace.core.canonical_json import canonical_json, digest_json
from millrace.core.code_bindings import ModuleSource
from millrace.core.code_closure import ProjectCode, code_closure, import_closure, imported_distributions
from millrace.core.code_normal_form import normal_form
from millrace.core.errors import UsageError

__all__ = [
    "CacheKey",
    "Change",
    "ModuleSource",
    "Part",
    "ProjectCode",
    "canonical_json",
    "code_closure",
    "digest_json",
    "explain",
    "function_fingerprint",
    "import_closure",
    "imported_distributions",
]


def function_fingerprint(code: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | str) -> str:
    """sha256 hex of the normal form of one function, class or lambda; of the source text of one, too.

    What does not count is listed in `millrace.core.code_normal_form`. The function's own name does not count either:
    the closure names it. UsageError when the source does not parse or holds no definition.
    """
    return normal_form(_definition(code) if isinstance(code, str) else code).digest


def _definition(source: str) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda:
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError as error:
        raise UsageError(f"the source does not parse: {error.msg} (line {error.lineno})") from error
    statements = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    if len(statements) == 1:
        return statements[0]
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    if not statements and lambdas:
        return lambdas[0]
    raise UsageError(f"the source holds {len(statements)} definitions, not one function, class or lambda")
