"""The source ``twitter`` keeps every promise of a source, by each kind of progress it has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.twitter import TwitterConfig, TwitterSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.twitter_api.server import BEARER, TwitterApi


class _Twitter(SourceConformance):
    libraries = ("pandas", "aiohttp", "tweepy")
    options: ClassVar[dict[str, Any]]

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with TwitterApi() as self.server:
            yield
        forget_limits()

    def source(self, *, token: str = BEARER, **options: Any) -> TwitterSource:
        given = {**self.options, "api_url": f"{self.server.url}/2", "batch_size": 10, **options}
        config = TwitterConfig.model_validate(given)
        return TwitterSource(config, credentials=Credentials(password=SecretStr(token)))

    def make_source(self) -> TwitterSource:
        return self.source()

    def make_bad_credentials(self) -> TwitterSource:
        return self.source(token="wrong-token-90d2")


class TestSearch(_Twitter):
    """Recent search goes on above the highest post id."""

    options: ClassVar[dict[str, Any]] = {"resource": "search_recent", "queries": ["#live", "rain"]}

    def make_empty(self) -> TwitterSource:
        return self.source(queries=["nothingmatchesthis"])

    def add_more(self) -> int:
        self.server.add(3)
        time.sleep(1.1)  # bounds are written in whole seconds
        return 3 + sum("rain" in each["text"] for each in self.server.world.posts[:3])


class TestListPosts(_Twitter):
    """A list's posts have no bounds; reading stops at what was read before."""

    options: ClassVar[dict[str, Any]] = {"resource": "list_posts", "ids": ["77"]}
    expected_rows = 230

    def add_more(self) -> int:
        return self.server.add(3)


class TestFollowers(_Twitter):
    """Followers are read as a whole."""

    options: ClassVar[dict[str, Any]] = {"resource": "followers", "ids": ["1000", "1001"]}
    expected_rows = 78


class TestLookup(_Twitter):
    """Users are looked up a hundred at a time; who is gone is rejected."""

    options: ClassVar[dict[str, Any]] = {
        "resource": "users",
        "ids": [str(n) for n in range(880, 1040)],
    }
    expected_rows = 40


class TestCounts(_Twitter):
    """Counts are read span by span, each hour once it is over."""

    options: ClassVar[dict[str, Any]] = {
        "resource": "counts_recent_by_hour",
        "queries": ["#live", "rain", "bass"],
    }

    @pytest.fixture(autouse=True)
    def _hours(self) -> None:
        # Between two readings no hour may end, and none fall out of the seven days.
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.begin, self.end = hour - timedelta(days=6), hour - timedelta(hours=1)

    def source(self, *, token: str = BEARER, **options: Any) -> TwitterSource:
        return super().source(token=token, start=self.begin, end=self.end, **options)
