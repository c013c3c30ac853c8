"""Limits and budgets of an API, as a task keeps them: it defers, resumes, stops and reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.operators.registry import operator_class
from tests.services.http_server import HttpServer

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE, LAST, ALLOWED = 5, 40, 3
PERIOD = 300


class Limited:
    """The numbers 1 to 40 in pages of five; three pages a period, as its headers tell.

    The period ends when a test says so, not after five minutes.
    """

    def __init__(self) -> None:
        self.left = ALLOWED
        self.refused = 0
        self.reset = 0

    def __call__(self, request: web.Request) -> web.Response:
        self.left -= 1
        self.reset = int(time.time()) + PERIOD
        headers = {
            "x-rate-limit-limit": str(ALLOWED),
            "x-rate-limit-remaining": str(max(0, self.left)),
            "x-rate-limit-reset": str(self.reset),
        }
        if self.left < 0:
            self.refused += 1
            return web.json_response({}, status=429, headers=headers)
        start = int(request.query.get("offset", 0))
        numbers = range(start + 1, min(start + SIZE, LAST) + 1)
        return web.json_response({"items": [{"id": n} for n in numbers]}, headers=headers)

    def renew(self) -> None:
        """Begin a new period, for the server and for this process."""
        self.left = ALLOWED
        forget_limits()


@pytest.fixture
def api(connection: Callable[..., str], tmp_path: Path) -> Iterator[HttpServer]:
    """Serve the numbers, and define the connections that the operator needs."""
    forget_limits()
    with HttpServer() as server:
        connection("numbers", conn_type="http", host=server.url)
        connection("warehouse", conn_type="duckdb", host=str(tmp_path / "acme.duckdb"))
        yield server


def operator(**words: Any) -> Any:
    given: dict[str, Any] = {
        "task_id": "load",
        "http_conn_id": "numbers",
        "path": "numbers",
        "records": "items",
        "batch_size": 1,
        "pagination": {"kind": "offset", "limit": SIZE},
        "destination": "warehouse",
        "table": "numbers",
        "tenant": "acme",
    }
    return operator_class("rest")(**given | words)


def landed() -> list[int]:
    from airflow_provider_spotify.hooks.duckdb import DuckDBHook

    found = DuckDBHook("warehouse").get_arrow("select id from numbers order by id")
    ids: list[int] = found.column("id").to_pylist()
    return ids


def context() -> Any:
    """Return what an operator reads of a task's context."""

    class Instance:
        map_index = -1

    class Manual:
        run_type = "manual"

    return {
        "run_id": "one",
        "params": {},
        "ti": Instance(),
        "dag_run": Manual(),
        "outlet_events": {},
        "asset_state_store": {},
    }


def test_a_limit_that_is_renewed_in_minutes_frees_the_worker_and_the_load_goes_on_there(
    api: HttpServer,
) -> None:
    """The task defers until the reset, with its cursor saved; no page is asked for twice."""
    numbers = api.answers["/numbers"] = Limited()
    task = operator()
    for run in (task.execute, task.resume):
        with pytest.raises(TaskDeferred) as deferred:
            run(context())
        moment = deferred.value.trigger.moment
        assert moment.timestamp() > numbers.reset - 1
        assert (moment - datetime.now(UTC)).total_seconds() <= PERIOD + 1
        assert deferred.value.method_name == "resume"
        numbers.renew()
    report = task.resume(context())
    assert numbers.refused == 0
    assert landed() == list(range(1, LAST + 1))
    assert report["rows"] == LAST
    offsets = [seen.query.get("offset") for seen in api.asked("/numbers")]
    assert len(offsets) == len(set(offsets))


def test_a_budget_ends_the_task_well_and_the_next_run_goes_on(
    api: HttpServer, run_dag: Callable[..., Any]
) -> None:
    """The report that XCom holds says why it stopped, and what was asked for."""
    numbers = Limited()
    numbers.left = 1000
    api.answers["/numbers"] = numbers
    words = {"budget": {"requests": 6}, "import_name": "numbers"}
    with DAG("budgeted", schedule=None, start_date=START) as made:
        operator(**words)
    run = run_dag(made)
    assert run.state == "success"
    report = run.get_task_instance("load").xcom_pull("load", run_id=run.run_id)
    assert report["stopped"] == "the budget of 6 requests for one run is spent"
    assert report["usage"]["requests"] == 6
    assert landed() == list(range(1, len(landed()) + 1))
    assert operator(**words).execute(context())["stopped"] is None
    assert landed() == list(range(1, LAST + 1))


def test_a_replace_that_its_budget_ends_fails_without_a_retry(api: HttpServer) -> None:
    """Half a table is not published, and trying again would spend the budget again."""
    numbers = Limited()
    numbers.left = 1000
    api.answers["/numbers"] = numbers
    task = operator(budget={"requests": 4}, write={"mode": "replace"})
    with pytest.raises(AirflowFailException, match=r"BudgetSpent: .* raise the budget"):
        task.execute(context())


def test_metrics_tell_what_the_last_load_asked_for() -> None:
    """An import that asks no API has no such line."""
    from airflow_provider_spotify.plugins.prometheus import exposition
    from airflow_provider_spotify.plugins.status import ImportStatus

    common: dict[str, Any] = {"tenant": "acme", "table": "t", "state": "loaded", "rows": 1}
    api = ImportStatus(name="api", dag_id="acme__api", usage={"requests": 6, "cost": 0.5}, **common)
    file = ImportStatus(name="file", dag_id="acme__file", **common)
    text = exposition([api, file], broken=0)
    assert 'spotify_imports_requests{tenant="acme",import="api",table="t"} 6\n' in text
    assert 'spotify_imports_cost_dollars{tenant="acme",import="api",table="t"} 0.5\n' in text
    assert 'spotify_imports_requests{tenant="acme",import="file"' not in text
