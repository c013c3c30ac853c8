"""Shorthands for tests: sources that read from a server, with small chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.audio._lastfm_resources import RESOURCES
from airflow_provider_spotify.core.sources.audio.lastfm import LastfmConfig, LastfmSource
from tests.services.lastfm_api.server import KEY

KEYS: Mapping[str, Any] = {
    "users": ["RJ"],
    "artists": ["AC/Sea"],
    "tags": ["ember"],
    "countries": ["Sweden"],
}
"""Something to read for each kind of key; tracks and albums are the library's."""


def reader(url: str, *, key: str = KEY, **config: Any) -> LastfmSource:
    """Return a source of a server; its own limit is above what a test asks."""
    given = {"api_url": f"{url}/2.0", "batch_size": 30, "rate_limit": "500/s", **config}
    return LastfmSource(
        LastfmConfig.model_validate(given), credentials=Credentials(password=SecretStr(key))
    )


def keyed(resource: str, **work: str) -> dict[str, Any]:
    """Return a resource with something to read."""
    key = RESOURCES[resource].key
    if key in ("tracks", "albums"):
        return {"resource": resource, key: [work]}
    return {"resource": resource, key: KEYS[key]} if key else {"resource": resource}
