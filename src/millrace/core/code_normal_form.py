"""The normal form of Python code: what stays of a function when its spelling is taken away.

Two pieces of code with the same normal form do the same. It drops comments, formatting, docstrings and other
statements without effect (``pass``, ``...``), annotations of local variables (Python never evaluates them), and
the decorators by which Millrace marks a function (``@task``, ``@pipeline``, ``@component``: what they say belongs
to the task's interface). It numbers local variables in the order of their first use, so their names do not
matter: assigned names, loop and comprehension variables, ``except ... as``, pattern captures, nested functions,
local imports, positional-only parameters.

It keeps the names that others can see: parameters, attributes, keywords, globals, the members of a class, the
names of nested classes. Where code can look at its own variables (``locals``, ``vars``, ``dir``, ``eval``,
``exec``), all names are kept. The walk has its own table of fields, so the form does not depend on the Python
version that parsed the code.

The same walk reports what the code refers to outside itself, for `millrace.core.code_closure`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import ClassVar

from attrs import frozen

from millrace.core.code_scopes import (
    NAMED_BY_TEXT,
    Dotted,
    FunctionNode,
    ImportedName,
    Scope,
    ScopeKind,
    dotted_name,
    imports_of,
)

#: the decorators that mark a function for Millrace or for a system whose files it runs
MARKERS = frozenset({"task", "pipeline", "component", "dag", "task_group"})

Code = FunctionNode | ast.ClassDef | ast.Lambda | ast.stmt | ast.expr | ast.Module | ast.withitem

_REFLECTION = frozenset({"locals", "vars", "dir", "eval", "exec"})
_DYNAMIC = frozenset({"globals", "vars", "eval", "exec"})
_REFLECTION_ON_AN_ARGUMENT = (("vars",), ("dir",))  # of themselves they show locals, of an argument its attributes
_IMPORTERS = frozenset({"__import__", "import_module"})
_BLOCKS = frozenset({"body", "orelse", "finalbody"})

_FIELDS: dict[str, Dotted] = {
    "Assert": ("test", "msg"),
    "Assign": ("targets", "value"),
    "AsyncFor": ("target", "iter", "body", "orelse"),
    "AsyncWith": ("items", "body"),
    "AugAssign": ("target", "op", "value"),
    "Await": ("value",),
    "BoolOp": ("op", "values"),
    "Call": ("func", "args", "keywords"),
    "Compare": ("left", "ops", "comparators"),
    "Delete": ("targets",),
    "Dict": ("keys", "values"),
    "ExceptHandler": ("type", "name", "body"),
    "Expr": ("value",),
    "For": ("target", "iter", "body", "orelse"),
    "FormattedValue": ("value", "conversion", "format_spec"),
    "If": ("test", "body", "orelse"),
    "IfExp": ("test", "body", "orelse"),
    "Interpolation": ("value", "str", "conversion", "format_spec"),
    "List": ("elts",),
    "Match": ("subject", "cases"),
    "MatchAs": ("pattern", "name"),
    "MatchClass": ("cls", "patterns", "kwd_attrs", "kwd_patterns"),
    "MatchMapping": ("keys", "patterns", "rest"),
    "MatchOr": ("patterns",),
    "MatchSequence": ("patterns",),
    "MatchSingleton": ("value",),
    "MatchStar": ("name",),
    "MatchValue": ("value",),
    "Module": ("body",),
    "NamedExpr": ("target", "value"),
    "Raise": ("exc", "cause"),
    "Return": ("value",),
    "Set": ("elts",),
    "Slice": ("lower", "upper", "step"),
    "Starred": ("value",),
    "Subscript": ("value", "slice"),
    "TemplateStr": ("values",),
    "Try": ("body", "handlers", "orelse", "finalbody"),
    "TryStar": ("body", "handlers", "orelse", "finalbody"),
    "Tuple": ("elts",),
    "TypeAlias": ("name", "type_params", "value"),
    "ParamSpec": ("name", "default_value"),
    "TypeVar": ("name", "bound", "default_value"),
    "TypeVarTuple": ("name", "default_value"),
    "UnaryOp": ("op", "operand"),
    "While": ("test", "body", "orelse"),
    "With": ("items", "body"),
    "Yield": ("value",),
    "YieldFrom": ("value",),
    "keyword": ("arg", "value"),
    "match_case": ("pattern", "guard", "body"),
    "withitem": ("context_expr", "optional_vars"),
}
#: children of nodes that are not in the table: positions, contexts and comments say nothing
_SILENT_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


@frozen
class NormalForm:
    """The text of the normal form, and what the code refers to.

    ``loads``: dotted global names, such as ``("helpers", "clean")``. ``imports``: every import inside functions;
    ``imported_loads``: the uses of what they bind. ``dynamic``: the code may reach any global of its module.
    """

    text: str
    loads: frozenset[Dotted]
    imports: frozenset[ImportedName]
    imported_loads: frozenset[ImportedName]
    dynamic: bool

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def is_marker(decorator: Dotted) -> bool:
    """Whether a dotted decorator name marks a function for Millrace: ``task``, ``dsl.component``, ``task.branch``."""
    return not MARKERS.isdisjoint(decorator)


def normal_form(code: Code, *, marker: Callable[[Dotted], bool] = is_marker) -> NormalForm:
    """The normal form of a definition, a statement, an expression or a whole module.

    ``marker`` says which decorators to leave out.
    """
    walk = _Walk(marker)
    walk.root(code)
    if walk.reflective:
        walk = _Walk(marker, verbatim=True)
        walk.root(code)
    return NormalForm(
        text="\n".join(walk.out),
        loads=frozenset(walk.loads),
        imports=frozenset(walk.imports),
        imported_loads=frozenset(walk.imported_loads),
        dynamic=walk.dynamic,
    )


class _Walk:
    def __init__(self, marker: Callable[[Dotted], bool], *, verbatim: bool = False) -> None:
        self.marker = marker
        self.verbatim = verbatim
        self.out: list[str] = []
        self.loads: set[Dotted] = set()
        self.imports: set[ImportedName] = set()
        self.imported_loads: set[ImportedName] = set()
        self.dynamic = False
        self.reflective = False
        self.scope: Scope | None = None
        self.numbered = 0

    def root(self, code: Code) -> None:
        if isinstance(code, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(code, name="")
        elif isinstance(code, ast.ClassDef):
            self._class(code, name="")
        else:
            self.visit(code)

    def visit(self, node: ast.AST) -> None:
        kind = type(node).__name__
        special = self.special.get(kind)
        if special is not None:
            special(self, node)
            return
        out = self.out
        out.append(kind)
        fields = _FIELDS.get(kind)
        if fields is None:
            fields = tuple(name for name in node._fields if name not in _SILENT_FIELDS)
        for name in fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                self.visit(value)
            elif isinstance(value, list):
                if name in _BLOCKS:
                    self._block(value)
                else:
                    self._list(value)
            elif isinstance(value, str) and NAMED_BY_TEXT.get(kind) == name:
                self._bound_name(value)
            else:
                out.append(_literal(value))

    def _list(self, values: Sequence[object]) -> None:
        self.out.append("[")
        for value in values:
            if isinstance(value, ast.AST):
                self.visit(value)
            else:
                self.out.append(_literal(value))
        self.out.append("]")

    def _block(self, statements: Sequence[ast.stmt]) -> None:
        self.out.append("[")
        for statement in statements:
            if isinstance(statement, ast.Pass | ast.Global | ast.Nonlocal):
                continue
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue
            self.visit(statement)
        self.out.append("]")

    # names

    def _resolve(self, name: str) -> tuple[str, Scope | None]:
        """The token of a name and the scope that binds it, None for a global."""
        scope = self.scope
        while scope is not None:
            # What a class body binds is seen by that body, not by the scopes inside it.
            if name in scope.bound and (scope.kind != "class" or scope is self.scope):
                return self._token(scope, name), scope
            if name in scope.declared_global:
                break
            scope = scope.parent
        return f"g:{name}", None

    def _token(self, scope: Scope, name: str) -> str:
        token = scope.tokens.get(name)
        if token is None:
            if scope.kind == "class" or self.verbatim or name in scope.kept:
                token = f"k:{name}"
            else:
                token = f"%{self.numbered}"
                self.numbered += 1
            scope.tokens[name] = token
        return token

    def _bound_name(self, name: str) -> None:
        self.out.append(self._resolve(name)[0])

    def _load(self, path: Dotted) -> None:
        """Emits the root of a dotted name and notes what it refers to."""
        name = path[0]
        token, scope = self._resolve(name)
        self.out.append(token)
        if scope is None or scope.kind == "class":
            # A class body reads a global of the same name until it has bound its own.
            self.loads.add(path)
            if name in _REFLECTION:
                self.reflective = True
            if name in _DYNAMIC:
                self.dynamic = True
        if scope is not None:
            for imported in scope.imports.get(name, ()):
                whole = ImportedName(imported.level, imported.module, imported.path + path[1:])
                self.imported_loads.add(whole)

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            token, scope = self._resolve(node.id)
            self.out.append(token)
            if scope is None and self.scope is not None:
                self.loads.add((node.id,))  # a function that writes a global depends on what is there
        else:
            self._load((node.id,))

    def _attribute(self, node: ast.Attribute) -> None:
        path = dotted_name(node)
        if path is None:
            self.out.append("Attribute")
            self.out.append(node.attr)
            self.visit(node.value)
        else:
            self.out.append("@" + ".".join(path[1:]))
            self._load(path)

    def _call(self, node: ast.Call) -> None:
        path = dotted_name(node.func)
        if path is not None and path[-1] in _IMPORTERS:
            self._import_call(node)
        self.out.append("Call")
        if node.args and path in _REFLECTION_ON_AN_ARGUMENT:
            self.out.append(self._resolve(path[0])[0])
        else:
            self.visit(node.func)
        self._list(node.args)
        self._list(node.keywords)

    def _binary(self, node: ast.BinOp) -> None:
        """A long sum is a deep tree to its left; it is walked in a loop, not by recursion."""
        right: list[ast.BinOp] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            self.out.append("BinOp")
            right.append(left)
            left = left.left
        self.visit(left)
        for parent in reversed(right):
            self.visit(parent.op)
            self.visit(parent.right)

    def _import_call(self, node: ast.Call) -> None:
        """``import_module("name")`` is an import; with a name that is computed it may be any."""
        target = node.args[0] if node.args else None
        if isinstance(target, ast.Constant) and isinstance(target.value, str):
            module = target.value.lstrip(".")
            imported = ImportedName(len(target.value) - len(module), module)
            self.imports.add(imported)
            self.imported_loads.add(imported)
        else:
            self.dynamic = True

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.out.append(type(node).__name__)
        self.out.append("[")
        for alias, (bound, imported) in zip(node.names, imports_of(node), strict=True):
            level = node.level if isinstance(node, ast.ImportFrom) else 0
            self.out.append(f"{level}:{imported.module}:{alias.name}")
            self._bound_name(bound)
            self.imports.add(ImportedName(0, alias.name) if isinstance(node, ast.Import) else imported)
        self.out.append("]")

    # scopes

    def _enter(self, kind: ScopeKind) -> Scope:
        self.scope = Scope(kind, self.scope)
        return self.scope

    def _leave(self) -> None:
        assert self.scope is not None
        self.scope = self.scope.parent

    def _decorators(self, decorators: Iterable[ast.expr]) -> None:
        self.out.append("[")
        for decorator in decorators:
            path = dotted_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if path is None or not self.marker(path):
                self.visit(decorator)
        self.out.append("]")

    def _function(self, node: FunctionNode, name: str | None = None) -> None:
        self.out.append(type(node).__name__)
        if name is None:
            self._bound_name(node.name)
        self._decorators(node.decorator_list)
        self._type_parameters(node)
        self._optional_annotation(node.returns)
        self._defaults(node.args)
        scope = self._enter("function")
        self._parameters(node.args, scope)
        scope.collect(node.body)
        self._parameter_names(node.args)
        self._block(node.body)
        self._leave()

    def _lambda(self, node: ast.Lambda) -> None:
        self.out.append("Lambda")
        self._defaults(node.args)
        scope = self._enter("function")
        self._parameters(node.args, scope)
        scope.collect((node.body,))
        self._parameter_names(node.args)
        self.visit(node.body)
        self._leave()

    def _class(self, node: ast.ClassDef, name: str | None = None) -> None:
        self.out.append("ClassDef")
        if name is None:
            self._bound_name(node.name)
            self.out.append(node.name)
        self._decorators(node.decorator_list)
        self._type_parameters(node)
        self._list(node.bases)
        self._list(node.keywords)
        scope = self._enter("class")
        scope.collect(node.body)
        self._block(node.body)
        self._leave()

    def _type_parameters(self, node: ast.AST) -> None:
        parameters = getattr(node, "type_params", None)
        if parameters:
            self._list(parameters)

    def _defaults(self, arguments: ast.arguments) -> None:
        """Defaults and annotations belong to the scope around the function."""
        self._list(arguments.defaults)
        self._list(arguments.kw_defaults)
        for argument in _all_arguments(arguments):
            self._optional_annotation(argument.annotation)

    def _parameters(self, arguments: ast.arguments, scope: Scope) -> None:
        for argument in _all_arguments(arguments):
            scope.bound.add(argument.arg)
        scope.kept.update(scope.bound - {argument.arg for argument in arguments.posonlyargs})

    def _parameter_names(self, arguments: ast.arguments) -> None:
        for group in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs):
            self.out.append("[")
            for argument in group:
                self._bound_name(argument.arg)
            self.out.append("]")
        for single in (arguments.vararg, arguments.kwarg):
            if single is None:
                self.out.append("~")
            else:
                self._bound_name(single.arg)

    def _optional_annotation(self, annotation: ast.expr | None) -> None:
        if annotation is None:
            self.out.append("~")
            return
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            with suppress(SyntaxError):  # a text that is no expression stays the text it is
                annotation = ast.parse(annotation.value, mode="eval").body
        self.visit(annotation)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if self.scope is None or self.scope.kind == "class":
            self.out.append("AnnAssign")
            self.visit(node.target)
            self._optional_annotation(node.annotation)
            if node.value is None:
                self.out.append("~")
            else:
                self.visit(node.value)
        elif node.value is not None:
            self.out.append("Assign")
            self._list([node.target])
            self.visit(node.value)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.out.append(type(node).__name__)
        self.visit(node.generators[0].iter)
        scope = self._enter("comprehension")
        for generator in node.generators:
            scope.collect((generator.target,))
        for number, generator in enumerate(node.generators):
            self.out.append(f"for{generator.is_async}")
            if number:
                self.visit(generator.iter)
            self.visit(generator.target)
            self._list(generator.ifs)
        if isinstance(node, ast.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            self.visit(node.elt)
        self._leave()

    def _text_with_holes(self, node: ast.JoinedStr) -> None:
        """Python versions split the text between two holes differently; the pieces are put together."""
        self.out.append("JoinedStr")
        self.out.append("[")
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
                continue
            if text:
                self.out.append(_literal(text))
                text = ""
            self.visit(part)
        if text:
            self.out.append(_literal(text))
        self.out.append("]")

    def _constant(self, node: ast.Constant) -> None:
        self.out.append(_literal(node.value))

    #: the nodes with rules of their own; every other one is written by its fields
    special: ClassVar[dict[str, Callable[..., None]]] = {
        "AnnAssign": _annotated,
        "AsyncFunctionDef": _function,
        "Attribute": _attribute,
        "BinOp": _binary,
        "Call": _call,
        "ClassDef": _class,
        "Constant": _constant,
        "DictComp": _comprehension,
        "FunctionDef": _function,
        "GeneratorExp": _comprehension,
        "Import": _import,
        "ImportFrom": _import,
        "JoinedStr": _text_with_holes,
        "Lambda": _lambda,
        "ListComp": _comprehension,
        "Name": _name,
        "SetComp": _comprehension,
    }


def _literal(value: object) -> str:
    """One line for a constant, with its type: 1, 1.0, True and "1" all differ."""
    if value is None:
        return "~"
    if isinstance(value, bool):
        return f"bool:{value:d}"
    if isinstance(value, int):
        return f"int:{value:x}"
    return f"{type(value).__name__}:{value!a}"


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return found + [single for single in (arguments.vararg, arguments.kwarg) if single is not None]
