"""The plugin: inside Airflow's own API server, over real ledgers, for those who may see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provider.folders import write_broken, write_tenant

CSV = """
plays:
  source: {type: csv, path: "PATH"}
  table: plays
  quality: [{check: range, column: ms, min: 0}]
skips:
  source: {type: csv, path: "PATH"}
  table: skips
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of two tenants, one of which imported two rows and rejected one."""
    from airflow_provider_spotify.core.config.compile import load_folder
    from airflow_provider_spotify.core.model import Credentials, Run
    from airflow_provider_spotify.core.opening import open_plan
    from airflow_provider_spotify.core.pipeline import run_import

    folder = tmp_path_factory.mktemp("dag_configs")
    data = folder.parent / "plays.csv"
    data.write_text("id,ms\n1,10\n2,20\n3,-5\n")
    for tenant in ("acme", "beta"):
        write_tenant(folder, tenant=tenant, imports=CSV.replace("PATH", str(data)))
    write_broken(folder, tenant="gamma")
    plan = load_folder(folder).tenants["acme"].imports["plays"]
    opened = open_plan(plan, resolve=lambda _: Credentials())
    run_import(plan, source=opened.source, sink=opened.sink, key=None, run=Run(run_id="one"))
    return folder


@pytest.fixture(scope="module")
def app(airflow_db: Path, folder: Path) -> Iterator[Any]:
    """Give Airflow's API app, as the API server makes it: the plugin comes by its entry point."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    from airflow_provider_spotify.dag_factory import load_tenants

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIFY_IMPORTS_FOLDER", str(folder))
        patch.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET", "a secret of tests, long enough for HS512 " * 2
        )
        dags: dict[str, Any] = {}
        load_tenants(dags)
        bag = DagBag(dag_folder="/dev/null", bundle_name="dags-folder")
        for dag in dags.values():
            bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        from airflow.api_fastapi.app import create_app, purge_cached_app

        yield create_app(apps="core")
        purge_cached_app()


@pytest.fixture(scope="module")
def client(app: Any) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    with TestClient(app, base_url="http://airflow.test") as client:
        yield client


def login(role: str = "ADMIN") -> dict[str, str]:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    user = SimpleAuthManagerUser(username="someone", role=role)
    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"}


