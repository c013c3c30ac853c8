"""Loads that several tasks share, and streams that a task follows, run by Airflow."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis as client
from airflow.sdk import DAG, Asset

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.operators.files import CsvImportOperator
from airflow_provider_spotify.operators.partitioned import partitioned
from airflow_provider_spotify.operators.streaming import RedisStreamsImportOperator

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAYS = Asset("acme.shared", uri="x-import://acme/warehouse/shared")

Run = Callable[..., Any]
Define = Callable[..., str]


@pytest.fixture
def warehouse(tmp_path: Path, connection: Define) -> str:
    """Define a connection to a DuckDB file of this test; give its id."""
    return connection("warehouse", conn_type="duckdb", host=str(tmp_path / "acme.duckdb"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write nine ids into three CSV files; give their folder."""
    made = tmp_path / "in"
    made.mkdir()
    for name in range(3):
        rows = [str(name * 3 + number) for number in range(3)]
        (made / f"{name}.csv").write_text("\n".join(["id", *rows]) + "\n")
    return made


def landed() -> list[int]:
    from airflow_provider_spotify.hooks.duckdb import DuckDBHook

    found = DuckDBHook("warehouse").get_arrow("SELECT id FROM plays ORDER BY id")
    return [int(row["id"]) for row in found.to_pylist()]


def shared(folder: Path, **words: Any) -> DAG:
    with DAG("shared", schedule=None, start_date=START) as made:
        partitioned(
            CsvImportOperator,
            task_id="plays",
            partitions=3,
            path=f"{folder}/*.csv",
            destination="warehouse",
            table="plays",
            tenant="acme",
            max_active_tis_per_dag=1,  # DuckDB has one writer
            **words,
        )
    return made


def test_tasks_share_a_load_and_publish_it_once(run_dag: Run, folder: Path, warehouse: str) -> None:
    """Three parts, one publishing task, one cursor; the next run brings nothing."""
    dag = shared(folder, outlets=[PLAYS])
    run = run_dag(dag)
    assert run.state == "success"
    states = {(t.task_id, t.map_index): t.state for t in run.get_task_instances()}
    assert set(states.values()) == {"success"}
    assert len([key for key in states if key[0] == "plays"]) == 3
    assert landed() == list(range(9))
    report = run.get_task_instance("plays_publish").xcom_pull("plays_publish")
    assert report["rows"] == 9
    assert run_dag(dag).get_task_instance("plays_publish").xcom_pull("plays_publish")["rows"] == 0


def test_one_task_alone_cannot_share_a_load(run_dag: Run, folder: Path, warehouse: str) -> None:
    """``partitions`` on an operator by itself fails at once and says how to build the tasks."""
    failures: list[str] = []
    with DAG("alone", schedule=None, start_date=START) as made:
        CsvImportOperator(
            task_id="plays",
            path=f"{folder}/*.csv",
            destination="warehouse",
            table="plays",
            partitions=2,
            retries=1,
            on_failure_callback=lambda context: failures.append(str(context["exception"])),
        )
    assert run_dag(made).state == "failed"
    assert "operators.partitioned" in failures[0]


@pytest.fixture
def stream(redis_database: Credentials, connection: Define) -> Iterator[client.Redis]:
    """Define a connection to a Redis whose stream has one entry; give a client."""
    known = redis_database
    place: dict[str, Any] = {
        "host": known.host,
        "port": known.port,
        "password": known.secret(),
    }
    number = int(known.database or 0)
    extra = json.dumps({"db": number})
    connection("acme__redis", conn_type="redis", login=known.login, extra=extra, **place)
    with client.Redis(username=known.login, db=number, **place) as made:
        made.xadd("plays", {"id": "0"})
        yield made


def deferred(dag_id: str) -> bool:
    """Say whether a task of a DAG waits in the triggerer."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        states = session.scalars(select(TaskInstance.state).filter_by(dag_id=dag_id))
        return "deferred" in states.all()


def test_a_silent_stream_gives_its_worker_back_and_goes_on(
    run_dag: Run, stream: client.Redis, warehouse: str
) -> None:
    """What comes while the task is deferred is imported by the same load, until its time is up."""
    over = threading.Event()

    def later() -> None:
        while not over.wait(0.1):
            if deferred("flowing"):
                stream.xadd("plays", {"id": "1"})
                return

    with DAG("flowing", schedule=None, start_date=START) as made:
        RedisStreamsImportOperator(
            task_id="plays",
            redis_conn_id="acme__redis",
            streams=["plays"],
            destination="warehouse",
            table="plays",
            tenant="acme",
            flush={"within": "50ms", "idle": "500ms", "run_for": "40s"},
            contract={"columns": {"id": {"type": "bigint"}}},
        )
    producing = threading.Thread(target=later)
    producing.start()
    try:
        run = run_dag(made)
    finally:
        over.set()
        producing.join()
    assert run.state == "success"
    assert landed() == [0, 1]
    report = run.get_task_instance("plays").xcom_pull("plays")
    assert report["rows"] == 2
