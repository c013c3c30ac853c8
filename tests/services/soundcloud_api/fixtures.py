"""Shorthands for tests: sources that read from a server, with small chunks."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.audio.soundcloud import (
    SoundcloudConfig,
    SoundcloudSource,
)
from tests.services.soundcloud_api.server import CLIENT, REFRESH, SECRET, SoundcloudApi


def reader(
    server: SoundcloudApi,
    *,
    url: str | None = None,
    secret: str = SECRET,
    user: bool = False,
    extra: dict[str, str] | None = None,
    **config: Any,
) -> SoundcloudSource:
    """Return a source of a server; ``url`` is a proxy before it, ``user``: it acts for one."""
    more = {"token_url": f"{server.url}/oauth/token", **(extra or {})}
    if user:
        more["refresh_token"] = REFRESH
    given = {"api_url": url or server.url, "batch_size": 30, **config}
    return SoundcloudSource(
        SoundcloudConfig.model_validate(given),
        credentials=Credentials(login=CLIENT, password=SecretStr(secret), extra=more),
    )
