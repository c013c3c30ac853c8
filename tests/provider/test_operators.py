"""Imports run by Airflow: CSV files into a DuckDB file, end to end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, Param, task

from airflow_provider_spotify.operators.files import CsvImportOperator
from airflow_provider_spotify.operators.registry import operator_class
from airflow_provider_spotify.triggers.ready import CURSOR

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAYS = Asset("acme.plays", uri="x-import://acme/warehouse/plays")

Run = Callable[..., Any]
Define = Callable[..., str]


@pytest.fixture
def warehouse(tmp_path: Path, connection: Define) -> str:
    """Define a connection to a DuckDB file of this test; give its id."""
    return connection("warehouse", conn_type="duckdb", host=str(tmp_path / "acme.duckdb"))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """Write three plays as CSV; give the folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    write(
        folder, "a", [("1", "ann@example.com"), ("2", "bob@example.com"), ("3", "cy@example.com")]
    )
    return folder


def write(folder: Path, name: str, rows: list[tuple[str, str]]) -> None:
    lines = ["id,email", *(",".join(row) for row in rows)]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def dag(name: str, **words: Any) -> DAG:
    return DAG(name, schedule=None, start_date=START, **words)


def note(failures: list[str]) -> Callable[[Any], None]:
    """Return a failure callback that keeps the error's text."""
    return lambda context: failures.append(str(context["exception"]))


def load(csv: Path, **words: Any) -> CsvImportOperator:
    given: dict[str, Any] = {
        "task_id": "load",
        "path": f"{csv}/*.csv",
        "destination": "warehouse",
        "table": "plays",
        "tenant": "acme",
        "import_name": "plays",
        "contract": {"columns": {"id": {"type": "bigint"}, "email": {"pii": "redact"}}},
    }
    return CsvImportOperator(**given | words)


def rows(sql: str = "select * from plays") -> list[dict[str, Any]]:
    from airflow_provider_spotify.hooks.duckdb import DuckDBHook

    found: list[dict[str, Any]] = DuckDBHook("warehouse").get_arrow(sql).to_pylist()
    return found


def xcom(run: Any, task_id: str = "load") -> Any:
    from airflow.models.xcom import XComModel
    from airflow.settings import Session

    query = XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id, task_ids=task_id)
    found = Session().scalars(query.with_only_columns(XComModel.value)).first()
    return json.loads(found) if isinstance(found, str) else found


def test_csv_lands_in_the_table_and_the_report_in_xcom(
    run_dag: Run, csv: Path, warehouse: str
) -> None:
    with dag("lands") as made:
        load(csv)
    run = run_dag(made)
    assert run.state == "success"
    assert [row["id"] for row in rows("select id from plays order by id")] == [1, 2, 3]
    report = xcom(run)
    assert (report["rows"], report["table"], report["tenant"]) == (3, "plays", "acme")


def test_xcom_holds_no_value_of_a_row(run_dag: Run, csv: Path, warehouse: str) -> None:
    write(csv, "b", [("987654321", "zoe@example.com")])
    with dag("silent") as made:
        load(csv, contract={"columns": {"id": {"type": "bigint"}}}, pii={"undeclared": "ignore"})
    report = xcom(run_dag(made))
    assert {column["name"] for column in report["columns"]} == {"id", "email"}
    assert "987654321" not in json.dumps(report)
    assert "example.com" not in json.dumps(report)


def test_next_run_brings_only_what_is_new(run_dag: Run, csv: Path, warehouse: str) -> None:
    with dag("again") as made:
        load(csv)
    run_dag(made)
    write(csv, "b", [("4", "di@example.com")])
    assert xcom(run_dag(made))["rows"] == 1
    assert len(rows()) == 4


def test_outlet_asset_learns_rows_and_cursor(run_dag: Run, csv: Path, warehouse: str) -> None:
    seen: dict[str, Any] = {}
    with dag("asset") as made:
        first = load(csv, outlets=[PLAYS])

        @task(inlets=[PLAYS])
        def look(**context: Any) -> None:
            seen["cursor"] = context["asset_state_store"][PLAYS].get(CURSOR)
            seen["extra"] = context["inlet_events"][PLAYS][-1].extra

        first >> look()
    run = run_dag(made)
    assert run.state == "success"
    assert seen["cursor"] == xcom(run)["cursor_after"]
    assert seen["extra"]["rows"] == 3


def test_watched_inlet_asset_gets_the_cursor_too(run_dag: Run, csv: Path, warehouse: str) -> None:
    seen: dict[str, Any] = {}
    watched = Asset("incoming", uri="x-import://acme/incoming")
    with dag("watched") as made:
        first = load(csv, inlets=[watched])

        @task(inlets=[watched])
        def look(**context: Any) -> None:
            seen["cursor"] = context["asset_state_store"][watched].get(CURSOR)

        first >> look()
    assert run_dag(made).state == "success"
    assert seen["cursor"]


def test_dry_run_of_the_form_writes_nothing(run_dag: Run, csv: Path, warehouse: str) -> None:
    from airflow_provider_spotify.core.errors import ConfigurationError

    with dag("dry", params={"dry_run": Param(False, type="boolean")}) as made:
        load(csv)
    run = run_dag(made, conf={"dry_run": True})
    assert run.state == "success"
    assert xcom(run)["dry_run"]
    with pytest.raises(ConfigurationError):
        rows()


