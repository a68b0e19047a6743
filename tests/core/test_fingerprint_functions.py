"""The fingerprint of one function: spelling does not count, meaning does."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.errors import UsageError
from millrace.core.fingerprint import function_fingerprint

BASE = '''
@task(retries=3)
@logged("train")
def train(data, /, lr: float = 0.1, *layers, seed=7, **options):
    """Trains."""
    total = 0
    import numpy as np
    from os import path as where
    for index, row in enumerate(data):
        total += row[0] * lr - index
    try:
        squares = [value**2 for value in data if value > 1]
    except (ValueError, KeyError) as problem:
        raise RuntimeError(f"bad {problem!r:>10}") from problem
    with open(where) as handle:
        text = handle.read()
    def inner(x, y=total):
        nonlocal text
        text = x
        return lambda z: z + y + total
    match data:
        case [first, *others] if first:
            squares.append((first, others))
        case {"key": item, **remaining}:
            squares.append((item, remaining))
    if (length := len(text)) > 10:
        squares = {k: v for k, v in zip(squares, squares)}
    return np.mean(squares), inner(length), seed, options, layers
'''
LOCALS = [
    "data", "total", "np", "where", "index", "row", "squares", "value", "problem", "handle", "text",
    "inner", "first", "others", "item", "remaining", "length", "k", "v",
]  # fmt: skip
FINGERPRINT = function_fingerprint(BASE)


class Renamed(ast.NodeTransformer):
    """Renames by text in every place where a name may stand."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "arg", "name", "rest"):
            value = getattr(node, field, None)
            if isinstance(value, str) and not isinstance(node, ast.alias | ast.keyword):
                setattr(node, field, self.names.get(value, value))
        if isinstance(node, ast.Nonlocal):
            node.names = [self.names.get(name, name) for name in node.names]
        if isinstance(node, ast.alias):
            bound = node.asname or node.name
            if bound in self.names:
                node.asname = self.names[bound]
        return super().generic_visit(node)


names = st.from_regex(r"[a-z_]{1,6}_", fullmatch=True)


@given(st.lists(names, min_size=len(LOCALS), max_size=len(LOCALS), unique=True), st.permutations(LOCALS), st.booleans())
@settings(deadline=None)
def test_renaming_every_local_changes_nothing(fresh: list[str], order: list[str], swap: bool) -> None:
    new = order if swap else fresh
    renamed = ast.unparse(Renamed(dict(zip(LOCALS, new, strict=True))).visit(ast.parse(BASE)))
    assert function_fingerprint(renamed) == FINGERPRINT


@given(st.lists(st.tuples(st.integers(3, 40), st.sampled_from(["", "# note", "    # note", "   "])), max_size=12))
@settings(deadline=None)
def test_comments_and_blank_lines_change_nothing(extra: list[tuple[int, str]]) -> None:
    lines = BASE.splitlines()
    for position, text in extra:
        lines.insert(min(position, len(lines)), text)
    assert function_fingerprint("\n".join(lines)) == FINGERPRINT


def test_layout_changes_nothing() -> None:
    assert function_fingerprint(ast.unparse(ast.parse(BASE))) == FINGERPRINT
    assert function_fingerprint(textwrap.indent(BASE, "    ")) == FINGERPRINT


