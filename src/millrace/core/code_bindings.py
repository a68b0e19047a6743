"""A project module's source, and which statements of it bind which name."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Literal

from attrs import define, field, frozen

from millrace.core.code_normal_form import Code
from millrace.core.code_scopes import FunctionNode, ImportedName, dotted_name, imports_of
from millrace.core.errors import PipelineFileError

BindingKind = Literal["function", "class", "value", "filling", "import"]

#: what ``__qualname__`` puts between a function and what is defined in it
LOCALS = "<locals>"
_MAIN_GUARD = "__name__"
_COMPOUND = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.TryStar | ast.Match


@frozen
class ModuleSource:
    """A project module: its dotted name, its file (for messages; ``__init__.py`` marks a package), its text."""

    name: str
    path: str
    text: str

    @property
    def is_package(self) -> bool:
        return self.path.replace("\\", "/").rpartition("/")[2] == "__init__.py"


def parsed(source: ModuleSource) -> ast.Module:
    try:
        return ast.parse(source.text)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise PipelineFileError(
            f"this is not valid Python: {message}", where=f"{source.path}:{line}" if line else source.path
        ) from error


def absolute(source: ModuleSource, level: int, module: str) -> str:
    """The absolute name of what ``from ...module import`` names, as seen from a module."""
    if level == 0:
        return module
    package = source.name.split(".") if source.is_package else source.name.split(".")[:-1]
    package = package[: max(0, len(package) - (level - 1))]
    return ".".join([*package, module] if module else package)


@frozen(eq=False)
class Binding:
    kind: BindingKind
    node: Code
    around: tuple[ast.expr, ...] = ()  # the conditions and loops it stands in
    imported: ImportedName | None = None


@define(eq=False)
class Namespace:
    """The names bound by one body: of a module, or of a function that holds the entry."""

    module: str
    prefix: str = ""
    parent: Namespace | None = None
    bindings: dict[str, list[Binding]] = field(factory=dict)
    parameters: frozenset[str] = frozenset()
    stars: list[ImportedName] = field(factory=list)

    def bind(self, name: str, binding: Binding) -> None:
        self.bindings.setdefault(name, []).append(binding)

    def definitions(self, name: str) -> list[Binding]:
        return [binding for binding in self.bindings.get(name, ()) if binding.kind != "import"]

    def defines(self, name: str) -> bool:
        return any(binding.kind != "filling" for binding in self.bindings.get(name, ()))


def inside_function(node: FunctionNode, parent: Namespace, prefix: str) -> Namespace:
    arguments = node.args
    single = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *single]
    parameters = frozenset(argument.arg for argument in every)
    return body_namespace(node.body, Namespace(parent.module, prefix, parent, parameters=parameters))


def body_namespace(body: Iterable[ast.stmt], namespace: Namespace) -> Namespace:
    _bind_block(body, (), namespace)
    return namespace


def _bind_block(body: Iterable[ast.stmt], around: tuple[ast.expr, ...], namespace: Namespace) -> None:
    for statement in body:
        _bind(statement, around, namespace)


def _bind(statement: ast.stmt, around: tuple[ast.expr, ...], namespace: Namespace) -> None:
    """Notes the names that one statement binds, and goes into the blocks of a compound one."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        _bind_imports(statement, namespace)
    elif isinstance(statement, _COMPOUND):
        for name, node in _header_names(statement):
            namespace.bind(name, Binding("value", node, around))
        for body, condition in _blocks(statement):
            _bind_block(body, around if condition is None else (*around, condition), namespace)
    else:
        for name, kind in _bound_names(statement):
            namespace.bind(name, Binding(kind, statement, around))


def _bind_imports(statement: ast.Import | ast.ImportFrom, namespace: Namespace) -> None:
    for name, imported in imports_of(statement):
        if name == "*":
            namespace.stars.append(ImportedName(imported.level, imported.module))
        else:
            namespace.bind(name, Binding("import", statement, imported=imported))


def _bound_names(statement: ast.stmt) -> Iterator[tuple[str, BindingKind]]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement.name, "function"
    elif isinstance(statement, ast.ClassDef):
        yield statement.name, "class"
    else:
        yield from ((name, "value") for name in _stored_names(statement))
        yield from ((name, "filling") for name in _filled_names(statement))


def _blocks(statement: ast.stmt) -> Iterator[tuple[list[ast.stmt], ast.expr | None]]:
    """The blocks of a compound statement, each with the expression that decides whether or how often it runs.

    What a ``with`` opens decides neither, and the block under ``if __name__ == "__main__"`` is no part of the module.
    """
    match statement:
        case ast.If(test=test) if not _is_main_guard(test):
            yield from ((statement.body, test), (statement.orelse, test))
        case ast.While(test=condition) | ast.For(iter=condition) | ast.AsyncFor(iter=condition):
            yield from ((statement.body, condition), (statement.orelse, condition))
        case ast.With() | ast.AsyncWith():
            yield statement.body, None
        case ast.Try() | ast.TryStar():
            for handler in statement.handlers:
                yield handler.body, None
            yield from ((block, None) for block in (statement.body, statement.orelse, statement.finalbody))
        case ast.Match(subject=subject):
            yield from ((case.body, subject) for case in statement.cases)


def _header_names(statement: ast.stmt) -> Iterator[tuple[str, Code]]:
    """What the head of a loop or a ``with`` binds, and the part of the head that says to what."""
    if isinstance(statement, ast.For | ast.AsyncFor):
        for name in _stored_names(statement.target):
            yield name, statement.iter
    elif isinstance(statement, ast.With | ast.AsyncWith):
        for item in statement.items:
            for name in _stored_names(item.optional_vars):
                yield name, item


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == _MAIN_GUARD


def _stored_names(node: ast.AST | None) -> list[str]:
    if node is None:
        return []
    return [child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)]


def _filled_names(statement: ast.stmt) -> Iterator[str]:
    """Names whose value a statement changes in place: ``NAME[...] = ``, ``NAME.attr = ``, ``NAME.append(...)``."""
    if isinstance(statement, ast.Expr):
        call = statement.value
        path = dotted_name(call.func) if isinstance(call, ast.Call) else None
        if path and len(path) > 1:
            yield path[0]
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            root: ast.AST = node
            while isinstance(root, ast.Subscript | ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name):
                yield root.id
