"""A run that may ask for no more: what is published, what is told, and where the next goes on."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from airflow_provider_spotify.cli import main
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.config.compile import load_tenant
from airflow_provider_spotify.core.config.problems import InvalidConfig
from airflow_provider_spotify.core.errors import BudgetSpent, ConfigurationError
from airflow_provider_spotify.core.model import Credentials, LoadReport, Run, Window
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sources.api.rest import SOURCE, RestConfig
from airflow_provider_spotify.core.usage import Budget, Estimate, Usage, limits_text, usage_text
from tests.core.imports import MemorySource, duckdb_sink, ids, landed, plan
from tests.services.http_server import Fault, HttpServer
from tests.services.raw_http import KeptHttp

SIZE, LAST = 5, 40


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """Serve the numbers 1 to 40 in pages of five, from the number that ``after`` names."""
    forget_limits()

    def page(request: web.Request) -> web.Response:
        start = int(request.query.get("offset", 0))
        numbers = range(start + 1, min(start + SIZE, LAST) + 1)
        return web.json_response({"items": [{"id": n} for n in numbers]})

    with HttpServer() as server:
        server.answers["/numbers"] = page
        yield server


PAGED = {
    "path": "numbers",
    "records": "items",
    "batch_size": 1,
    "pagination": {"kind": "offset", "limit": SIZE},
}


def load(server: HttpServer | KeptHttp, folder: Path, *, run: Run, **settings: Any) -> LoadReport:
    """Load the numbers; the source is built anew, as each task does."""
    config = RestConfig.model_validate(PAGED)
    source = SOURCE(config, credentials=Credentials(host=server.url), tenant="acme")
    words = {"source": {"type": "rest", "config": config}, **settings}
    return run_import(plan(**words), source=source, sink=duckdb_sink(folder), run=run)


@pytest.mark.parametrize("mode", ["append", "merge", "scd2"])
def test_each_run_publishes_what_its_budget_allows_and_the_next_goes_on_there(
    server: HttpServer, tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Three requests at a time bring all forty numbers, each once, and no run asks for more."""
    write = {"mode": mode, **({"key": ["id"]} if mode != "append" else {})}
    stops = []
    for number in range(1, 8):
        asked = len(server.seen)
        with caplog.at_level(logging.WARNING):
            report = load(
                server, tmp_path, run=Run(run_id=f"{number}"), budget={"requests": 3}, write=write
            )
        assert report.usage["requests"] == len(server.seen) - asked <= 3
        stops.append(report.stopped)
        if report.stopped is None:
            break
    assert stops[0] == "the budget of 3 requests for one run is spent"
    assert "acme__plays: the budget of 3 requests for one run is spent" in caplog.text
    assert len(stops) >= 3
    assert stops[-1] is None
    assert landed(duckdb_sink(tmp_path)) == list(range(1, LAST + 1))


def test_the_report_says_what_was_asked_for(server: HttpServer, tmp_path: Path) -> None:
    """Requests and repeated ones are counted as the server saw them."""
    server.plan("/numbers", Fault(500))
    report = load(server, tmp_path, run=Run(run_id="one"))
    assert report.stopped is None
    assert report.usage["requests"] == len(server.seen)
    assert report.usage["retries"] == 1
    assert report.usage["waited"] > 0
    text = usage_text(report.usage)
    assert f"{len(server.seen)} requests (1 again)" in text


def test_a_source_that_asks_nothing_has_no_usage(tmp_path: Path) -> None:
    """A file or a database reports no requests at all, not zero of them."""
    source = MemorySource([ids(1)])
    report = run_import(plan(), source=source, sink=duckdb_sink(tmp_path), run=Run(run_id="one"))
    assert report.usage == {}


DAY = Window.model_validate({"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"})


@pytest.mark.parametrize(
    ("run", "write"),
    [
        (Run(run_id="two"), {"mode": "replace"}),
        (Run(run_id="two", full_refresh=True), {"mode": "append"}),
    ],
)
def test_half_of_a_whole_is_not_published(
    server: HttpServer, tmp_path: Path, run: Run, write: dict[str, Any]
) -> None:
    """A replace or a full refresh that its budget ends fails; the table stays what it was."""
    load(server, tmp_path, run=Run(run_id="one"), write=write)
    with pytest.raises(BudgetSpent, match=r"counts only as a whole.*raise the budget"):
        load(server, tmp_path, run=run, write=write, budget={"requests": 3})
    assert landed(duckdb_sink(tmp_path)) == list(range(1, LAST + 1))


def test_a_budget_too_small_for_any_rows_is_no_success(server: HttpServer, tmp_path: Path) -> None:
    """Else every run would ask for the same page again, and say that all is well."""
    server.plan("/numbers", *[Fault(500)] * 3)
    with pytest.raises(BudgetSpent, match="before any rows came"):
        load(server, tmp_path, run=Run(run_id="one"), budget={"requests": 2})


def test_a_repeated_request_is_paid_from_the_same_budget(
    server: HttpServer, tmp_path: Path
) -> None:
    """An API counts what it refused, too."""
    server.plan("/numbers", Fault(500))
    report = load(server, tmp_path, run=Run(run_id="one"), budget={"requests": 4})
    assert report.stopped
    assert len(server.seen) == 4