SAME = [
    ("def f(x):\n    return x", "def g(x):\n    '''doc'''\n    return (x)  # said"),
    ("def f():\n    pass", "def f(): ..."),
    ("def f():\n    x: int = 1\n    return x", "def f():\n    y: str\n    y = 1\n    return y"),
    ("def f(): return 'ab' + \"c\"", "def f(): return 'a' 'b' + 'c'"),
    ("def f(): return 1000 + 0x10", "def f(): return 1_000 + 16"),
    ("def f(x: 'Frame'): return x", "def f(x: Frame): return x"),
    ("def f(a): return f'{a}' 'b' 'c'", "def f(a): return f'{a}bc'"),
    ("@task\ndef f(): return 1", "def f(): return 1"),
    ("@task(retries=3)\ndef f(): return 1", "@dsl.component(base_image='x')\ndef f(): return 1"),
    ("def f():\n    for i in x: g(i)", "def f():\n    for element in x:\n        g(element)"),
    ("def f():\n    global n\n    n = 1", "def f():\n    global n\n    n = 1\n    pass"),
    ("def f(x, /): return x", "def f(y, /): return y"),
    ("lambda x, /: x + 1", "lambda y, /: y + 1"),
    ("def f(x):\n    a = vars(x)\n    return a", "def f(x):\n    b = vars(x)\n    return b"),
    (
        "def f(x):\n    if x: return 1\n    elif g: return 2",
        "def f(x):\n    if x: return 1\n    else:\n        if g: return 2",
    ),
    (
        "def f(x):\n    def inner(): return 1\n    return inner",
        "def f(x):\n    def other(): return 1\n    return other",
    ),
    ("class A:\n    'doc'\n    x = 1", "class A:\n    # note\n    x = 1"),
    ("def f(): return [a for b in c for a in b]", "def f(): return [x for y in c for x in y]"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_meaning_has_the_same_fingerprint(one: str, other: str) -> None:
    assert function_fingerprint(one) == function_fingerprint(other)


DIFFERENT = [
    ("def f(x): return x + 1", "def f(x): return x + 2"),
    ("def f(x): return x + 1", "def f(x): return x - 1"),
    ("def f(x): return x + 1", "def f(x): return x + 1.0"),
    ("def f(x): return x + 1", "def f(x): return x + True"),
    ("def f(x): return x + 1", "def f(x): return 1 + x"),
    ("def f(x): return 'a'", "def f(x): return b'a'"),
    ("def f(x): return clean(x)", "def f(x): return clear(x)"),
    ("def f(x): return h.clean(x)", "def f(x): return h.clear(x)"),
    ("def f(x): return g(a=x)", "def f(x): return g(b=x)"),
    ("def f(x=1): return x", "def f(x=2): return x"),
    ("def f(x): return x", "def f(y): return y"),
    ("def f(x): return x", "def f(x, /): return x"),
    ("def f(x): return x", "def f(*, x): return x"),
    ("def f(*x): return x", "def f(**x): return x"),
    ("def f(x: int): return x", "def f(x: str): return x"),
    ("@cached(1)\ndef f(): return 1", "@cached(2)\ndef f(): return 1"),
    ("@cached(1)\ndef f(): return 1", "def f(): return 1"),
    ("def f(): return 1", "async def f(): return 1"),
    ("def f(a, b): return a if b else 1", "def f(a, b): return b if a else 1"),
    ("def f():\n    x = 1\n    y = 2\n    return x", "def f():\n    x = 1\n    y = 2\n    return y"),
    ("def f():\n    n = 1", "def f():\n    global n\n    n = 1"),
    (
        "def f():\n    n = 1\n    def g():\n        n = 2\n    g()\n    return n",
        "def f():\n    n = 1\n    def g():\n        nonlocal n\n        n = 2\n    g()\n    return n",
    ),
    ("def f(x): return [x for x in x]", "def f(x): return [x for y in x]"),
    ("def f(x): return f'{x}'", "def f(x): return f'{x!r}'"),
    ("def f():\n    x = 1\n    return f'{x=}'", "def f():\n    y = 1\n    return f'{y=}'"),
    ("def f():\n    x = 1\n    return locals()", "def f():\n    y = 1\n    return locals()"),
    ("def f():\n    x = 1\n    return vars()", "def f():\n    y = 1\n    return vars()"),
    ("def f():\n    x = 1\n    return eval('x')", "def f():\n    y = 1\n    return eval('x')"),
    ("def f(x, a):\n    def vars(a): return a\n    return vars(x)", "def f(x, a):\n    return vars(x)"),
    ("def f():\n    import numpy as np\n    return np", "def f():\n    import pandas as np\n    return np"),
    ("def f():\n    from a import b\n    return b", "def f():\n    from .a import b\n    return b"),
    ("def f(x): return x[1:2]", "def f(x): return x[1::2]"),
    ("def f(x): return x[1,]", "def f(x): return x[1]"),
    ("def f(x): return [1, [2]]", "def f(x): return [[1], 2]"),
    ("def f(x):\n    if x:\n        g()\n    h()", "def f(x):\n    if x:\n        g()\n        h()"),
    ("def f(x):\n    try: g()\n    except A: h()", "def f(x):\n    try: g()\n    except* A: h()"),
    ("def f(x):\n    match x:\n        case 1: g()", "def f(x):\n    match x:\n        case True: g()"),
    ("class A:\n    x = 1", "class A:\n    y = 1"),
    ("class A:\n    x: int", "class A:\n    x: str"),
    ("class A(B): pass", "class A(C): pass"),
    ("def f():\n    class A:\n        x = 1\n    return A", "def f():\n    class B:\n        x = 1\n    return B"),
    ("def f(x): return x < 1 < 2", "def f(x): return (x < 1) < 2"),
    ("def f(x): return -1", "def f(x): return +1"),
    ("def f(x): yield x", "def f(x): return x"),
    ("def f(x): return x if a else b", "def f(x): return x if b else a"),
    ("lambda x: x + 1", "lambda y: y + 1"),
    ("def f(x): return lambda: x", "def f(x): return lambda: y"),
    ("def f():\n    x = 1\n    del x", "def f():\n    x = 1\n    x"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_meaning_has_another_fingerprint(one: str, other: str) -> None:
    assert function_fingerprint(one) != function_fingerprint(other)


class Mutated(ast.NodeTransformer):
    """Changes the meaning of the one node with the given number, if it can."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.done = False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if self.done or not self._changes(node, trial=True):
            return node
        if self.left == 0:
            self._changes(node, trial=False)
            self.done = True
        self.left -= 1
        return node

    @staticmethod
    def _changes(node: ast.AST, *, trial: bool) -> bool:
        match node:
            case ast.Constant(value=int() | float() as value):
                if not trial:
                    node.value = value + 1
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Pow()):
                if not trial:
                    node.op = ast.Div()
            case ast.AugAssign():
                if not trial:
                    node.op = ast.FloorDiv()
            case ast.Compare():
                if not trial:
                    node.ops = [ast.NotEq()]
            case ast.Attribute():
                if not trial:
                    node.attr += "_"
            case ast.Name(id=name, ctx=ast.Load()) if name not in LOCALS and name != "task":
                if not trial:
                    node.id += "_"
            case _:
                return False
        return True


@given(st.integers(0, 40))
@settings(deadline=None)
def test_a_mutation_changes_the_fingerprint(number: int) -> None:
    tree = ast.parse(BASE)
    decorator = tree.body[0].decorator_list.pop(0)  # type: ignore[attr-defined] # BASE is one function
    mutation = Mutated(number)
    mutation.visit(tree)
    tree.body[0].decorator_list.insert(0, decorator)  # type: ignore[attr-defined] # BASE is one function
    if mutation.done:
        assert function_fingerprint(ast.unparse(tree)) != FINGERPRINT


def test_the_fingerprint_is_that_of_every_version() -> None:
    """A stored cache key outlives an upgrade of Python; who changes the normal form changes this digest, knowingly."""
    assert FINGERPRINT == "67e364992869f88a41b499e2bd2d8b89ec05858a45750646aa5a05a67955dfe9"


def test_the_node_and_its_source_have_one_fingerprint() -> None:
    node = ast.parse(BASE).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert function_fingerprint(node) == FINGERPRINT


def test_fingerprinting_leaves_the_tree_as_it_was() -> None:
    node = ast.parse(BASE).body[0]
    assert isinstance(node, ast.FunctionDef)
    before = ast.dump(node, include_attributes=True)
    function_fingerprint(node)
    assert ast.dump(node, include_attributes=True) == before


@pytest.mark.parametrize("source", ["def f(:", "x = 1", "def f(): pass\ndef g(): pass", ""])
def test_what_is_no_function_is_refused(source: str) -> None:
    with pytest.raises(UsageError):
        function_fingerprint(source)


def test_every_function_of_the_standard_library_has_a_fingerprint() -> None:
    """A sample of real code: nothing fails, and unparsing changes nothing."""
    folder = Path(ast.__file__).parent
    for name in ("dataclasses", "argparse", "typing", "asyncio/tasks", "statistics", "contextlib"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        again = ast.parse(ast.unparse(tree))
        for one, other in zip(tree.body, again.body, strict=True):
            if isinstance(one, ast.FunctionDef | ast.ClassDef):
                assert isinstance(other, ast.FunctionDef | ast.ClassDef)
                assert function_fingerprint(one) == function_fingerprint(other)


def test_a_very_long_sum_is_no_trouble() -> None:
    terms = [f"x{number}" for number in range(3000)]
    one = ast.parse(f"f = lambda: {' + '.join(terms[:900])}").body[0]
    assert isinstance(one, ast.Assign)
    tall: ast.expr = one.value.body  # type: ignore[attr-defined] # it is a lambda
    for term in terms[900:]:
        tall = ast.BinOp(tall, ast.Add(), ast.Name(term, ast.Load()))
    assert function_fingerprint(ast.Lambda(one.value.args, tall))  # type: ignore[attr-defined] # it is a lambda


def test_the_hash_seed_does_not_matter() -> None:
    program = "import sys; from millrace.core.fingerprint import function_fingerprint as f; print(f(sys.argv[1]))"
    for seed in ("1", "2"):
        shown = subprocess.run(
            [sys.executable, "-c", program, BASE],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert shown.stdout.strip() == FINGERPRINT
