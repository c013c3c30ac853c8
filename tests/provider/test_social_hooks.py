"""Instagram and TikTok through Airflow's connections: hooks, Test buttons, a sensor, imports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.instagram import InstagramHook
from airflow_provider_spotify.hooks.tiktok import TiktokHook
from airflow_provider_spotify.operators.api import InstagramImportOperator, TiktokImportOperator
from airflow_provider_spotify.sensors.api import InstagramReadySensor, TiktokReadySensor
from tests.services.instagram_api.server import TOKEN, InstagramApi
from tests.services.instagram_api.state import ACCOUNT
from tests.services.tiktok_api.server import KEY, REFRESH, SECRET, TiktokApi

Define = Callable[..., str]
WRONG = "IGQVJwrongTokenOfNobody000000000000000093c1"


@pytest.fixture
def graph() -> Iterator[InstagramApi]:
    """Run the Graph API with Facebook login."""
    with InstagramApi(media=30, login="facebook") as server:
        yield server
    forget_tokens()
    forget_limits()


@pytest.fixture
def clips() -> Iterator[TiktokApi]:
    """Run TikTok's APIs."""
    with TiktokApi(videos=30) as server:
        yield server
    forget_tokens()
    forget_limits()


@pytest.fixture
def instagram(graph: InstagramApi, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the Graph API."""

    def define(token: str = TOKEN) -> str:
        extra = {"api_url": graph.url, "login_type": "facebook", "account_id": ACCOUNT}
        return connection("photos", conn_type="instagram", password=token, extra=json.dumps(extra))

    return define


@pytest.fixture
def tiktok(clips: TiktokApi, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to TikTok."""

    def define(secret: str = SECRET) -> str:
        extra = {
            "api_url": f"{clips.url}/v2",
            "token_url": f"{clips.url}/v2/oauth/token/",
            "refresh_token": REFRESH,
        }
        return connection(
            "clips", conn_type="tiktok", login=KEY, password=secret, extra=json.dumps(extra)
        )

    return define


def test_test_buttons_sign_in(instagram: Callable[..., str], tiktok: Callable[..., str]) -> None:
    """Each makes its cheapest call."""
    for ok, message in (
        InstagramHook(instagram()).test_connection(),
        TiktokHook(tiktok()).test_connection(),
    ):
        assert ok, message


def test_test_buttons_show_no_secret(
    instagram: Callable[..., str], tiktok: Callable[..., str]
) -> None:
    """What is refused is said, and not shown."""
    ok, message = InstagramHook(instagram(WRONG)).test_connection()
    assert not ok
    assert "authorise again" in message
    assert WRONG not in message
    ok, message = TiktokHook(tiktok(WRONG)).test_connection()
    assert not ok
    assert "TikTok" in message
    assert WRONG not in message


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # Airflow's own use
def test_test_buttons_work_as_airflow_presses_them(
    instagram: Callable[..., str], tiktok: Callable[..., str], airflow_db: Path
) -> None:
    """Airflow finds the hooks by the connection types."""
    from airflow.models.connection import Connection

    for conn_id, conn_type in ((instagram(), "instagram"), (tiktok(), "tiktok")):
        pressed = Connection(conn_id=conn_id, conn_type=conn_type)
        ok, message = pressed.test_connection()  # type: ignore[no-untyped-call]
        assert ok, message


def test_a_research_project_has_its_own_test(clips: TiktokApi, connection: Define) -> None:
    """Without a user's token the Test button asks the Research API."""
    extra = {"api_url": f"{clips.url}/v2", "token_url": f"{clips.url}/v2/oauth/token/"}
    words = {"conn_type": "tiktok", "login": KEY, "password": SECRET, "extra": json.dumps(extra)}
    conn_id = connection("project", **words)
    ok, message = TiktokHook(conn_id).test_connection()
    assert ok, message
    clips.eligible = False
    ok, message = TiktokHook(conn_id).test_connection()
    assert not ok
    assert "scope_not_authorized" in message


def test_both_are_waited_for_and_imported(
    instagram: Callable[..., str],
    tiktok: Callable[..., str],
    connection: Define,
    tmp_path: Path,
    run_dag: Callable[..., Any],
) -> None:
    """Sensors see what is new, and the operators beside them import it, in a hand-written DAG."""
    warehouse = connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    media: dict[str, Any] = {"instagram_conn_id": instagram(), "resource": "media_insights"}
    videos: dict[str, Any] = {"tiktok_conn_id": tiktok(), "resource": "videos"}
    write = {"mode": "merge", "key": ["id"]}
    with DAG("social", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        one = InstagramReadySensor(task_id="media_there", timeout=30, **media)
        two = TiktokReadySensor(task_id="videos_there", timeout=30, **videos)
        one >> InstagramImportOperator(
            task_id="media", destination=warehouse, table="media", write=write, **media
        )
        two >> TiktokImportOperator(
            task_id="videos", destination=warehouse, table="videos", write=write, **videos
        )
    assert str(run_dag(dag).state.value) == "success"
    for table in ("media", "videos"):
        sql = f"SELECT count(*) AS n FROM {table}"
        assert DuckDBHook(warehouse).get_arrow(sql).to_pylist() == [{"n": 30}]
