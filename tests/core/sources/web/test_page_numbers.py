"""Listings by page number that are read to a certain row, not to their end."""

from __future__ import annotations

import pytest

from airflow_provider_spotify.core.sources.web.pages import Page, PageNumbers, Position


def page(size: int, *, pages: int) -> Page:
    rows = [{"n": n} for n in range(size)]
    return Page("http://api.example/x", {"pages": pages}, {}, rows, size)


def asked(kind: PageNumbers, *, size: int, pages: int) -> list[int]:
    """Return the numbers of the pages that are asked for, one after the other."""
    position: Position | None = kind.first()
    found = []
    while position is not None:
        found.append(position["page"])
        position = kind.following(position, page(size, pages=pages))
    return found


@pytest.mark.parametrize(
    ("most", "size", "numbers"),
    [
        (None, 25, [1, 2, 3, 4, 5, 6]),
        (10, 10, [1]),
        (40, 25, [1, 2]),
        (50, 25, [1, 2]),
        (9_999, 25, [1, 2, 3, 4, 5, 6]),
        (40, 0, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_no_page_is_asked_for_behind_the_last_wanted_row(
    most: int | None, size: int, numbers: list[int]
) -> None:
    """``most`` rows are read, to a whole page, by what a page really holds; none: all."""
    kind = PageNumbers(kind="page", pages="pages", most=most)
    assert asked(kind, size=size, pages=6) == numbers
    ahead = kind.ahead(kind.first(), page(size, pages=6))
    assert [1, *(position["page"] for position in ahead)] == numbers