def test_full_refresh_of_the_form_reads_everything_again(
    run_dag: Run, csv: Path, warehouse: str
) -> None:
    with dag("refresh", params={"full_refresh": Param(False, type="boolean")}) as made:
        load(csv, write={"mode": "merge", "key": ["id"]})
    run_dag(made)
    assert xcom(run_dag(made))["rows"] == 0
    assert xcom(run_dag(made, conf={"full_refresh": True}))["rows"] == 3


def test_skip_if_empty_skips_a_run_without_rows(run_dag: Run, csv: Path, warehouse: str) -> None:
    with dag("empty") as made:
        load(csv, skip_if_empty=True)
    run_dag(made)
    run = run_dag(made)
    assert run.get_task_instance("load").state == "skipped"


def test_mapped_tasks_share_the_work(run_dag: Run, csv: Path, warehouse: str) -> None:
    write(csv, "b", [("4", "di@example.com")])
    with dag("mapped") as made:
        CsvImportOperator.partial(
            task_id="load",
            destination="warehouse",
            table="plays",
            tenant="acme",
            max_active_tis_per_dag=1,
        ).expand(path=[f"{csv}/a.csv", f"{csv}/b.csv"])
    run = run_dag(made)
    assert run.state == "success"
    assert len(rows()) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"destination": "nowhere"}, "no Airflow connection 'nowhere'"),
        ({"destination": "lake"}, "is of type 'mongo', which is no destination"),
        ({"path": "{{ 'x' * 0 }}"}, "path"),
    ],
)
def test_wrong_configuration_fails_without_a_retry_and_says_what_is_wrong(
    run_dag: Run,
    csv: Path,
    warehouse: str,
    connection: Define,
    words: dict[str, Any],
    message: str,
) -> None:
    connection("lake", conn_type="mongo")
    failures: list[str] = []
    with dag("wrong") as made:
        load(csv, retries=1, retry_delay=timedelta(0), on_failure_callback=note(failures), **words)
    run = run_dag(made)
    ti = run.get_task_instance("load")
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert message in failures[0]


def test_data_that_breaks_an_error_check_fails_and_leaves_the_table(
    run_dag: Run, csv: Path, warehouse: str
) -> None:
    with dag("checked") as made:
        load(csv, retries=1, retry_delay=timedelta(0), quality=[{"check": "row_count", "min": 10}])
    run = run_dag(made)
    assert run.get_task_instance("load").state == "failed"


def moody(tmp_path: Path, *moods: Any, **words: Any) -> Any:
    file = tmp_path / "moods"
    file.write_text("\n".join(json.dumps(mood) for mood in moods) + "\n")
    kind = operator_class("moody")
    return kind(task_id="load", moods=str(file), destination="warehouse", table="t", **words)


def test_long_wait_frees_the_worker_and_goes_on_from_there(
    run_dag: Run, tmp_path: Path, warehouse: str, third_party: str, monkeypatch: Any
) -> None:
    from airflow_provider_spotify.operators import base

    monkeypatch.setattr(base, "LONG_WAIT", 0.5)
    with dag("quota") as made:
        moody(tmp_path, {"error": "QuotaExhausted", "retry_after": 1}, 2)
    run = run_dag(made)
    assert run.state == "success"
    assert run.get_task_instance("load").try_number == 1
    assert xcom(run)["rows"] == 2


@pytest.mark.parametrize("after", [0.0, 0.5], ids=["before-it-reads", "in-the-middle"])
def test_killed_task_stops_within_a_second_or_two(
    run_dag: Run, tmp_path: Path, warehouse: str, third_party: str, after: float
) -> None:
    """A kill that comes before the import has begun is not forgotten.

    The source alone would take ten hours; a busy machine takes longer than a second to end a task.
    """
    failures: list[str] = []
    moments: list[float] = []

    def ask(operator: Any) -> None:
        moments.append(time.monotonic())
        operator.on_kill()

    def kill(context: Any) -> None:
        if after:
            Timer(after, ask, [context["task"]]).start()
        else:
            ask(context["task"])

    def failed(context: Any) -> None:
        moments.append(time.monotonic())
        failures.append(str(context["exception"]))

    with dag("killed") as made:
        moody(
            tmp_path,
            36_000_000_000,
            on_execute_callback=kill,
            on_failure_callback=failed,
            retries=0,
        )
    assert run_dag(made).state == "failed"
    assert "asked to stop" in failures[0]
    asked, ended = moments
    assert ended - asked < 60


def test_serialized_dag_holds_no_secret_and_is_the_same_each_time(
    csv: Path, connection: Define
) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    connection("warehouse", conn_type="postgres", password="hunter2-hunter2")

    def text() -> str:
        with dag("same") as made:
            load(csv, quality=[{"check": "not_null", "columns": ["id"]}])
        return json.dumps(DagSerialization.to_dict(made), sort_keys=True)

    assert text() == text()
    assert "hunter2" not in text()
