"""Which project code a function uses, found without running any of it.

From the entry function every global name is followed to its definition in the project's modules, and from there
on: functions, classes, assignments, imports (relative ones, those inside functions, through packages that pass
names on), attributes of imported modules. The result names each definition with its fingerprint, so a change
can be said in words: which function it was.

What counts as one definition: all the statements that bind the name at the top of its module, together with the
conditions around them, and the top-level calls and item assignments that fill it (``TABLE["a"] = 1``,
``NAMES.append("b")``). A function nested in another one is entered by its ``__qualname__``; what it takes from
the function around it is followed the same way.

What cannot be resolved without running the code counts as the whole module (``"helpers:*"``): a module passed
on as an object (``getattr(helpers, name)``), ``globals()``, ``eval``, ``exec``, an import by a computed name, an
attribute that the module does not define, an entry that is not found. A registry filled from elsewhere (a
decorator in another module, an import for its side effect) is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import frozen

from millrace.core.code_bindings import (
    LOCALS,
    ModuleSource,
    Namespace,
    absolute,
    body_namespace,
    inside_function,
    parsed,
)
from millrace.core.code_normal_form import NormalForm, is_marker, normal_form
from millrace.core.code_scopes import Dotted, ImportedName, dotted_name
from millrace.core.errors import NotFoundError


def code_closure(entry: str, modules: Mapping[str, ModuleSource]) -> dict[str, str]:
    """The fingerprints of ``entry`` (``"module:qualname"``) and of all project code it uses, by qualified name.

    A fingerprint is ``function:``, ``class:``, ``value:`` or ``module:`` and a sha256 in hex. For several
    entries make one `ProjectCode`, which parses each module once.
    """
    return ProjectCode(modules).closure(entry)


def imported_distributions(entry: str, modules: Mapping[str, ModuleSource]) -> frozenset[str]:
    """The top-level names of the third-party packages that the closure of ``entry`` uses."""
    return ProjectCode(modules).distributions(entry)


def import_closure(entry_module: str, read: Callable[[str], ModuleSource | None]) -> dict[str, ModuleSource]:
    """The project modules that a module imports, at its top or inside functions, and those that they import.

    ``read`` gives the source of a project module, None for any other. NotFoundError when there is no entry.
    """
    found: dict[str, ModuleSource] = {}
    asked: set[str] = set()
    waiting = [entry_module]
    while waiting:
        name = waiting.pop()
        if name in asked:
            continue
        asked.add(name)
        source = read(name)
        if source is None:
            continue
        found[name] = source
        waiting.extend(_imported_modules(source))
    if entry_module not in found:
        raise NotFoundError("module", entry_module, remedy="Is it in the project's folder?")
    return found


def _imported_modules(source: ModuleSource) -> Iterator[str]:
    for node in ast.walk(parsed(source)):
        targets: Iterable[str] = ()
        if isinstance(node, ast.Import):
            targets = (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(source, node.level, node.module or "")
            targets = [f"{base}.{alias.name}" if base else alias.name for alias in node.names]
        elif isinstance(node, ast.Call):
            target = node.args[0] if node.args else None
            path = dotted_name(node.func)
            if path and path[-1] in {"import_module", "__import__"} and isinstance(target, ast.Constant):
                text = str(target.value)
                module = text.lstrip(".")
                targets = [absolute(source, len(text) - len(module), module)]
        for target_name in targets:
            parts = target_name.split(".")
            yield from (".".join(parts[: length + 1]) for length in range(len(parts)))


@frozen
class _Target:
    """A definition by its namespace and name; ``*`` is the whole module."""

    namespace: Namespace
    name: str

    @property
    def key(self) -> str:
        return f"{self.namespace.module}:{self.namespace.prefix}{self.name}"


class ProjectCode:
    """The project's modules, each parsed once, ready to give the closure of any entry."""

    def __init__(self, modules: Mapping[str, ModuleSource]) -> None:
        self._modules = modules
        self._trees: dict[str, ast.Module] = {}
        self._namespaces: dict[str, Namespace] = {}
        self._forms: dict[str, tuple[str, list[NormalForm]]] = {}

    def closure(self, entry: str) -> dict[str, str]:
        """See `code_closure`. NotFoundError when the entry's module is not in the project."""
        return self._walk(entry)[0]

    def distributions(self, entry: str) -> frozenset[str]:
        """See `imported_distributions`."""
        return self._walk(entry)[1]

    def _walk(self, entry: str) -> tuple[dict[str, str], frozenset[str]]:
        found: dict[str, str] = {}
        foreign: set[str] = set()
        waiting = self._entry(entry)
        while waiting:
            target = waiting.pop()
            if target.key in found:
                continue
            found[target.key], forms = self._fingerprint(target)
            for form in forms:
                waiting.extend(self._used(target.namespace, form, foreign))
        return found, frozenset(foreign - sys.stdlib_module_names - {""})

    # definitions

    def _entry(self, entry: str) -> list[_Target]:
        module, _, qualname = entry.partition(":")
        if module not in self._modules:
            raise NotFoundError("module", module, self._modules)
        namespace = self._namespace(module)
        targets: list[_Target] = []
        parts = qualname.split(".")
        while parts:
            name = parts.pop(0)
            definitions = namespace.definitions(name)
            if not definitions:
                return [_Target(self._namespace(module), "*")]
            targets.append(_Target(namespace, name))
            node = definitions[-1].node
            if not parts:
                break
            inner = f"{namespace.prefix}{name}."
            if parts[0] == LOCALS and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                parts.pop(0)
                namespace = inside_function(node, namespace, f"{inner}{LOCALS}.")
                targets.pop()  # the function around it is not what runs
            elif isinstance(node, ast.ClassDef):
                # A method can reach all of its class through self.
                namespace = body_namespace(node.body, Namespace(namespace.module, inner, namespace))
            else:
                return [_Target(self._namespace(module), "*")]
        return targets

    def _namespace(self, module: str) -> Namespace:
        namespace = self._namespaces.get(module)
        if namespace is None:
            namespace = body_namespace(self._tree(module).body, Namespace(module))
            self._namespaces[module] = namespace
        return namespace

    def _tree(self, module: str) -> ast.Module:
        if module not in self._trees:
            self._trees[module] = parsed(self._modules[module])
        return self._trees[module]

    def _fingerprint(self, target: _Target) -> tuple[str, list[NormalForm]]:
        known = self._forms.get(target.key)
        if known is None:
            known = self._forms[target.key] = self._new_fingerprint(target)
        return known

    def _new_fingerprint(self, target: _Target) -> tuple[str, list[NormalForm]]:
        def marker(decorator: Dotted) -> bool:
            return is_marker(decorator) and not self._resolve(target.namespace, decorator[:1], set())

        if target.name == "*":
            form = normal_form(self._tree(target.namespace.module), marker=marker)
            return f"module:{form.digest}", [form]
        bindings = target.namespace.definitions(target.name)
        forms = [normal_form(node, marker=marker) for binding in bindings for node in (*binding.around, binding.node)]
        kinds = {binding.kind for binding in bindings}
        kind = "function" if "function" in kinds else "class" if "class" in kinds else "value"
        return f"{kind}:{_digest(forms)}", forms

    # references

    def _used(self, namespace: Namespace, form: NormalForm, foreign: set[str]) -> Iterator[_Target]:
        if form.dynamic:
            yield _Target(self._namespace(namespace.module), "*")
        for path in sorted(form.loads):
            yield from self._resolve(namespace, path, foreign)
        source = self._modules[namespace.module]
        for imported in form.imported_loads:
            yield from self._resolve_import(source, imported, (), foreign)
        for imported in form.imports:
            base = absolute(source, imported.level, imported.module)
            if not self._is_project(base):
                foreign.add(base.partition(".")[0])

    def _resolve(self, namespace: Namespace, path: Dotted, foreign: set[str]) -> list[_Target]:
        """What a dotted name means in a function's or module's body: nothing for a builtin or a foreign name."""
        scope: Namespace | None = namespace
        while scope is not None:
            is_class_body = scope.prefix and not scope.prefix.endswith(f"{LOCALS}.")
            if path[0] in scope.parameters:
                return []
            if scope.defines(path[0]) and not is_class_body:
                return self._resolve_bound(scope, path, foreign, set())
            if scope.parent is None:
                return self._resolve_star(scope, path, foreign, set())
            scope = scope.parent
        return []

    def _resolve_bound(
        self, scope: Namespace, path: Dotted, foreign: set[str], seen: set[tuple[str, Dotted]]
    ) -> list[_Target]:
        found = []
        bindings = scope.bindings[path[0]]
        if any(binding.kind not in {"import", "filling"} for binding in bindings):
            found.append(_Target(scope, path[0]))
        source = self._modules[scope.module]
        for binding in bindings:
            if binding.imported is not None:
                found.extend(self._resolve_import(source, binding.imported, path[1:], foreign, seen))
        return found

    def _resolve_star(
        self, scope: Namespace, path: Dotted, foreign: set[str], seen: set[tuple[str, Dotted]]
    ) -> list[_Target]:
        source = self._modules[scope.module]
        for star in scope.stars:
            base = absolute(source, star.level, star.module)
            if base not in self._modules:
                foreign.add(base.partition(".")[0])
                continue
            found = self._resolve_in_module(base, path, foreign, seen, strict=False)
            if found:
                return found
        return []

    def _resolve_import(
        self,
        source: ModuleSource,
        imported: ImportedName,
        rest: Dotted,
        foreign: set[str],
        seen: set[tuple[str, Dotted]] | None = None,
    ) -> list[_Target]:
        base = absolute(source, imported.level, imported.module)
        path = imported.path + rest
        while base not in self._modules and path and self._is_project(base):
            base, path = f"{base}.{path[0]}", path[1:]  # a namespace package has no file of its own
        if base not in self._modules:
            foreign.add(base.partition(".")[0])
            return []
        return self._resolve_in_module(base, path, foreign, seen or set(), strict=True)

    def _resolve_in_module(
        self, module: str, path: Dotted, foreign: set[str], seen: set[tuple[str, Dotted]], *, strict: bool
    ) -> list[_Target]:
        """``strict``: an attribute that the module does not define counts as the whole module."""
        if (module, path) in seen:
            return []
        seen.add((module, path))
        namespace = self._namespace(module)
        whole = [_Target(namespace, "*")]
        if not path:
            return whole
        name = path[0]
        if namespace.defines(name):
            return self._resolve_bound(namespace, path, foreign, seen)
        if f"{module}.{name}" in self._modules:
            return self._resolve_in_module(f"{module}.{name}", path[1:], foreign, seen, strict=True)
        found = self._resolve_star(namespace, path, foreign, seen)
        if found or not strict or (name.startswith("__") and name.endswith("__")):
            return found
        return whole

    def _is_project(self, module: str) -> bool:
        return module in self._modules or any(name.startswith(f"{module}.") for name in self._modules)


def _digest(forms: list[NormalForm]) -> str:
    if len(forms) == 1:
        return forms[0].digest
    return hashlib.sha256("\n".join(form.digest for form in forms).encode()).hexdigest()
