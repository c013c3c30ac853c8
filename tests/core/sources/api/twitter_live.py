"""A local X with some posts, and sources that read it, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.twitter import TwitterConfig, TwitterSource
from tests.services.twitter_api.server import BEARER, TwitterApi

APP = Credentials(password=SecretStr(BEARER))
LIVE: dict[str, Any] = {"resource": "search_recent", "queries": ["#live"]}


def serving() -> Iterator[TwitterApi]:
    """Give an X of 120 posts; a module's fixture ``x``."""
    with TwitterApi(posts=120) as server:
        yield server
    forget_limits()
    forget_tokens()


def source(x: TwitterApi, *, credentials: Credentials = APP, **options: Any) -> TwitterSource:
    given = {"api_url": f"{x.url}/2", "max_wait": "1s", **options}
    return TwitterSource(TwitterConfig.model_validate(given), credentials=credentials)
