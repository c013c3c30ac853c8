"""One pass over a resource: slice by slice, page by page, and where to resume after each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.clients.http.errors import NotFound
from airflow_provider_spotify.core.errors import ForbiddenError, TransientError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.web.newest import News
from airflow_provider_spotify.core.sources.web.pages import Page, Position, is_counted, number
from airflow_provider_spotify.core.sources.web.paging import (
    Listing,
    cancel,
    cleaned,
    paged,
    start,
)
from airflow_provider_spotify.core.sources.web.passed import Passed
from airflow_provider_spotify.core.sources.web.progress import (
    Mark,
    Slice,
    begun_at,
    mark_name,
    marks_of,
    slices,
    until_of,
)
from airflow_provider_spotify.core.sources.web.resource import Newest, Spans, Whole
from airflow_provider_spotify.core.sources.web.rows import Record, Reject

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient
    from airflow_provider_spotify.core.sources.web.base import WebSource

_REREAD = 3
"""Times that a listing is read again from its start because it had become shorter."""


class Found(NamedTuple):
    """What one page brought."""

    records: Sequence[Record]
    rejected: Sequence[Reject] = ()


class _Shorter(Exception):
    """The listing lost rows while it was read, so others may have moved to a page before."""


class Reader:
    """Reads what is due; ``cursor`` is where to resume after the page last yielded.

    A cursor holds how far each key was read and, within a pass, the key, the span and the page.
    """

    def __init__(
        self,
        source: WebSource[Any],
        http: HttpClient,
        *,
        since: Cursor | None,
        window: Window | None = None,
    ) -> None:
        self._source = source
        self._resource = source.resource
        self._http = http
        self._window = window
        since = None if window else since
        self._marks = marks_of(since)
        begun: Mapping[str, Any] = (since or {}).get("pass") or {}
        if begun.get("of") != source.shape:
            begun = {}
        progress, extent = self._resource.progress, source.extent
        until = self._until = until_of(
            progress, now=begun_at(progress, begun) or source.now(), extent=extent
        )
        at = (begun["key"], begun["at"]) if begun.get("at") else None
        self.slices: list[Slice] = slices(
            progress,
            # The key that was begun comes first, wherever it stands now: its place is not kept.
            sorted(source.keys, key=lambda key: mark_name(key) != begun.get("key")),
            marks=self._marks,
            until=until,
            extent=extent,
            window=window,
            at=at,
        )
        self._at = 0
        self._begun = begun
        self.resumed = bool(begun)
        """A pass that had begun is gone on with."""
        self._position: Position | None = None
        self._news: News | None = None
        self._passed = Passed(())
        self._total: int | None = None
        self._refused: list[Reject] = []
        self._opened = False

    @property
    def finished(self) -> bool:
        """Everything that was due was yielded."""
        return self._at >= len(self.slices)

    def cursor(self) -> Cursor:
        """Return where to resume."""
        if self.finished:
            return {"marks": dict(self._marks)}
        now = self.slices[self._at]
        passed: dict[str, Any] = {
            "of": self._source.shape,
            "until": self._until.isoformat(),
            "key": now.mark,
        }
        if isinstance(self._resource.progress, Spans) and now.start:
            passed["at"] = now.start.isoformat()
        if self._position is not None:
            passed["page"] = dict(self._position)
            if self._passed.knows:
                passed |= {"total": self._total, "tail": self._passed.tail}
        if self._news:
            passed |= self._news.passed()
        return {"marks": dict(self._marks), "pass": passed}

    def due(self) -> Sequence[tuple[Slice, Any]]:
        """Return what is still to be read, each with the lower bound to ask for."""
        return [(now, self._asked(now)) for now in self.slices[self._at :]]

    async def pages(self) -> AsyncGenerator[Found, None]:
        """Yield page after page; one that brought nothing new is yielded too.

        :raises ForbiddenError: if every key is closed to these credentials
        """
        firsts: dict[int, asyncio.Task[Page]] = {}
        try:
            while not self.finished:
                # Most slices have one page: the next ones' first pages are read meanwhile.
                for near in range(self._at + 1, min(self._at + self._width, len(self.slices))):
                    if near not in firsts:
                        firsts[near] = start(self._listing(near), self._resource.pages.first())
                async with aclosing(self._slice(firsts.pop(self._at, None))) as found:
                    async for each in found:
                        yield each
        finally:
            await cancel(firsts.values())
        if self._refused and not self._opened:
            raise ForbiddenError(self._refused[0].reason)
        if self._refused:
            yield Found((), self._refused)

    @property
    def _width(self) -> int:
        # With a budget of records, what is asked for must be known to fit in.
        return 1 if self._room() is not None else self._source.config.concurrency

    def _room(self) -> int | None:
        return self._source.usage.room(price=self._resource.price)

    async def _slice(self, first: asyncio.Task[Page] | None) -> AsyncGenerator[Found, None]:
        """Yield the pages of the slice that is next, and count it as read."""
        now = self.slices[self._at]
        begun, self._begun = self._taken_up(now), {}
        self._position = begun.get("page")
        newest = isinstance(self._resource.progress, Newest) and not self._window
        mark = self._marks.get(now.mark, {})
        self._news = self._told_apart(now, mark, begun) if newest else None
        if is_counted(self._position):
            self._restart()  # rows added above push what was given before to the pages behind
        self._passed = Passed(self._resource.identity, tail=begun.get("tail", ()))
        self._total = begun.get("total")
        for attempt in range(_REREAD + 1):
            try:
                async with aclosing(self._paged(now, first)) as found:
                    async for each in found:
                        yield each
            except _Shorter:
                if attempt == _REREAD:
                    raise TransientError(
                        f"{self._where(now)}: the listing became shorter each time it was read, so "
                        "rows may have been missed; try again when it changes less"
                    ) from None
                self._position, first = None, None
                self._restart()
            else:
                return

    def _told_apart(self, now: Slice, mark: Mark, begun: Mapping[str, Any]) -> News:
        source, name = self._source, self._where(now)
        once = not (source.repeatable or source.rereads())
        return News(source.order, mark=mark, begun=begun, name=name, once=once)

    def _taken_up(self, now: Slice) -> Mapping[str, Any]:
        """Return what the cursor says of this slice, if that is where the pass had come to."""
        at = now.start.isoformat() if now.start and self._begun.get("at") else None
        same = self._begun.get("key") == now.mark and self._begun.get("at") == at
        return self._begun if same else {}

    async def _paged(
        self, now: Slice, first: asyncio.Task[Page] | None
    ) -> AsyncGenerator[Found, None]:
        listing = self._listing(self._at)
        try:
            async with aclosing(paged(listing, begin=self._position, first=first)) as pages:
                async for page, following in pages:
                    self._count(now, page)
                    self._opened = True
                    older = self._older(now, page)
                    found = self._found(now, page)
                    if self._news and is_counted(following):
                        self._news.shifts()
                    self._advance(now, None if older else following)
                    yield found
                    if older:
                        return
        except (NotFound, ForbiddenError) as error:
            if not now.key or self._position is not None:
                raise  # in the middle of a key it would hide the rest
            self._advance(now, None)
            if isinstance(error, ForbiddenError):
                self._refused.append(Reject({"key": now.key}, str(error), self._where(now)))
                yield Found(())
            else:
                self._opened = True
                yield Found((), [Reject({"key": now.key}, "not found", self._where(now))])

    def _count(self, now: Slice, page: Page) -> None:
        """Notice that a listing which is paged by counting has lost rows."""
        total, count = self._total, number(page.body, self._resource.pages.counted)
        if count is None:
            return
        self._total = count
        if total is not None and count < total:
            if self._passed.knows:
                raise _Shorter
            raise TransientError(f"{self._where(now)}: rows went while it was read")

    def _advance(self, now: Slice, following: Position | None) -> None:
        """Learn that a page was read, and perhaps the whole slice."""
        self._position = following
        if following is not None:
            return
        self._at += 1
        if now.last and self._window is None:
            self._marks[now.mark] = self._mark(now)
        self._news = None

    def _mark(self, now: Slice) -> Mark:
        until = self._until.isoformat()
        if isinstance(self._resource.progress, Whole):
            return {"read": until}
        return {"to": until, **(self._news.mark() if self._news else {})}

    def _restart(self) -> None:
        if self._news:
            self._news.restart()

    def _listing(self, index: int) -> Listing:
        now = self.slices[index]
        name = self._where(now)
        return Listing(
            name,
            self._resource.pages,
            partial(self._fetch, now),
            # Of pages that are read together, a later one may be answered first; a row that is
            # added in between falls through, and only the number of all rows tells.
            self._width if self._resource.pages.counted else 1,
            partial(cleaned, self._http, name),
            self._restart,
        )

    async def _fetch(self, now: Slice, position: Position) -> Page:
        source = self._source
        call = source.call(now, position, asked=self._asked(now), room=self._room())
        response, body = await source.ask(self._http, call, now)
        found = source.records(body, now)
        records = [record for record in found if record is not None]
        source.usage.charge(len(records), price=self._resource.price)
        return Page(response.url, body, response.headers, records, len(found))

    def _asked(self, now: Slice) -> Any:
        """Return the lower bound to ask for: of the window, the span, the key's last pass."""
        if self._window or not isinstance(self._resource.progress, Newest):
            return now.start
        order = self._source.order
        high = order.load(self._marks.get(now.mark, {}).get("high"))
        if isinstance(high, datetime):
            high = order.asked(high)
        return now.start if high is None else high

    def _older(self, now: Slice, page: Page) -> bool:
        """Say whether a listing without a lower bound has come to what was read before."""
        progress = self._resource.progress
        if not isinstance(progress, Newest) or progress.by.lower or progress.since_id:
            return False
        asked = self._window.start if self._window else self._asked(now)
        return bool(page.records) and all(self._below(asked, record) for record in page.records)

    def _below(self, asked: Any, record: Mapping[str, Any]) -> bool:
        """Say whether a record is below a time, or a number."""
        if asked is None:
            return False
        timed = isinstance(asked, datetime)
        value = (self._source.time_order if timed else self._source.order).value(record)
        return value is not None and bool(value < asked)

    def _found(self, now: Slice, page: Page) -> Found:
        """Return the records of a page that are new."""
        source = self._source
        records = [r for r in page.records if self._passed.first(r) and self._inside(now, r)]
        if self._news:
            records = [r for r in records if not self._known(now, r) and self._news.take(r)]
        where = self._where(now)
        context = source.context(now, page)
        rejected = source.rejected(page.body, now)
        return Found([Record(context, dict(record), where) for record in records], rejected)

    def _inside(self, now: Slice, record: Mapping[str, Any]) -> bool:
        """Say whether a record lies in the span that is read; without a time the API has judged."""
        progress = self._resource.progress
        time = self._source.time_order.value(record) if isinstance(progress, Newest) else None
        if time is None or not isinstance(progress, Newest):
            return True
        low = now.start if self._window else self._source.extent.start
        # A number that is left out as too young, below one that is taken, would never come again.
        bounded = self._window or self._source.extent.end or progress.by.upper or not progress.id
        end = now.end if bounded else None
        return (low is None or time >= low) and (end is None or time < end)

    def _known(self, now: Slice, record: Mapping[str, Any]) -> bool:
        """Say whether a record was read by a pass before, of an API that cannot leave it out."""
        progress = self._resource.progress
        if not isinstance(progress, Newest) or progress.by.lower or progress.since_id:
            return False
        return self._below(self._asked(now), record)

    def _where(self, now: Slice) -> str:
        said = f"{self._source.config.resource} {now.key}".rstrip()
        return f"{said} from {now.start:%Y-%m-%dT%H}" if self._spanned(now) else said

    def _spanned(self, now: Slice) -> bool:
        return isinstance(self._resource.progress, Spans) and now.start is not None
