"""The source ``twitter`` under the fault plan: a search, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.twitter import TwitterConfig, TwitterSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.twitter_api.server import BEARER, TwitterApi

_NOW = datetime.now(UTC)


class _Small(TwitterSource):
    """Pages of a few records, so that there are several."""

    @property
    def resource(self) -> Any:
        found = super().resource
        return found._replace(pages=found.pages.model_copy(update={"size": 12}))


class TestSearch(WebFaults):
    """Posts, newest first; a token that has ended is gone on from by id."""

    data = r"^/2/tweets/search"
    error_bodies = (
        {"errors": [{"message": "Internal error", "code": 131}]},
        {"errors": [{"title": "Internal Error", "type": "https://api.x.com/2/problems/internal-error",
                     "resource_type": "tweet", "value": "1"}], "data": []},
        {"title": "Service Unavailable", "detail": "Service Unavailable", "type": "about:blank"},
    )  # fmt: skip
    identity = ("id",)

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with TwitterApi(posts=60, now=_NOW) as self.server:
            self.server.limits.clear()
            yield

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> TwitterSource:
        given = {"api_url": f"{url}/2", "timeout": "3s", "retry_attempts": 2, "batch_size": 15}
        config = TwitterConfig.model_validate(
            {**given, "resource": "search_recent", "queries": ["#live"]}
        )
        return _Small(config, credentials=Credentials(password=SecretStr(BEARER)))

    def insert(self) -> object:
        with self.server.lock:
            return self.server.world.post(datetime.now(UTC) - timedelta(seconds=31))

    def delete(self) -> object:
        id_ = str(self.server.world.posts[3]["id"])
        self.server.delete(id_)
        return id_
