"""Sources of the local Google Analytics, for its tests."""

from __future__ import annotations

import json
from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.analytics._google_analytics_config import (
    GoogleAnalyticsConfig,
)
from airflow_provider_spotify.core.sources.analytics.google_analytics import GoogleAnalyticsSource
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi

START, END = "2026-03-20T00:00:00Z", "2026-04-10T00:00:00Z"
GIVEN: dict[str, Any] = {
    "properties": [PROPERTY],
    "dimensions": ["country", "city"],
    "metrics": ["eventCount", "activeUsers", "purchaseRevenue"],
    "timezone": "Europe/Stockholm",
}
SPAN: dict[str, Any] = {"start": START, "end": END, "lookback": "0s", "days_per_request": 7}


def analytics(
    api: GoogleAnalyticsApi, *, url: str | None = None, key: Any = None, **config: Any
) -> GoogleAnalyticsSource:
    """Return a source of the local API, with small pages and chunks.

    :param key: a private key other than the account's
    """
    dated = config.get("resource", "report") in ("report", "pivot_report")
    given = {**GIVEN, **(SPAN if dated else {}), "batch_size": 15, "page_size": 15, **config}
    if given.get("resource") == "metadata":
        given = {k: v for k, v in given.items() if k not in ("dimensions", "metrics")}
    key_file = json.dumps(api.key_file(key) if key else api.key_file())
    return GoogleAnalyticsSource(
        GoogleAnalyticsConfig(api_url=f"{url or api.url}/v1beta", **given),
        credentials=Credentials(password=SecretStr(key_file)),
    )
