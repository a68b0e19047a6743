"""Which project code a task uses, found without running it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pytest

from millrace.core.errors import NotFoundError, PipelineFileError
from millrace.core.fingerprint import (
    CacheKey,
    ModuleSource,
    ProjectCode,
    code_closure,
    explain,
    import_closure,
    imported_distributions,
)


def project(**texts: str) -> dict[str, ModuleSource]:
    """Modules by name; ``__`` stands for a dot, a name that ends in it for a package's ``__init__``."""
    modules = {}
    for key, text in texts.items():
        name = key.removesuffix("__").replace("__", ".")
        path = name.replace(".", "/") + ("/__init__.py" if key.endswith("__") else ".py")
        modules[name] = ModuleSource(name, path, textwrap.dedent(text))
    return modules


def used(entry: str, modules: Mapping[str, ModuleSource]) -> set[str]:
    return set(code_closure(entry, modules))


def test_names_are_followed_through_functions_classes_and_values() -> None:
    modules = project(
        pipeline="""
            LIMIT = 10
            UNUSED = 1
            class Cleaner:
                bound = LIMIT
                def run(self): return trim(self.bound)
            def trim(x): return x
            def unused(): return UNUSED
            @task(retries=LIMIT)
            def train(rows):
                return Cleaner().run(), len(rows)
        """
    )
    found = code_closure("pipeline:train", modules)
    assert {name: value.partition(":")[0] for name, value in found.items()} == {
        "pipeline:train": "function",
        "pipeline:Cleaner": "class",
        "pipeline:LIMIT": "value",
        "pipeline:trim": "function",
    }


IMPORTS = [
    ("import helpers", "helpers.clean(x)"),
    ("import helpers as h", "h.clean(x)"),
    ("from helpers import clean", "clean(x)"),
    ("from helpers import clean as c", "c(x)"),
    ("from helpers import *", "clean(x)"),
]


@pytest.mark.parametrize(("statement", "call"), IMPORTS)
@pytest.mark.parametrize("inside", [False, True])
def test_every_form_of_import_is_followed(statement: str, call: str, inside: bool) -> None:
    if inside and "*" in statement:
        return  # Python has no such statement
    inner, outer = (statement, "") if inside else ("pass", statement)
    modules = project(
        pipeline=f"{outer}\ndef train(x):\n    {inner}\n    return {call}\n",
        helpers="def clean(x): return strip(x)\ndef strip(x): return x\ndef other(x): return x\n",
    )
    assert used("pipeline:train", modules) == {"pipeline:train", "helpers:clean", "helpers:strip"}


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("from . import cleaning", "cleaning.clean(x)"),
        ("from .cleaning import clean", "clean(x)"),
        ("from ..lib.cleaning import clean", "clean(x)"),
        ("import proj.lib.cleaning", "proj.lib.cleaning.clean(x)"),
        ("import proj.lib.cleaning as c", "c.clean(x)"),
        ("from proj.lib import cleaning", "cleaning.clean(x)"),
        ("from proj import lib", "lib.cleaning.clean(x)"),
        ("from proj import lib", "lib.passed_on(x)"),
        ("from proj.lib import passed_on", "passed_on(x)"),
    ],
)
def test_packages_and_relative_imports(statement: str, call: str) -> None:
    modules = project(
        proj__="",
        proj__lib__="from .cleaning import clean as passed_on\nfrom . import train\n",
        proj__lib__train=f"{statement}\ndef train(x):\n    return {call}\n",
        proj__lib__cleaning="def clean(x): return x\n",
    )
    assert used("proj.lib.train:train", modules) == {"proj.lib.train:train", "proj.lib.cleaning:clean"}


def test_packages_without_an_init_file() -> None:
    modules = project(
        proj__train="""
            import proj.cleaning
            from proj import scaling
            def train(x): return proj.cleaning.clean(scaling.scale(x))
        """,
        proj__cleaning="def clean(x): return x",
        proj__scaling="def scale(x): return x",
    )
    assert used("proj.train:train", modules) == {"proj.train:train", "proj.cleaning:clean", "proj.scaling:scale"}


def test_cycles_end() -> None:
    modules = project(
        a="from b import g, again\ndef f(): return g()\n",
        b="from a import f, again\nimport a\ndef g(): return f() or a.f()\n",
    )
    assert used("a:f", modules) == {"a:f", "b:g"}
    assert used("a:f", project(a="from b import *\ndef f(): return q()", b="from a import *")) == {"a:f"}


