"""Sources for the tests of mixpanel."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.analytics.mixpanel import MixpanelConfig, MixpanelSource
from tests.services.mixpanel_api.server import ACCOUNT, PROJECT, SECRET, MixpanelApi

START = "2026-03-01T00:00:00Z"
END = "2026-03-05T00:00:00Z"


def mixpanel(
    api: MixpanelApi, *, url: str | None = None, secret: str = SECRET, **options: Any
) -> MixpanelSource:
    """Return a source of a few days that reads in small batches."""
    if options.get("resource", "export") == "export":
        options = {"start": START, "end": END, "batch_bytes": 8000, **options}
    credentials = Credentials(
        login=ACCOUNT,
        password=SecretStr(secret),
        extra={"project_id": str(PROJECT), "api_url": url or api.url},
    )
    given = {"resource": "export", "rate_limit": "1000/s", **options}
    return MixpanelSource(MixpanelConfig.model_validate(given), credentials=credentials)
