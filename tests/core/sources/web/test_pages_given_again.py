"""A page that an API gives in another one's place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.sources.web.pages import Offsets, Page, Position
from airflow_provider_spotify.core.sources.web.paging import Listing, paged


def pages(answers: Sequence[int]) -> list[int]:
    """Read a listing whose pages of two rows are answered by these, in order."""

    async def fetch(position: Position) -> Page:
        at = answers[position["offset"] // 2]
        rows = [{"id": 2 * at}, {"id": 2 * at + 1}]
        body = {"rows": rows, "total": 2 * len(answers)}
        return Page("http://127.0.0.1/", body, {}, rows, 2)

    async def collect() -> list[int]:
        listing = Listing("plays", Offsets(kind="offset", limit=2, total="total"), fetch, 3)
        found: list[int] = []
        async with aclosing(paged(listing, begin=None)) as answered:
            async for page, _ in answered:
                found += [row["id"] for row in page.records]
        return found

    return asyncio.run(collect())


def test_pages_that_differ_are_read() -> None:
    """Each page is read once, in order."""
    assert pages([0, 1, 2, 3]) == list(range(8))


@pytest.mark.parametrize("answers", [[0, 0, 2], [0, 1, 0, 3], [0, 1, 2, 1]])
def test_a_page_that_comes_again_is_no_other(answers: list[int]) -> None:
    """Taking an earlier page for another one would lose that one's rows."""
    with pytest.raises(TransientError, match="very records of an earlier one"):
        pages(answers)
