"""The maintenance of a lake, run by Airflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sinks.delta import DeltaConfig, DeltaSink
from airflow_provider_spotify.core.testing.loads import batch, load, rows_of, spec
from airflow_provider_spotify.operators.files import CsvImportOperator
from airflow_provider_spotify.operators.lake import DeltaMaintenanceOperator

START = datetime(2026, 1, 1, tzinfo=UTC)

Run = Callable[..., Any]


def test_the_tables_of_a_destination_are_maintained(tmp_path: Path, run_dag: Run) -> None:
    """The task compacts what loads left, and gives what it did for each table."""
    sink = DeltaSink(DeltaConfig(path=str(tmp_path)), tenant="acme")
    for number in range(3):
        load(sink, spec(sink, run=f"run {number}"), [batch(id=[n]) for n in range(number + 1)])
    dag = DAG("maintained", schedule=None, start_date=START)
    DeltaMaintenanceOperator(
        task_id="maintain",
        destination={"type": "delta", "path": str(tmp_path)},
        z_order={"plays": ["id"]},
        vacuum={"retention": "7d", "dry_run": True},
        dag=dag,
    )
    run = run_dag(dag)
    (task,) = run.get_task_instances()
    assert task.state == "success"
    done = {each["table"]: each for each in task.xcom_pull(task_ids="maintain")}
    assert set(done) == {"_imports", "plays"}
    assert (done["plays"]["files_added"], done["plays"]["files_removed"]) == (1, 3)
    assert done["plays"]["dry_run"] is True
    assert [row["id"] for row in rows_of(sink, "plays")] == [0, 1, 2]


def test_a_wrong_option_is_refused_where_it_is_written() -> None:
    """The DAG file does not load, and the error names the key."""
    destination = {"type": "delta", "path": "lake"}
    with pytest.raises(ConfigurationError, match="retention"):
        DeltaMaintenanceOperator(
            task_id="x", destination=destination, vacuum={"retention": "a while"}
        )


def test_a_destination_without_delta_tables_is_refused(tmp_path: Path) -> None:
    """Another kind of destination has nothing that the operator could do."""
    destination = {"type": "duckdb", "path": str(tmp_path / "x.duckdb")}
    operator = DeltaMaintenanceOperator(task_id="x", destination=destination)
    with pytest.raises(ConfigurationError, match="no Delta tables"):
        operator.execute({})


def test_airflow_loads_a_file_into_a_lake(tmp_path: Path, run_dag: Run) -> None:
    """A CSV file reaches a Delta table by an operator whose destination is a mapping."""
    (tmp_path / "in.csv").write_text("id,said\n1,a\n2,b\n")
    dag = DAG("filled", schedule=None, start_date=START)
    CsvImportOperator(
        task_id="load",
        path=str(tmp_path / "in.csv"),
        destination={"type": "delta", "path": str(tmp_path / "lake")},
        table="plays",
        tenant="acme",
        dag=dag,
    )
    (task,) = run_dag(dag).get_task_instances()
    assert task.state == "success"
    sink = DeltaSink(DeltaConfig(path=str(tmp_path / "lake")), tenant="acme")
    assert [row["said"] for row in rows_of(sink, "plays")] == ["a", "b"]
