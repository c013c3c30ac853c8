"""Sources for the tests of amplitude."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.analytics.amplitude import (
    AmplitudeConfig,
    AmplitudeSource,
)
from tests.services.amplitude_api.server import KEY, SECRET, AmplitudeApi

START = "2026-03-01T00:00:00Z"
END = "2026-03-01T12:00:00Z"


def amplitude(
    api: AmplitudeApi, *, url: str | None = None, secret: str = SECRET, **options: Any
) -> AmplitudeSource:
    """Return a source of half a day that reads in small batches."""
    if options.get("resource", "events") == "events":
        few = {"start": START, "end": END, "batch_bytes": 20_000, "hours_per_request": 3}
        options = {**few, **options}
    credentials = Credentials(
        login=KEY, password=SecretStr(secret), extra={"api_url": url or api.url}
    )
    config = AmplitudeConfig.model_validate({"resource": "events", **options})
    return AmplitudeSource(config, credentials=credentials)