@pytest.mark.parametrize(("most", "pages"), [(4, 2), (5, 3)])
def test_a_request_that_is_sent_again_on_a_new_connection_is_paid_for(
    tmp_path: Path, most: int, pages: int
) -> None:
    """A server that drops each connection at its second request gets no more than the budget."""
    forget_limits()

    def page(line: str) -> bytes:
        found = re.search(r"offset=(\d+)", line)
        start = int(found[1]) if found else 0
        return orjson.dumps({"items": [{"id": start + n} for n in range(1, SIZE + 1)]})

    with KeptHttp(lambda number: number == 2, answer=page) as server:
        report = load(server, tmp_path, run=Run(run_id="one"), budget={"requests": most})
        assert report.usage["requests"] == server.requests == most
    assert report.stopped == f"the budget of {most} requests for one run is spent"
    assert landed(duckdb_sink(tmp_path)) == list(range(1, pages * SIZE + 1))


YAML = """
tenant: acme
owner: team
start_date: 2026-01-01
defaults:
  budget: {{requests: 500, cost: 2.5}}
destination: {{type: duckdb, path: acme.duckdb}}
imports:
  plays:
    source: {{type: csv, path: in/*.csv}}
    {more}
"""


def test_an_imports_budget_is_laid_over_the_tenants() -> None:
    """Figure by figure; null takes one away."""
    tenant = load_tenant(YAML.format(more="budget: {requests: 9, cost: null}"), name="acme.yaml")
    assert tenant.imports["plays"].budget == Budget(requests=9)
    assert limits_text(tenant.imports["plays"].budget) == "9 requests"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("partitions: 3", "a budget is kept by one task"),
        ("budget: {requests: 0}", "0 must be at least 1"),
        ("budget: {request: 5}", "unknown key 'request'"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(more: str, said: str) -> None:
    """Parts are read by many tasks, and a budget of nothing reads nothing."""
    with pytest.raises(InvalidConfig, match=said):
        load_tenant(YAML.format(more=more), name="acme.yaml")


class Again(MemorySource):
    """A source that looks back."""

    def rereads(self) -> str | None:
        """Say why."""
        return "each run reads the last 7 days again"


def test_rows_that_come_again_are_not_appended(tmp_path: Path) -> None:
    """The message repeats the source's reason and names the mode that fits."""
    sink = duckdb_sink(tmp_path)
    with pytest.raises(ConfigurationError, match=r"7 days again, and append.*\{mode: merge"):
        run_import(plan(), source=Again([ids(1)]), sink=sink, run=Run(run_id="one"))
    merge = plan(write={"mode": "merge", "key": ["id"]})
    assert run_import(merge, source=Again([ids(1)]), sink=sink, run=Run(run_id="one")).rows == 1


def test_plan_shows_the_budget_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside it stands what a first run asks for, where the source can tell."""
    (tmp_path / "acme.yaml").write_text(YAML.format(more=""))
    assert main(["plan", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "500 requests" in out
    assert "2.50 US dollars" in out


def test_figures_are_said_in_words() -> None:
    """Counts with thousands, money with cents, a dash for nothing."""
    assert limits_text(Estimate(requests=1200, records=60_000, cost=300)) == (
        "1,200 requests, 60,000 records, 300.00 US dollars"
    )
    assert limits_text(Budget()) == "-"
    assert usage_text({}) == "-"
    assert "12.00 US dollars" in usage_text(Usage(requests=1, records=2400, cost=12).facts())


COUNTED = """
from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.core.testing.memory import MemoryConfig, MemorySource
from airflow_provider_spotify.core.usage import Estimate


class Counted(MemorySource):
    def __init__(self, config, *, credentials=None, tenant="default"):
        super().__init__([], config=config)

    async def estimate(self, since, window=None):
        return Estimate(requests=120, records=12_000, cost=60)

    def rereads(self):
        return "each run reads the last 7 days again"


SOURCE = Counted
"""
ENTRY = "[airflow_provider_spotify.sources]\nmine = my_sources\n"


def cli(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line beside a source of another distribution."""
    info = folder / "counted-1.0.dist-info"
    info.mkdir(exist_ok=True)
    package = folder / "my_sources"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "counted.py").write_text(COUNTED)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY)
    return subprocess.run(
        [sys.executable, "-m", "airflow_provider_spotify.cli", *words],
        env={"PYTHONPATH": f"{folder}{':'.join(['', *sys.path])}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_source_that_can_tell_is_asked_before_the_first_run(tmp_path: Path) -> None:
    """``plan`` shows what a run would cost beside what it may; append is refused before any run."""
    folder = tmp_path / "tenants"
    folder.mkdir()
    text = YAML.format(more="write: {mode: merge, key: [id]}")
    text = text.replace("{type: csv, path: in/*.csv}", "{type: counted}")
    (folder / "acme.yaml").write_text(text)
    planned = cli(tmp_path, "plan", str(folder))
    assert planned.returncode == 0, planned.stderr
    assert "about 120 requests, 12,000 records, 60.00 US dollars" in planned.stdout
    (folder / "acme.yaml").write_text(text.replace("write: {mode: merge, key: [id]}", ""))
    refused = cli(tmp_path, "validate", str(folder))
    assert refused.returncode == 1
    assert "last 7 days again, and append would add them again" in refused.stdout