def test_health_is_open_and_tells_nothing_else(client: Any) -> None:
    answer = client.get("/spotify-imports/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


@pytest.mark.parametrize("path", ["status", "metrics", "", "tenants/acme"])
def test_everything_else_needs_a_login(client: Any, path: str) -> None:
    assert client.get(f"/spotify-imports/{path}").status_code == 401


def test_status_is_read_from_the_ledgers(client: Any) -> None:
    body = client.get("/spotify-imports/status", headers=login()).json()
    found = {(one["tenant"], one["name"]): one for one in body["imports"]}
    plays = found["acme", "plays"]
    assert (plays["state"], plays["rows"], plays["rejected"]) == ("loaded", 2, 1)
    assert plays["dag_id"] == "acme__plays"
    assert 0 <= plays["age"] < 600
    assert found["beta", "plays"]["state"] == "never"
    assert body["summary"] == {"loaded": 1, "running": 0, "never": 3, "unreachable": 0}


def test_status_of_one_tenant_holds_no_other(client: Any) -> None:
    body = client.get("/spotify-imports/status?tenant=beta", headers=login()).json()
    assert {one["tenant"] for one in body["imports"]} == {"beta"}
    assert body["problems"] == []


def test_status_shows_the_problems_of_a_broken_file(client: Any, folder: Path) -> None:
    answer = client.get("/spotify-imports/status", headers=login())
    problems = answer.json()["problems"]
    assert {problem["file"] for problem in problems} == {"gamma.yaml"}
    assert "did you mean 'source'?" in answer.text
    assert str(folder) not in answer.text


def test_who_may_not_read_a_dag_sees_none_of_its_numbers(client: Any) -> None:
    """A user without a role may read no DAG in Airflow's simple auth manager."""
    body = client.get("/spotify-imports/status", headers=login("")).json()
    assert body["imports"] == []
    assert body["problems"] == []
    page = client.get("/spotify-imports/tenants/acme", headers=login(""))
    assert page.status_code == 404
    assert "acme" not in client.get("/spotify-imports/metrics", headers=login("")).text


def test_metrics_are_prometheus_text(client: Any) -> None:
    answer = client.get("/spotify-imports/metrics", headers=login())
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    label = '{tenant="acme",import="plays",table="plays"}'
    assert f"spotify_imports_rows{label} 2\n" in answer.text
    assert f"spotify_imports_rejected_rows{label} 1\n" in answer.text
    assert "spotify_imports_broken_files 1\n" in answer.text
    line = re.compile(r'(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-\d.e+]+)')
    for text in answer.text.splitlines():
        assert line.fullmatch(text), text


def test_the_pages_link_each_tenant_and_load_nothing_from_elsewhere(client: Any) -> None:
    index = client.get("/spotify-imports/", headers=login())
    assert '<a href="/spotify-imports/tenants/acme">acme</a>' in index.text
    page = client.get("/spotify-imports/tenants/acme", headers=login())
    assert '<a href="/dags/acme__plays" target="_top">plays</a>' in page.text
    assert '<span class="state loaded">loaded</span>' in page.text
    for text in (index.text, page.text):
        assert not re.search(r"<script|src=|https?://", text)
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_page_of_a_broken_tenant_shows_its_problems(client: Any) -> None:
    page = client.get("/spotify-imports/tenants/gamma", headers=login())
    assert page.status_code == 200
    assert "gamma.yaml:" in page.text


def test_an_unknown_tenant_is_not_found(client: Any) -> None:
    assert client.get("/spotify-imports/tenants/nobody", headers=login()).status_code == 404


def test_the_navigation_offers_the_page(client: Any) -> None:
    from airflow import plugins_manager

    views, _ = plugins_manager._get_ui_plugins()
    (view,) = [view for view in views if view["url_route"] == "spotify-imports"]
    assert client.get(view["href"], headers=login()).status_code == 200


def test_a_ledger_that_cannot_be_read_is_one_imports_trouble(tmp_path: Path) -> None:
    from airflow_provider_spotify.core.model import Credentials
    from airflow_provider_spotify.plugins.status import Board

    write_tenant(tmp_path, tenant="acme")
    write_tenant(tmp_path, tenant="beta")
    (tmp_path / "acme.duckdb").write_text("this is no database")
    board = Board(lambda: tmp_path, resolve=lambda _: Credentials())
    acme, beta = board.statuses(["acme", "beta"])
    assert (acme.state, beta.state) == ("unreachable", "never")
    assert acme.error
    assert str(tmp_path) not in str(acme.error)


def test_a_ledger_is_read_once_for_many_questions(folder: Path) -> None:
    from airflow_provider_spotify.core.model import Credentials
    from airflow_provider_spotify.plugins.status import Board

    board = Board(lambda: folder, resolve=lambda _: Credentials(), keep=60)
    first = board.statuses(["acme"])
    (folder / "acme.duckdb").rename(folder / "moved.duckdb")
    try:
        assert [s.rows for s in board.statuses(["acme"])] == [s.rows for s in first] == [2, None]
    finally:
        (folder / "moved.duckdb").rename(folder / "acme.duckdb")


def test_a_ledger_that_is_slow_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    """Another process holds the DuckDB file; the board says so and answers in time."""
    import subprocess
    import sys
    import time

    from airflow_provider_spotify.core.model import Credentials
    from airflow_provider_spotify.plugins.status import Board

    write_tenant(tmp_path, tenant="acme")
    file = tmp_path / "acme.duckdb"
    code = f"import duckdb; c = duckdb.connect({str(file)!r}); print('open', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    board = Board(lambda: tmp_path, resolve=lambda _: Credentials(), patience=0.5)
    began = time.monotonic()
    (acme,) = board.statuses(["acme"])
    took = time.monotonic() - began
    holder.communicate("\n")
    assert acme.state == "unreachable"
    assert took < 5


def test_loading_the_plugin_does_not_load_fastapi(tmp_path: Path) -> None:
    """Workers and DAG parsers load every plugin too; they are not to pay for its pages."""
    import os
    import subprocess
    import sys

    code = (
        "import airflow_provider_spotify.plugins.imports as plugin, sys;"
        "print([m for m in ('airflow_provider_spotify.plugins.app', 'duckdb', 'pyarrow')"
        " if m in sys.modules], plugin.ImportsPlugin.name)"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "[] spotify_imports"
