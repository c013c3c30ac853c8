"""The local Google Analytics of one test, and what it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from tests.services.google_analytics_api.server import GoogleAnalyticsApi


def serving() -> Iterator[GoogleAnalyticsApi]:
    """Give a server of this test alone; a module's fixture ``api``."""
    with GoogleAnalyticsApi() as server:
        yield server
    forget_limits()


def asked(api: GoogleAnalyticsApi, method: str = "runReport") -> list[dict[str, Any]]:
    return [each for each in api.asked_for if each["method"] == method]
