"""A source of the server, and the server by either login, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.api.instagram import InstagramConfig, InstagramSource
from tests.services.instagram_api.server import APP, SECRET, TOKEN, InstagramApi
from tests.services.instagram_api.state import ACCOUNT


def instagram(
    api: InstagramApi, resource: str, *, app: bool = False, **config: Any
) -> InstagramSource:
    """Return a source of a server, with small pages and chunks.

    :param app: sign in with an app that proves its requests
    """
    given = {"resource": resource, "page_size": 10, "batch_size": 15, **config}
    extra = {"api_url": api.url, "login_type": api.login, "account_id": ACCOUNT}
    extra |= {"access_token": TOKEN}
    login = {"login": APP, "password": SecretStr(SECRET)} if app else {}
    credentials = Credentials.model_validate({**login, "extra": extra})
    return InstagramSource(InstagramConfig.model_validate(given), credentials=credentials)


def with_password(source: InstagramSource, token: str) -> InstagramSource:
    """Return a source whose token is the password of its connection."""
    extra = {k: v for k, v in source.credentials.extra.items() if k != "access_token"}
    credentials = Credentials(password=SecretStr(token), extra=extra)
    return InstagramSource(source.config, credentials=credentials)


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """Return the rows of some chunks."""
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def reasons(chunks: list[Chunk]) -> list[str]:
    """Return why records were rejected."""
    return [r["reason"] for c in chunks if c.rejected for r in c.rejected.to_pylist()]


@pytest.fixture
def api() -> Iterator[InstagramApi]:
    """Run the Graph API with Instagram login."""
    with InstagramApi() as server:
        yield server
    forget_tokens()
    forget_limits()


@pytest.fixture
def facebook() -> Iterator[InstagramApi]:
    """Run the Graph API with Facebook login."""
    with InstagramApi(login="facebook") as server:
        yield server
    forget_tokens()
    forget_limits()
