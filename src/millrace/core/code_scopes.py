"""Which names a piece of Python binds, in which scope: what the walk of the normal form asks.

The rules are Python's: a name that a function assigns anywhere is local in all of it; a comprehension has its
own targets, while its walruses bind around it; what a class body binds is not seen from the functions in it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Literal

from attrs import define, field, frozen

Dotted = tuple[str, ...]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
ScopeKind = Literal["function", "comprehension", "class"]

#: nodes that bind a name given as plain text, and the field it is in
NAMED_BY_TEXT = {"ExceptHandler": "name", "MatchAs": "name", "MatchStar": "name", "MatchMapping": "rest"}
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


@frozen
class ImportedName:
    """``path`` inside ``module``, as an import statement names it; ``level`` counts the leading dots."""

    level: int
    module: str
    path: Dotted = ()


def dotted_name(node: ast.AST) -> Dotted | None:
    """``("a", "b", "c")`` of the expression ``a.b.c``; None for anything that is not a plain dotted name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return (node.id, *reversed(attributes))


def imports_of(statement: ast.Import | ast.ImportFrom) -> Iterable[tuple[str, ImportedName]]:
    """The names that an import binds, each with what it stands for; a star import binds ``*``."""
    if isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            yield (
                alias.asname or alias.name,
                ImportedName(statement.level, statement.module or "", (alias.name,)),
            )
        return
    for alias in statement.names:
        if alias.asname:
            yield alias.asname, ImportedName(0, alias.name)
        else:
            yield alias.name.partition(".")[0], ImportedName(0, alias.name.partition(".")[0])


@define
class Scope:
    """The names that one function, comprehension or class binds; tokens are given out at first use."""

    kind: ScopeKind
    parent: Scope | None
    bound: set[str] = field(factory=set)
    kept: set[str] = field(factory=set)
    declared_global: set[str] = field(factory=set)
    tokens: dict[str, str] = field(factory=dict)
    imports: dict[str, list[ImportedName]] = field(factory=dict)

    def collect(self, nodes: Iterable[ast.AST]) -> None:
        """Adds the names that a body binds in this scope; of the scopes inside it only their walruses."""
        elsewhere: set[str] = set()
        stack = [(node, False) for node in nodes]
        while stack:
            node, only_walrus = stack.pop()
            if isinstance(node, ast.Name):
                if not only_walrus and not isinstance(node.ctx, ast.Load):
                    self.bound.add(node.id)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                elsewhere.update(node.names)
                if isinstance(node, ast.Global):
                    self.declared_global.update(node.names)
            elif not self._bind(node):
                inner = only_walrus or isinstance(node, _COMPREHENSIONS)
                stack.extend((child, inner) for child in ast.iter_child_nodes(node))
        self.bound -= elsewhere

    def _bind(self, node: ast.AST) -> bool:
        """Adds what a node binds; true when there is nothing more to find inside it."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.bound.add(node.name)
            return True
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, imported in imports_of(node):
                self.bound.add(name)
                self.imports.setdefault(name, []).append(imported)
            return True
        if isinstance(node, ast.NamedExpr) and self.kind != "comprehension":
            self.bound.add(node.target.id)
        field_with_name = NAMED_BY_TEXT.get(type(node).__name__)
        text = getattr(node, field_with_name) if field_with_name else None
        if text is not None:
            self.bound.add(text)
        return isinstance(node, ast.Lambda)
