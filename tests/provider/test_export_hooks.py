"""The Test buttons of Mixpanel and Amplitude."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_spotify.hooks.amplitude import AmplitudeHook
from airflow_provider_spotify.hooks.mixpanel import MixpanelHook
from tests.services.amplitude_api import server as amplitude
from tests.services.mixpanel_api import server as mixpanel

Define = Callable[..., str]


@pytest.fixture
def mixpanel_api() -> Iterator[mixpanel.MixpanelApi]:
    with mixpanel.MixpanelApi() as server:
        yield server


@pytest.fixture
def amplitude_api() -> Iterator[amplitude.AmplitudeApi]:
    with amplitude.AmplitudeApi() as server:
        yield server


def test_mixpanel_test_button_tries_the_service_account(
    connection: Define, mixpanel_api: mixpanel.MixpanelApi
) -> None:
    """Account, secret and project serve; another secret is refused and not repeated."""
    fields = {
        "conn_type": "mixpanel",
        "login": mixpanel.ACCOUNT,
        "extra": json.dumps({"api_url": mixpanel_api.url, "project_id": mixpanel.PROJECT}),
    }
    good = connection("mp", password=mixpanel.SECRET, **fields)
    ok, message = MixpanelHook(good).test_connection()
    assert ok, message
    ok, message = MixpanelHook(connection("mp", password="no-secret-9", **fields)).test_connection()
    assert not ok
    assert "no-secret-9" not in message


def test_mixpanel_test_button_names_what_is_missing(
    connection: Define, mixpanel_api: mixpanel.MixpanelApi
) -> None:
    """Without a project's id the message says where it goes."""
    extra = json.dumps({"api_url": mixpanel_api.url})
    fields = {"login": mixpanel.ACCOUNT, "password": mixpanel.SECRET, "extra": extra}
    ok, message = MixpanelHook(connection("mp", conn_type="mixpanel", **fields)).test_connection()
    assert not ok
    assert "project_id" in message


def test_amplitude_test_button_tries_the_two_keys(
    connection: Define, amplitude_api: amplitude.AmplitudeApi
) -> None:
    """API key and secret key serve; another secret is refused and not repeated."""
    fields = {
        "conn_type": "amplitude",
        "login": amplitude.KEY,
        "extra": json.dumps({"api_url": amplitude_api.url}),
    }
    good = connection("amp", password=amplitude.SECRET, **fields)
    ok, message = AmplitudeHook(good).test_connection()
    assert ok, message
    bad = connection("amp", password="no-secret-9", **fields)
    ok, message = AmplitudeHook(bad).test_connection()
    assert not ok
    assert "no-secret-9" not in message