def test_what_fills_a_value_counts_with_it() -> None:
    text = """
        TABLE = {}
        TABLE["a"] = make()
        NAMES = []
        NAMES.append("b")
        def make(): return 1
        def train(): return TABLE
        def score(): return NAMES
    """
    first = code_closure("p:train", project(p=text))
    assert set(first) == {"p:train", "p:TABLE", "p:make"}
    other = code_closure("p:train", project(p=text.replace('"a"', '"c"')))
    assert other["p:TABLE"] != first["p:TABLE"]
    assert (
        code_closure("p:score", project(p=text))["p:NAMES"]
        != code_closure("p:score", project(p=text.replace('"b"', '"c"')))["p:NAMES"]
    )


def test_conditions_around_a_definition_count() -> None:
    text = """
        import sys
        if sys.platform == "linux":
            def f(): return 1
        else:
            def f(): return 2
        def g(): return f()
    """
    one = code_closure("p:g", project(p=text))
    assert one["p:f"] != code_closure("p:g", project(p=text.replace("linux", "win32")))["p:f"]
    assert one["p:f"] != code_closure("p:g", project(p=text.replace("return 2", "return 3")))["p:f"]
    tried = "try:\n    from fast import f\nexcept ImportError:\n    def f(): return 2\ndef g(): return f()\n"
    assert used("p:g", project(p=tried, fast="def f(): return 1")) == {"p:g", "p:f", "fast:f"}


def test_the_pipeline_around_a_task_does_not_count() -> None:
    text = """
        with DAG(dag_id="demo", schedule="@daily") as dag:
            hello = BashOperator(task_id="hello", bash_command="echo hello")
            @task()
            def train(): return LIMIT
            hello >> train()
        LIMIT = 3
        if __name__ == "__main__":
            LIMIT = 4
            dag.run()
    """
    found = code_closure("p:train", project(p=text))
    assert set(found) == {"p:train", "p:LIMIT"}
    again = text.replace("@daily", "@hourly").replace("echo hello", "echo bye").replace("= 4", "= 5")
    assert code_closure("p:train", project(p=again)) == found


def test_a_task_inside_a_function_takes_what_it_uses_from_around() -> None:
    text = """
        from tools import clean
        SCALE = 2
        def build(size, other=1):
            factor = SCALE * 3
            unused = clean(1)
            def helper(x): return x * factor
            @task
            def train(x): return helper(x) + size + clean(x)
            return train()
    """
    modules = project(p=text, tools="def clean(x): return x")
    assert used("p:build.<locals>.train", modules) == {
        "p:build.<locals>.train",
        "p:build.<locals>.helper",
        "p:build.<locals>.factor",
        "p:SCALE",
        "tools:clean",
    }


def test_a_method_counts_with_its_class() -> None:
    modules = project(p="class A:\n    b = 1\n    def run(self): return b\nb = helper()\ndef helper(): return 1\n")
    assert used("p:A.run", modules) == {"p:A.run", "p:A", "p:b", "p:helper"}


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        ("return getattr(helpers, name)(x)", "helpers:*"),
        ("return apply(helpers)", "helpers:*"),
        ("return helpers.made_at_run_time(x)", "helpers:*"),
        ("return importlib.import_module('helpers')", "helpers:*"),
        ("return globals()[name](x)", "p:*"),
        ("return eval(name)", "p:*"),
        ("return importlib.import_module(name)", "p:*"),
    ],
)
def test_what_cannot_be_resolved_is_the_whole_module(body: str, whole: str) -> None:
    text = f"import importlib\nimport helpers\ndef train(x, name):\n    {body}\n"
    helpers = "def clean(x): return sub(x)\nfrom deep import sub\n"
    modules = project(p=text, helpers=helpers, deep="def sub(x): return x")
    found = code_closure("p:train", modules)
    assert whole in found
    assert found[whole].startswith("module:")
    if whole == "helpers:*":
        assert set(found) == {"p:train", "helpers:*", "deep:sub"}


