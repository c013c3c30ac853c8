"""A source's Config as the arguments of its operator and sensor."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.operators.base import ImportOperator
from airflow_provider_spotify.operators.files import CsvImportOperator
from airflow_provider_spotify.operators.registry import operator_class
from airflow_provider_spotify.operators.words import arguments
from airflow_provider_spotify.sensors.files import CsvReadySensor
from airflow_provider_spotify.sensors.registry import sensor_class

GOOD: dict[str, Any] = {
    "task_id": "plays",
    "path": "/data/*.csv",
    "destination": "warehouse",
    "table": "plays",
}


@pytest.mark.parametrize("kind", [CsvImportOperator, CsvReadySensor])
def test_signature_shows_each_option_of_the_source_with_type_and_default(kind: type) -> None:
    shown = inspect.signature(kind).parameters
    assert shown["delimiter"].default == ","
    assert shown["delimiter"].annotation is str
    assert shown["path"].default is inspect.Parameter.empty
    assert shown["aws_conn_id"].default is None


def test_help_documents_the_options_and_the_words_of_an_import() -> None:
    text = pydoc.render_doc(CsvImportOperator, renderer=pydoc.plaintext)
    assert ":param path: local path, glob or URL" in text
    assert ":param max_rejected: abort the load above this many" in text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"delimeter": ";"}, "there is no 'delimeter'; did you mean 'delimiter'?"),
        ({"tabel": "x"}, "there is no 'tabel'; did you mean 'table'?"),
        ({"qwzx": 1}, "there is no 'qwzx'; known: columns, compression, delimiter"),
        ({"skip_rows": "many"}, "skip_rows: expected a whole number"),
        ({"write": {"mode": "merge"}}, "write: merge needs a key"),
        ({"quality": [{"check": "uniqe", "columns": ["a"]}]}, "did you mean 'unique'?"),
        ({"destination": {"type": "duckbd"}}, "there is no 'duckbd'; did you mean 'duckdb'?"),
        ({"destination": {"schema": "x"}}, "destination needs a type, a connection or both"),
        ({"table": "Plays!"}, "table: "),
        ({"tenant": "../acme"}, "tenant: "),
    ],
)
def test_wrong_argument_is_refused_when_the_dag_is_parsed(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CsvImportOperator(**GOOD | wrong)
    assert str(caught.value).startswith("CsvImportOperator('plays'): ")
    assert message in str(caught.value)


def test_missing_option_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(TypeError, match="missing keyword argument 'path'"):
        CsvImportOperator(task_id="plays", destination="warehouse", table="plays")


def test_template_is_judged_when_it_is_rendered_and_the_rest_at_once() -> None:
    late = CsvImportOperator(**GOOD | {"path": "/data/{{ ds }}.csv"})
    assert late.source_options() == {"path": "/data/{{ ds }}.csv"}
    with pytest.raises(ConfigurationError, match="a template was not rendered"):
        late.plan()
    with pytest.raises(ConfigurationError, match="delimiter"):
        CsvImportOperator(**GOOD | {"path": "/data/{{ ds }}.csv", "delimiter": ";;"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/data/{{ conn.other.password }}", "path: a template may not use conn"),
        ("/data/{% for v in [var] %}{{ v }}{% endfor %}", "path: a template may not use var"),
        ("/data/{% include 'other.yaml' %}", "path: a template may not use another file"),
        ("/data/{{ ds", "path: unexpected end of template"),
    ],
)
def test_confined_template_reaches_nothing_beyond_its_run(path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CsvImportOperator(**GOOD | {"path": path}, confined=True)
    with pytest.raises(ConfigurationError, match=message):
        CsvReadySensor(task_id="wait", path=path, confined=True)


def test_confined_template_may_use_the_runs_dates_and_params() -> None:
    path = "/data/{{ data_interval_start.strftime('%Y') }}/{{ ds }}-{{ params.part }}.csv"
    CsvImportOperator(**GOOD | {"path": path}, confined=True)


def test_plan_as_arguments_makes_the_same_plan_and_is_confined() -> None:
    words = GOOD | {
        "path": ["/a.csv", "/b.csv"],
        "delimiter": ";",
        "destination": {"type": "duckdb", "path": "/w.duckdb", "schema": "acme"},
        "tenant": "acme",
        "aws_conn_id": "acme__lake",
        "write": {"mode": "merge", "key": ["id"]},
        "contract": {"columns": {"id": {"type": "bigint"}, "email": {"pii": "hash"}}},
        "quality": [{"check": "freshness", "column": "at", "within": "1d"}],
        "privacy": {"key": "acme__key"},
        "checkpoint": {"rows": 10},
    }
    plan = CsvImportOperator(**words).plan()
    again = CsvImportOperator(task_id="import", **arguments(plan))
    assert again.plan() == plan
    assert arguments(plan)["confined"] is True


def test_another_tasks_output_is_an_option_and_makes_it_upstream() -> None:
    from airflow.sdk import task

    with DAG("late", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

        @task
        def find() -> list[str]:
            return ["/data/a.csv"]

        load = CsvImportOperator(**GOOD | {"path": find()})
    assert load.upstream_task_ids == {"find"}


def test_default_args_of_a_dag_reach_the_options() -> None:
    given = {"delimiter": ";", "tenant": "acme", "aws_conn_id": "lake"}
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=given):
        load = CsvImportOperator(**GOOD)
    assert (load.source_options()["delimiter"], load.tenant, load.conn_id) == (";", "acme", "lake")


def test_option_expands_over_tasks_and_an_unknown_one_does_not() -> None:
    rest = {key: value for key, value in GOOD.items() if key != "path"}
    with DAG("m", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        CsvImportOperator.partial(**rest).expand(path=["/a.csv", "/b.csv"])
        with pytest.raises(TypeError, match="delimeter"):
            CsvImportOperator.partial(**rest | {"task_id": "two", "delimeter": ";"})


def test_every_text_is_templated_and_no_number_and_no_choice() -> None:
    assert {"path", "delimiter", "table", "destination", "aws_conn_id"} <= {
        *CsvImportOperator.template_fields
    }
    assert not {"skip_rows", "header", "compression"} & {*CsvImportOperator.template_fields}


def test_third_party_source_gets_operator_and_sensor(third_party: str) -> None:
    operator = operator_class(third_party)
    assert operator.__name__ == "MoodyImportOperator"
    assert issubclass(operator, ImportOperator)
    assert sensor_class(third_party).__name__ == "MoodyReadySensor"
    shown = inspect.signature(operator).parameters
    assert {"moods", "moody_conn_id", "moody_timeout"} <= {*shown}


def test_option_that_airflow_has_too_is_prefixed_in_operator_and_sensor(third_party: str) -> None:
    words = {"task_id": "x", "moods": "/m", "moody_timeout": 9}
    sensor = sensor_class(third_party)(**words, timeout=60)
    assert (sensor.timeout, sensor.source_options()["timeout"]) == (60, 9)
    load = operator_class(third_party)(**words, destination="w", table="t")
    assert load.source_options() == {"moods": "/m", "timeout": 9}


@pytest.mark.parametrize("source", sorted(registry.sources()))
def test_every_source_has_an_operator_and_a_sensor_of_its_own_name(source: str) -> None:
    operator, sensor = operator_class(source), sensor_class(source)
    assert (operator.source_type, sensor.source_type) == (source, source)
    assert operator.__name__.removesuffix("ImportOperator").lower() == source.replace("_", "")
    assert sensor.__name__.removesuffix("ReadySensor").lower() == source.replace("_", "")
    assert operator.__module__.split(".")[-1] == registry.family(source)


def test_unknown_source_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'csv'"):
        operator_class("cvs")


def test_operator_module_loads_no_library_of_a_source() -> None:
    code = (
        "import sys; from airflow_provider_spotify.operators import files, audio;"
        "files.CsvImportOperator(task_id='x', path='/x', table='t', destination={'type':'duckdb'});"
        "print([m for m in ('pyarrow', 'duckdb', 'aiohttp', 'openlineage', 'pandas')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
