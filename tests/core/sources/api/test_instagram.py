"""The instagram source keeps the contract of every source, by each kind of progress."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_spotify.core.sources.api.instagram import InstagramSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.services.instagram_api.fixtures import api, instagram, rows, with_password
from tests.services.instagram_api.server import InstagramApi

__all__ = ["api"]

WRONG = "IGQVJwrongTokenOfNobody000000000000000093c1"


class _OnServer(SourceConformance):
    api: InstagramApi
    resource = "media"

    @pytest.fixture(autouse=True)
    def _start(self, api: InstagramApi) -> None:
        self.api = api

    def make_source(self) -> InstagramSource:
        return instagram(self.api, self.resource)

    def make_bad_credentials(self) -> InstagramSource:
        return with_password(self.make_source(), WRONG)


class TestMedia(_OnServer):
    """A listing newest first, without bounds."""

    expected_rows = 95

    def make_empty(self) -> InstagramSource:
        self.api.data.media.clear()
        return self.make_source()

    def add_more(self) -> int:
        return self.api.data.add(4)


class TestStories(_OnServer):
    """A listing that is read as a whole."""

    resource = "stories"
    expected_rows = 7

    def make_source(self) -> InstagramSource:
        return instagram(self.api, self.resource, page_size=2, batch_size=3)

    def make_empty(self) -> InstagramSource:
        self.api.data.stories.clear()
        return self.make_source()


class TestAccountInsights(_OnServer):
    """Spans of one day each, also those on which clocks change."""

    resource = "account_insights"

    def make_source(self) -> InstagramSource:
        # Between two readings no day may end.
        start, end = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 13, tzinfo=UTC)
        return instagram(self.api, self.resource, start=start, end=end)


def test_pages_that_are_short_or_empty_do_not_end_the_listing(api: InstagramApi) -> None:
    """Where a page holds nothing and names a next one, what follows is read too."""
    api.data.hidden = {each["id"] for each in api.data.media[20:40]} | {api.data.media[3]["id"]}
    assert len(rows(read(instagram(api, "media")))) == 95 - 21
