"""The Test buttons of Google Analytics and Segment, and an import through Airflow's connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.hooks.google_analytics import GoogleAnalyticsHook
from airflow_provider_spotify.hooks.segment import SegmentHook
from tests.services.google_analytics_api.server import GoogleAnalyticsApi, new_key
from tests.services.segment_api.server import PUBLIC, SPACE, TOKEN, SegmentApi

Define = Callable[..., str]


@pytest.fixture
def analytics() -> Iterator[GoogleAnalyticsApi]:
    with GoogleAnalyticsApi() as server:
        yield server


@pytest.fixture
def segment() -> Iterator[SegmentApi]:
    with SegmentApi() as server:
        yield server


def account(connection: Define, api: GoogleAnalyticsApi, **extra: Any) -> str:
    """Define a connection of Google Analytics."""
    fields = json.dumps({"api_url": f"{api.url}/v1beta", **extra})
    return connection("ga", conn_type="google_analytics", extra=fields)


def test_google_analytics_test_button_signs_in_by_key_or_by_file(
    connection: Define, analytics: GoogleAnalyticsApi, tmp_path: Path
) -> None:
    """The key file's content, as text or object, and its path on the worker all serve."""
    key = analytics.key_file()
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key))
    text = json.dumps(key)
    for extra in ({"keyfile_dict": key}, {"keyfile_dict": text}, {"key_path": str(file)}):
        hook = GoogleAnalyticsHook(account(connection, analytics, **extra))
        ok, message = hook.test_connection()
        assert ok, message


def test_google_analytics_test_button_refuses_another_key(
    connection: Define, analytics: GoogleAnalyticsApi
) -> None:
    """A key that Google does not know is named, its private part is not."""
    key = analytics.key_file(new_key())
    ok, message = GoogleAnalyticsHook(
        account(connection, analytics, keyfile_dict=key)
    ).test_connection()
    assert not ok
    assert key["private_key"][40:80] not in message
    ok, message = GoogleAnalyticsHook(account(connection, analytics)).test_connection()
    assert not ok
    assert "keyfile_dict" in message


@pytest.mark.parametrize(("token", "space"), [(PUBLIC, None), (TOKEN, SPACE)])
def test_segment_test_button_tries_the_api_of_the_token(
    connection: Define, segment: SegmentApi, token: str, space: str | None
) -> None:
    """A connection with a space holds a token of the Profile API."""
    extra = {"api_url": segment.url, **({"space": space} if space else {})}
    conn_id = connection("seg", conn_type="segment", password=token, extra=json.dumps(extra))
    ok, message = SegmentHook(conn_id).test_connection()
    assert ok, message
    other = connection("seg", conn_type="segment", password="no-token-1", extra=json.dumps(extra))
    ok, message = SegmentHook(other).test_connection()
    assert not ok
    assert "no-token-1" not in message
