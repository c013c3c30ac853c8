"""Reads the pages of one listing in order, several at once where the API lets it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow_provider_spotify.core.errors import ConfigurationError, DataError, TransientError
from airflow_provider_spotify.core.sources.web.boundary import digest
from airflow_provider_spotify.core.sources.web.pages import Page, Pagination, Position

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient

log = logging.getLogger(__name__)

Fetch = Callable[[Position], Awaitable[Page]]
Clean = Callable[[Position | None], Position | None]


class Listing(NamedTuple):
    """What is paged through.

    :param name: for messages
    :param width: how many pages may be under way at once
    :param clean: makes a position fit for a cursor: without secrets, on a host that we trust
    :param restarted: is told that the place to resume from is no more
    """

    name: str
    pages: Pagination
    fetch: Fetch
    width: int
    clean: Clean = lambda position: position
    restarted: Callable[[], None] = lambda: None


async def paged(
    listing: Listing, *, begin: Position | None, first: asyncio.Task[Page] | None = None
) -> AsyncGenerator[tuple[Page, Position | None], None]:
    """Yield each page, with the position of the next; None after the last.

    :param begin: where to resume; None: at the first page. If the API knows the place no more, for
        tokens end, the listing is read from its start
    :param first: the page to begin with, if it is under way already
    :raises DataError: if a page names itself as the next one
    :raises TransientError: if a page is an earlier one once more
    """
    kind = listing.pages
    position = kind.first() if begin is None else begin
    under_way = deque([(position, first or start(listing, position))])
    known: Iterator[Position] | None = None
    given: set[tuple[int, str, str]] = set()
    try:
        while under_way:
            position, task = under_way.popleft()
            if known is None:
                position, page = await _begun(listing, position, task, resumed=begin is not None)
                known = iter(kind.ahead(position, page))
            else:
                page = await task
            _require_another(page, given, listing.name)
            while len(under_way) < listing.width and (ahead := next(known, None)):
                under_way.append((ahead, start(listing, ahead)))
            following = listing.clean(kind.following(position, page))
            if not under_way and following:
                if following == position:
                    raise DataError(f"{listing.name}: a page names itself as the next one")
                under_way.append((following, start(listing, following)))
            yield page, under_way[0][0] if under_way else None
    finally:
        await cancel(task for _, task in under_way)


def _require_another(page: Page, given: set[tuple[int, str, str]], name: str) -> None:
    """Refuse a page that was given before: the rows that belong in its place would be lost.

    One record alone may well be like an earlier one.
    """
    if len(page.records) < 2:
        return
    looks = (len(page.records), digest(page.records[0]), digest(page.records[-1]))
    if looks in given:
        raise TransientError(
            f"{name}: a page holds the very records of an earlier one; if every run says so, the"
            " API does not know the parameter of the pagination"
        )
    given.add(looks)


def start(listing: Listing, position: Position) -> asyncio.Task[Page]:
    """Ask for a page."""

    async def fetched() -> Page:
        return await listing.fetch(position)

    return asyncio.create_task(fetched())


async def _begun(
    listing: Listing, position: Position, task: asyncio.Task[Page], *, resumed: bool
) -> tuple[Position, Page]:
    """Wait for the page to begin with; read from the start if its token has ended meanwhile."""
    try:
        return position, await task
    except ConfigurationError as error:
        if not resumed or not ({"token", "url"} & position.keys()):
            raise
        log.warning("the page to resume from is gone, so all are read again: %s", error)
        listing.restarted()
        again = listing.pages.restart(position)
        return again, await listing.fetch(again)


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    started = list(tasks)
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)


def cleaned(http: HttpClient, name: str, position: Position | None) -> Position | None:
    """Return a position without our secrets.

    :param name: of the listing, for messages
    :raises ConfigurationError: if it is on a host that may not see our credentials
    """
    if position is None or "url" not in position:
        return position
    url = http.unsigned(str(position["url"]))
    if http.settings.base_url.startswith("https:") and url.startswith("http:"):
        # A server behind a proxy often does not know that it is reached by https.
        url = f"https:{url.removeprefix('http:')}"
    if not http.trusts(url):
        host = urlsplit(url).netloc
        raise ConfigurationError(
            f"{name}: the next page is on another host, {host}; if it may see the credentials, "
            "name it in allowed_hosts"
        )
    return {**position, "url": url}