@pytest.mark.parametrize("qualname", ["<lambda>", "gone", "build.<locals>.gone", "f.x", "build.<locals>.<lambda>"])
def test_an_entry_that_is_not_found_is_the_whole_module(qualname: str) -> None:
    modules = project(p="f = lambda x: x\ndef build():\n    pass\n")
    assert set(code_closure(f"p:{qualname}", modules)) == {"p:*"}


def test_an_unknown_module_is_an_error_that_names_near_ones() -> None:
    with pytest.raises(NotFoundError, match="'pipeline'"):
        code_closure("pipelin:train", project(pipeline="def train(): pass"))


def test_a_marker_that_the_project_defines_is_code() -> None:
    text = "from {module} import task\n@task(1)\ndef train(): pass\n"
    ours = code_closure("p:train", project(p=text.format(module="millrace")))
    theirs = code_closure("p:train", project(p=text.format(module="deco"), deco="def task(n): return lambda f: f\n"))
    assert set(theirs) == {"p:train", "deco:task"}
    assert ours["p:train"] != theirs["p:train"]


def test_third_party_packages_are_named() -> None:
    modules = project(
        p="""
            import os
            import numpy as np
            import sklearn.linear_model
            from pandas import DataFrame as Frame
            import unused_package
            from millrace import task
            from q import helper
            @task
            def train(x: Frame):
                import torch.nn
                from google.cloud import storage
                return np.mean(x), sklearn.linear_model.Ridge(), helper(x), os.sep
        """,
        q="from scipy import stats\nfrom unused import *\ndef helper(x): return stats.norm(x)\n",
    )
    assert imported_distributions("p:train", modules) == {"numpy", "sklearn", "pandas", "torch", "google", "scipy"}


def test_the_import_closure() -> None:
    sources = project(
        main="""
            import importlib, os, a.b
            from c import thing
            def f():
                from .x import y
                import d
            importlib.import_module("e")
        """,
        a__="from . import z",
        a__b="from .. import nothing\nimport main",
        a__z="",
        c="",
        d="",
        e="",
        unrelated="",
    )
    asked = []

    def read(name: str) -> ModuleSource | None:
        asked.append(name)
        return sources.get(name)

    assert set(import_closure("main", read)) == set(sources) - {"unrelated"}
    assert len(asked) == len(set(asked))
    with pytest.raises(NotFoundError, match="'nowhere'"):
        import_closure("nowhere", read)


def test_a_module_that_is_not_python_is_named_with_its_line() -> None:
    with pytest.raises(PipelineFileError, match=r"^p\.py:2: this is not valid Python"):
        code_closure("p:f", project(p="x = 1\ndef f(:\n"))
    with pytest.raises(PipelineFileError, match="null bytes"):
        code_closure("p:f", {"p": ModuleSource("p", "p.py", "\0")})


def test_spelling_keeps_the_closure_and_an_edit_is_explained() -> None:
    modules = project(
        pipeline="from helpers import clean\ndef train(x):\n    rows = clean(x)\n    return rows\n",
        helpers="LIMIT = 3\ndef clean(x):\n    return x[:LIMIT]\n",
    )
    respelled = project(
        pipeline="""
            from helpers import clean

            # a note
            def train(x):
                'doc'
                table = clean(x)
                return table
        """,
        helpers="import os\n\ndef clean(x):\n    return x[:LIMIT]\n\ndef new(): ...\nLIMIT = 3\n",
    )
    edited = project(
        pipeline="from helpers import clean, scale\ndef train(x):\n    rows = clean(x)\n    return scale(rows)\n",
        helpers="LIMIT = 4\ndef clean(x):\n    return x[:LIMIT]\ndef scale(x): return x\n",
    )
    old = CacheKey("i", code=code_closure("pipeline:train", modules))
    assert explain(old, CacheKey("i", code=code_closure("pipeline:train", respelled))) == []
    new = CacheKey("i", code=code_closure("pipeline:train", edited))
    assert [change.sentence() for change in explain(old, new)] == [
        "code: value helpers:LIMIT changed",
        "code: function helpers:scale is new",
        "code: function pipeline:train changed",
    ]


def test_one_project_serves_many_entries() -> None:
    modules = project(p="def f(): return g()\ndef g(): return 1\ndef h(): return g()\n")
    code = ProjectCode(modules)
    for entry in ("p:f", "p:h", "p:g"):
        assert code.closure(entry) == code_closure(entry, modules)
    assert code.closure("p:f")["p:g"] == code.closure("p:h")["p:g"]
