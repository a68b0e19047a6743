"""Pipelines in Airflow's form: ``with DAG(...)``, operators, ``>>`` and ``<<``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from millrace import DAG, dag, pipeline, task
from millrace.core.errors import CycleError, GraphError
from millrace.core.graph import Graph, RetryPolicy
from millrace.operators import BashOperator, EmptyOperator, PythonOperator


def upstream(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {t.task_id: t.upstream for t in graph.tasks}


def test_the_example_works_as_written() -> None:
    with DAG(dag_id="demo", start_date=datetime(2022, 1, 1), schedule="0 0 * * *") as dag:
        hello = BashOperator(task_id="hello", bash_command="echo hello")

        @task()
        def airflow():  # type: ignore[no-untyped-def] # as written in Airflow's files
            print("airflow")

        hello >> airflow()

    graph = dag.graph
    assert (graph.name, graph.start_date, graph.timezone) == ("demo", "2022-01-01T00:00:00+00:00", "UTC")
    assert graph.schedule["expression"] == "0 0 * * *"
    assert upstream(graph) == {"hello": (), "airflow": ("hello",)}
    assert not graph.catchup


class Letters:
    """Empty tasks a to e of one DAG."""

    def __init__(self) -> None:
        self.dag = DAG("letters")
        self.a, self.b, self.c, self.d, self.e = (EmptyOperator(task_id=x, dag=self.dag) for x in "abcde")

    def edges(self) -> set[str]:
        return {f"{u}{t.task_id}" for t in self.dag.graph.tasks for u in t.upstream}


@pytest.mark.parametrize(
    ("write", "edges"),
    [
        (lambda x: x.a >> x.b >> x.c, {"ab", "bc"}),
        (lambda x: x.c << x.b << x.a, {"ab", "bc"}),
        (lambda x: x.a >> [x.b, x.c] >> x.d, {"ab", "ac", "bd", "cd"}),
        (lambda x: x.d << [x.b, x.c] << x.a, {"ab", "ac", "bd", "cd"}),
        (lambda x: [x.a, x.b] >> x.c, {"ac", "bc"}),
        (lambda x: [x.a, x.b] << x.c, {"ca", "cb"}),
        (lambda x: (x.a, [x.b, x.c]) >> x.d, {"ad", "bd", "cd"}),
        (lambda x: x.a >> x.b << x.c, {"ab", "cb"}),
        (lambda x: x.a.set_downstream([x.b, x.c]), {"ab", "ac"}),
        (lambda x: x.a.set_upstream(x.b), {"ba"}),
        (lambda x: x.a.output >> x.b, {"ab"}),
        (lambda x: x.a >> x.b.output, {"ab"}),
        (lambda x: [x.a >> x.b, x.a >> x.b], {"ab"}),
    ],
)
def test_dependencies(write: Any, edges: set[str]) -> None:
    letters = Letters()
    write(letters)
    assert letters.edges() == edges


def test_the_order_in_which_dependencies_are_written_does_not_count() -> None:
    one, other = Letters(), Letters()
    [one.a, one.b] >> one.c
    other.b >> other.c
    other.a >> other.c
    assert one.dag.graph.digest == other.dag.graph.digest


def test_the_graph_follows_what_is_added_later() -> None:
    letters = Letters()
    assert letters.edges() == set()
    letters.a >> letters.b
    assert letters.edges() == {"ab"}
    assert letters.dag.graph is letters.dag.graph


def test_a_cycle_is_told_with_its_path_and_line() -> None:
    letters = Letters()
    letters.a >> letters.b >> letters.c >> letters.a
    with pytest.raises(CycleError, match="a -> b -> c -> a") as caught:
        letters.dag.graph  # noqa: B018
    assert str(caught.value.where).startswith(f"{__file__}:")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda x: x.a >> 1, "take tasks and lists of tasks, not int"),
        (lambda x: x.a >> print, "not the function itself"),
        (lambda x: x.a >> Letters().b, "stands in another pipeline"),
    ],
)
def test_what_cannot_be_ordered(write: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        write(Letters())


def test_operators_need_a_pipeline() -> None:
    with pytest.raises(GraphError, match=r"EmptyOperator 'a' stands outside of a pipeline[\s\S]*with DAG"):
        EmptyOperator(task_id="a")


def test_an_operators_id_is_taken_once() -> None:
    with DAG("d"):
        EmptyOperator(task_id="a")
        with pytest.raises(GraphError, match=r"there is a task 'a' already, at .*test_dag.py:\d+"):
            EmptyOperator(task_id="a")


def test_dags_nest_like_with_blocks() -> None:
    with DAG("outer") as outer:
        EmptyOperator(task_id="a")
        with DAG("inner") as inner:
            EmptyOperator(task_id="b")
        EmptyOperator(task_id="c")
    assert list(upstream(outer.graph)) == ["a", "c"]
    assert list(upstream(inner.graph)) == ["b"]


def test_a_task_goes_to_the_dag_it_names() -> None:
    named = DAG("named")

    @task(dag=named)
    def hello() -> None: ...

    hello()
    assert list(upstream(named.graph)) == ["hello"]


def test_default_args_count_where_a_task_says_nothing() -> None:
    defaults = {"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": 10, "cache": True}
    with DAG("d", default_args=defaults) as d:
        EmptyOperator(task_id="a")
        EmptyOperator(task_id="b", retries=5, cache=False)
    a, b = d.graph.tasks
    assert (a.retry, a.execution_timeout, a.cache) == (RetryPolicy(2, 60_000_000), 10_000_000, True)
    assert (b.retry, b.cache) == (RetryPolicy(5, 60_000_000), False)


def test_default_args_know_their_names() -> None:
    with pytest.raises(GraphError, match=r"default_args of pipeline 'd' has no argument 'retry'[\s\S]*retries"):
        DAG("d", default_args={"retry": 2})


def test_all_that_can_be_said_of_a_task() -> None:
    with DAG("d") as d:
        EmptyOperator(
            task_id="a",
            retries=1,
            retry_delay=2.5,
            retry_exponential_backoff=True,
            max_retry_delay=timedelta(hours=1),
            execution_timeout=timedelta(seconds=3),
            trigger_rule="all_done",
            cache=True,
            environment=["numpy"],
            doc="What it does.",
        )
    (a,) = d.graph.tasks
    assert a.retry == RetryPolicy(1, 2_500_000, exponential=True, max_delay=3_600_000_000)
    assert (a.execution_timeout, a.trigger_rule, a.cache) == (3_000_000, "all_done", True)
    assert (a.environment, a.doc) == (("numpy",), "What it does.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"retry": 1}, "EmptyOperator has no argument 'retry'"),
        ({"retries": "3"}, "retries must be a whole number, not '3'"),
        ({"retries": -1}, "retries of task a is negative"),
        ({"retry_delay": "5m"}, "retry_delay must be a timedelta or a number of seconds, not '5m'"),
        ({"execution_timeout": 0}, "execution_timeout of task a must be more than zero"),
        ({"trigger_rule": "all_sucess"}, "trigger rule 'all_sucess'"),
        ({"environment": "numpy"}, r"environment is one string[\s\S]*\['numpy'\]"),
        ({"task_id": "a b"}, "'a b' is not a valid task name"),
    ],
)
def test_what_cannot_be_said_of_a_task(arguments: dict[str, Any], message: str) -> None:
    with DAG("d"), pytest.raises(GraphError, match=message) as caught:
        EmptyOperator(**{"task_id": "a", **arguments})
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_all_that_can_be_said_of_a_dag() -> None:
    d = DAG(
        "d",
        "what it does",
        schedule=timedelta(hours=1),
        start_date="2026-01-01",
        end_date=date(2026, 2, 1),
        catchup=True,
        timezone="Europe/Berlin",
        max_active_runs=3,
        dagrun_timeout=timedelta(minutes=5),
        tags=["x", "y"],
        params={"lr": 0.1, "name": "n", "on": True, "anything": None},
    )
    with d:
        PythonOperator(task_id="a", python_callable=round, op_args=[d.params["lr"], 1])
    graph = d.graph
    assert (graph.start_date, graph.end_date) == ("2025-12-31T23:00:00+00:00", "2026-01-31T23:00:00+00:00")
    assert (graph.timezone, graph.catchup, graph.max_active_runs) == ("Europe/Berlin", True, 3)
    assert (graph.run_timeout, graph.tags, graph.description) == (300_000_000, ("x", "y"), "what it does")
    assert {p.name: str(p.type) for p in graph.parameters} == {
        "lr": "float",
        "name": "str",
        "on": "bool",
        "anything": "json",
    }
    assert graph.schedule["kind"].startswith("delta")


def test_the_time_zone_is_that_of_an_aware_start_date() -> None:
    assert DAG("d", start_date=datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Paris"))).graph.timezone == "Europe/Paris"
    assert DAG("d", start_date=datetime(2026, 7, 1, tzinfo=UTC)).graph.timezone == "UTC"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": "* * *"}, "pipeline 'd': "),
        ({"schedule": 5}, "a schedule cannot be a int"),
        ({"timezone": "Europe/Brelin"}, "no time zone 'Europe/Brelin'"),
        ({"start_date": "soon"}, "start_date 'soon' is no ISO date"),
        ({"start_date": 2026}, "start_date cannot be a int"),
        ({"start_date": "2026-02-01", "end_date": "2026-01-01"}, "ends before it starts"),
        ({"tags": "x"}, "tags is one string"),
        ({"tags": ["x", 1]}, "tags are strings"),
        ({"max_active_runs": "3"}, "max_active_runs must be a whole number"),
        ({"max_active_runs": 0}, "max_active_runs"),
        ({"dagrun_timeout": "1h"}, "run_timeout must be a timedelta"),
    ],
)
def test_what_cannot_be_said_of_a_dag(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        DAG("d", **arguments).graph  # noqa: B018
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_a_dags_name_is_checked_where_it_is_written() -> None:
    with pytest.raises(GraphError, match="'my dag' is not a valid pipeline name"):
        DAG("my dag")


def test_dag_decorator_is_pipeline_under_airflows_name() -> None:
    @dag(dag_id="my_dag", schedule="@daily", dagrun_timeout=60)
    def anything() -> None:
        """What it does."""
        EmptyOperator(task_id="a")

    assert anything() is anything
    graph = anything.graph
    assert (graph.name, graph.description, graph.run_timeout) == ("my_dag", "What it does.", 60_000_000)

    @dag
    def bare() -> None: ...

    @pipeline("by_position")
    def positional() -> None: ...

    assert (bare.name, positional.name) == ("bare", "by_position")


def test_python_operator_takes_outputs_among_its_arguments() -> None:
    def add(a: int, b: int = 2) -> int:
        return a + b

    with DAG("d") as d:
        one = PythonOperator(task_id="one", python_callable=add, op_args=[1])
        PythonOperator(task_id="two", python_callable=add, op_kwargs={"a": one.output, "b": one})
        PythonOperator(task_id="three", python_callable=task(add), op_args=(1, 2))
    assert upstream(d.graph) == {"one": (), "two": ("one",), "three": ()}
    assert {t.component for t in d.graph.tasks} == {"PythonOperator"}
    with d, pytest.raises(GraphError, match="python_callable of 'x' is no function"):
        PythonOperator(task_id="x", python_callable=add(1, 2))  # type: ignore[arg-type] # the mistake
