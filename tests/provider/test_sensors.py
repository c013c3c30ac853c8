"""Waiting for a source: the sensor in a worker, the trigger in the triggerer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.triggers.base import BaseEventTrigger

from airflow_provider_spotify.core import errors
from airflow_provider_spotify.operators.files import CsvImportOperator
from airflow_provider_spotify.sensors.files import CsvReadySensor
from airflow_provider_spotify.sensors.registry import sensor_class
from airflow_provider_spotify.triggers.ready import SourceReadyTrigger, verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
Run = Callable[..., Any]


class Store:
    """An asset's state store, as far as a watcher reads it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)


@pytest.fixture
def moods(tmp_path: Path, third_party: str) -> Callable[..., dict[str, Any]]:
    """Return a function that writes the answers of the third-party source; gives its options."""

    def write(*answers: Any) -> dict[str, Any]:
        file = tmp_path / "moods"
        file.write_text("\n".join(json.dumps(answer) for answer in answers) + "\n")
        return {"moods": str(file)}

    return write


def trigger(config: dict[str, Any], **words: Any) -> SourceReadyTrigger:
    return SourceReadyTrigger(source_type="moody", config=config, poke_interval=0.01, **words)


async def first(asked: SourceReadyTrigger) -> dict[str, Any]:
    async with asyncio.timeout(20):
        event = await anext(aiter(asked.run()))
    return dict(event.payload)


async def test_trigger_fires_when_the_source_is_ready(moods: Callable[..., Any]) -> None:
    assert await first(trigger(moods(0, 0, 2))) == {"ready": True, "since": None}


async def test_trigger_outlasts_an_error_that_may_pass(moods: Callable[..., Any]) -> None:
    answers = moods({"error": "TransientError", "retry_after": 0.01}, 1)
    assert (await first(trigger(answers)))["ready"]


async def test_trigger_hands_over_an_error_that_will_not_pass(moods: Callable[..., Any]) -> None:
    event = await first(trigger(moods({"error": "ForbiddenError"})))
    with pytest.raises(errors.ForbiddenError, match="in a mood"):
        verdict(event)


async def test_trigger_without_its_connection_says_so(
    moods: Callable[..., Any], airflow_db: Path
) -> None:
    event = await first(trigger(moods(1), conn_id="nowhere"))
    with pytest.raises(errors.ConfigurationError, match="no Airflow connection 'nowhere'"):
        verdict(event)


async def test_watcher_fires_once_for_each_cursor(moods: Callable[..., Any]) -> None:
    asked = trigger(moods(1))
    store = Store()
    asked.asset_state_store = store  # type: ignore[assignment]
    events = aiter(asked.run())
    async with asyncio.timeout(20):
        assert (await anext(events)).payload["since"] is None
        again = asyncio.ensure_future(anext(events))
        assert not (await asyncio.wait([again], timeout=0.3))[0]
        store.values["cursor"] = {"at": 1}
        assert (await again).payload["since"] == {"at": 1}


async def test_watcher_outlasts_a_wrong_configuration(moods: Callable[..., Any]) -> None:
    asked = trigger(moods({"error": "AuthenticationError"}, 1))
    asked.asset_state_store = Store()  # type: ignore[assignment]
    assert (await first(asked))["ready"]


def test_trigger_survives_serialization_and_holds_no_secret() -> None:
    asked = trigger({"moods": "/m"}, conn_id="secret_place", since={"at": 1}, tenant="acme")
    path, kwargs = asked.serialize()
    assert path == "airflow_provider_spotify.triggers.ready.SourceReadyTrigger"
    assert SourceReadyTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)
    assert isinstance(BaseEventTrigger.hash(path, kwargs), int)


def sense(name: str, sensor: Callable[[], Any]) -> DAG:
    with DAG(name, schedule=None, start_date=START) as dag:
        sensor()
    return dag


def test_sensor_passes_at_once_where_something_is_new(run_dag: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    dag = sense("now", lambda: CsvReadySensor(task_id="wait", path=str(tmp_path / "*.csv")))
    assert run_dag(dag).state == "success"


def test_sensor_waits_in_the_triggerer_until_there_is(
    run_dag: Run, moods: Callable[..., Any]
) -> None:
    options = moods(0, 0, 1)
    kind = sensor_class("moody")
    dag = sense("later", lambda: kind(task_id="wait", poke_interval=0.01, **options))
    assert run_dag(dag).get_task_instance("wait").state == "success"


def test_sensor_looks_after_the_cursor_beside_the_data(
    run_dag: Run, tmp_path: Path, connection: Callable[..., str]
) -> None:
    connection("warehouse", conn_type="duckdb", host=str(tmp_path / "acme.duckdb"))
    (tmp_path / "a.csv").write_text("id\n1\n")
    words = {
        "path": str(tmp_path / "*.csv"),
        "destination": "warehouse",
        "import_name": "plays",
        "tenant": "acme",
    }
    run_dag(sense("load", lambda: CsvImportOperator(task_id="load", table="plays", **words)))

    def wait() -> CsvReadySensor:
        return CsvReadySensor(
            task_id="wait",
            deferrable=False,
            timeout=0.1,
            poke_interval=0.05,
            soft_fail=True,
            **words,
        )

    assert run_dag(sense("old", wait)).get_task_instance("wait").state == "skipped"
    (tmp_path / "b.csv").write_text("id\n2\n")
    assert run_dag(sense("new", wait)).get_task_instance("wait").state == "success"


def test_sensor_fails_without_a_retry_where_waiting_cannot_help(
    run_dag: Run, moods: Callable[..., Any]
) -> None:
    options = moods(0, {"error": "AuthenticationError"}, 1)
    again = {"retries": 1, "retry_delay": timedelta(0)}
    kind = sensor_class("moody")
    dag = sense("refused", lambda: kind(task_id="wait", poke_interval=0.01, **again, **options))
    ti = run_dag(dag).get_task_instance("wait")
    assert (ti.state, ti.try_number) == ("failed", 1)
