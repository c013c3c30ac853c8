"""How Last.fm splits a list into pages."""

from __future__ import annotations

from airflow_provider_spotify.core.sources.web.pages import PageNumbers

MOST = 1000
"""Rows of a page, at most (https://lastfm-docs.github.io/api-docs/user/getRecentTracks; older
pages of the official documentation say 200). An API that gives fewer says so, and is followed."""


def pages(inside: str, *, most: int | None = None) -> PageNumbers:
    """Return the paging of a list: numbers from 1, with texts that count pages and rows.

    :param inside: the object that holds the list and its counts
    :param most: read no more than so many rows of it, rounded up to a page
    """
    return PageNumbers(
        kind="page",
        size_param="limit",
        size=min(MOST, most or MOST),
        pages=f"{inside}.@attr.totalPages",
        total=f"{inside}.@attr.total",
        most=most,
    )
