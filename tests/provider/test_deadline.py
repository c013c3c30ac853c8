"""SLAs: a deadline that counts from the queue, and a callback that knows when to be silent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.provider.folders import write_tenant
from tests.services.http_server import HttpServer

IMPORTS = """
plays:
  source: {type: csv, path: "/data/plays.csv"}
  table: plays
  sla: {within: 15m}
skips:
  source: {type: csv, path: "/data/skips.csv"}
  table: skips
"""
HEAD = """
notify: [{type: slack, connection: acme__slack}, {type: log, on: [failure]}]
"""


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        server.answers["/hook"] = {"ok": True}
        yield server


def load(folder: Path) -> dict[str, Any]:
    from airflow_provider_spotify.dag_factory import load_tenants

    write_tenant(folder, imports=IMPORTS, head=HEAD)
    namespace: dict[str, Any] = {}
    load_tenants(namespace, folder=folder)
    return namespace


async def miss(state: str, **words: Any) -> str:
    from airflow_provider_spotify.notifications.deadline import deadline_missed

    run = {"dag_id": "acme__plays", "dag_run_id": "manual__1", "state": state}
    told = [{"type": "slack", "connection": "acme__slack"}]
    return await deadline_missed(
        tenant="acme",
        import_name="plays",
        within="15m",
        notify=told,
        context={"dag_run": run, "deadline": {"id": "1"}},
        **words,
    )


def test_an_sla_becomes_a_deadline_that_counts_from_the_queue(tmp_path: Path) -> None:
    dags = load(tmp_path)
    (alert,) = dags["acme__plays"].deadline
    assert type(alert.reference).__name__ == "DagRunQueuedAtDeadline"
    assert alert.interval == timedelta(minutes=15)
    assert dags["acme__skips"].deadline in (None, [])


def test_the_callback_can_be_imported_from_its_serialized_path(tmp_path: Path) -> None:
    from airflow.sdk._shared.module_loading import import_string
    from airflow.serialization.serialized_objects import DagSerialization

    data = DagSerialization.to_dict(load(tmp_path)["acme__plays"])
    callback = data["dag"]["deadline"][0]["callback"]["__data__"]
    assert callable(import_string(callback["path"]))
    assert callback["kwargs"]["notify"] == [{"type": "slack", "connection": "acme__slack"}]


def test_the_switch_leaves_deadlines_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTIFY_IMPORTS_DEADLINES", "off")
    assert load(tmp_path)["acme__plays"].deadline in (None, [])


async def test_a_late_run_is_told_to_those_who_asked(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    assert await miss("running") == "told 2 channels"
    (seen,) = server.asked("/hook")
    text = json.loads(seen.body)["text"]
    assert "Import plays of acme is late" in text
    assert "within 15m" in text


@pytest.mark.parametrize("state", ["failed", "success"])
async def test_a_run_that_is_over_is_not_told_again(
    server: HttpServer, connection: Callable[..., str], state: str
) -> None:
    """Airflow fires the deadline of a run that failed before it; its failure was told already."""
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    assert await miss(state) == f"ignored: the run is already {state}"
    assert server.seen == []


async def test_airflows_own_trigger_runs_the_callback(
    tmp_path: Path, server: HttpServer, connection: Callable[..., str]
) -> None:
    """The callback is run as the triggerer runs it, from the serialized path and keywords."""
    from airflow.triggers.callback import CallbackTrigger

    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    (alert,) = load(tmp_path)["acme__plays"].deadline
    words = {**alert.callback.kwargs, "context": {"dag_run": {"state": "running"}, "deadline": {}}}
    trigger = CallbackTrigger(alert.callback.path, words)
    events = [event.payload async for event in trigger.run()]
    assert events[-1]["body"] == "told 2 channels"
    assert len(server.asked("/hook")) == 1
