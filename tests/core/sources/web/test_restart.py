"""Where a page token has ended: from where a listing is read again, and what then comes again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Literal

import pytest

from airflow_provider_spotify.core.clients.http.errors import NotFound
from airflow_provider_spotify.core.sources.web.newest import NewestOrder, News
from airflow_provider_spotify.core.sources.web.pages import Page, Pagination, Position, Tokens
from airflow_provider_spotify.core.sources.web.paging import Listing, paged
from airflow_provider_spotify.core.sources.web.resource import Bounds, Newest


class _ByNumber(Pagination):
    """Tokens, beside which stands where to go on without one."""

    kind: Literal["by_number"] = "by_number"

    def restart(self, position: Position) -> Position:
        return {"below": position["below"]}


@pytest.mark.parametrize(
    ("pages", "again"),
    [(_ByNumber(), {"below": 7}), (Tokens(kind="cursor", next="next"), {})],
)
def test_a_listing_goes_on_where_its_pagination_says(pages: Pagination, again: Any) -> None:
    """By default from its start; a kind that knows a better place names it."""
    asked: list[Position] = []

    async def fetch(position: Position) -> Page:
        asked.append(position)
        if "token" in position:
            raise NotFound("the token has ended")
        return Page("https://x.test", {}, {}, [], 0)

    async def read() -> None:
        listing = Listing("plays", pages, fetch, 1)
        begin = {"token": "old", "below": 7}
        async with aclosing(paged(listing, begin=begin)) as found:
            assert len([page async for page in found]) == 1

    asyncio.run(read())
    assert asked == [{"token": "old", "below": 7}, again]


@pytest.mark.parametrize("ordered", [True, False])
def test_without_an_order_nothing_counts_as_given(ordered: bool) -> None:
    """In a listing that is not newest first, a row between two that came may be yet to come."""
    progress = Newest(Bounds("at", "since"), ordered=ordered)
    order = NewestOrder(progress, identity=(), lookback=timedelta(0))
    begun = {"high": "2026-01-03T00:00:00+00:00", "low": "2026-01-01T00:00:00+00:00", "seen": []}
    news = News(order, mark={}, begun=begun)
    news.restart()
    assert news.take({"at": "2026-01-02T00:00:00Z"}) is not ordered
