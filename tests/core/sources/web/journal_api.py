"""An API of one journal, listed in every order and paged in every way, that changes meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from aiohttp import web

from tests.core.sources.web.journal import BEGIN, SIZE
from tests.services.web_api.errors import ApiError
from tests.services.web_api.params import Query
from tests.services.web_api.server import WebApi

RISING = ("spans",)
"""Listings that are given oldest first."""
BY_NUMBER = ("by_id", "after_id", "once", "whole")


class Entry(NamedTuple):
    """One entry.

    :param at: when it was written; it stands in the listing there even if it does not say so
    :param hole: a place of the listing that is null
    """

    id: int
    at: datetime
    timeless: bool = False
    hole: bool = False

    @property
    def body(self) -> dict[str, Any] | None:
        """What is answered."""
        if self.hole:
            return None
        at = None if self.timeless else self.at.isoformat()
        return {"id": self.id, "at": at, "place": f"{self.at.isoformat()}~{self.id}"}


class JournalApi(WebApi):
    """The journal; ``happens`` is called before each answer and may change it.

    :ivar clock: when the next entry is written
    :ivar cap: the longest page
    :ivar gaps: how often a page is empty and names a next one all the same
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin(random.Random(0))

    def begin(self, dice: random.Random, *, holes: bool = True) -> None:
        """Begin a journal anew."""
        with self.lock:
            self.holes = holes
            self.dice, self.number = dice, 0
            self.entries: list[Entry] = []
            self.clock, self.cap, self.gaps, self.generation = BEGIN, SIZE, 0.0, 0
            self.happens: Callable[[], None] = lambda: None
            self.calls.clear()

    def write(self, count: int, *, odd: bool = False) -> None:
        """Write entries as time goes on; some at the same second."""
        for _ in range(count):
            self.clock += timedelta(seconds=self.dice.choice((0, 0, 1, 30, 600, 7000)))
            self._add(self.clock, odd=odd)

    def write_late(self) -> None:
        """Write an entry of the past."""
        passed = (self.clock - BEGIN).total_seconds()
        self._add(BEGIN + timedelta(seconds=int(passed * self.dice.random())), odd=False)

    def _add(self, at: datetime, *, odd: bool) -> None:
        self.number += 1
        timeless, hole = (odd and self.dice.random() < 0.15 for _ in range(2))
        hole = hole and self.holes
        self.entries.append(Entry(self.number, at, timeless, hole))

    def erase(self) -> None:
        """Delete some entries that stand together."""
        if self.entries:
            at = self.dice.randrange(len(self.entries))
            del self.entries[at : at + self.dice.randint(1, 3)]

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [web.get("/{listing}/{style}", self.listed)]

    def listed(self, request: web.Request) -> Any:
        """Give a page."""
        listing, style = request.match_info["listing"], request.match_info["style"]
        self.happens()
        query = self.query(request)
        wanted = self._wanted(query, listing)
        found = [entry for entry in self.entries if wanted(entry)]
        found.sort(key=lambda e: _place(e, listing), reverse=listing not in RISING)
        if style in ("offset", "blind"):
            size = min(query.integer("limit", SIZE, low=1), self.cap)
            return self._counted(found, query, query.integer("offset", 0), size)
        if style in ("page", "pages"):
            size = min(query.integer("size", SIZE, low=1), self.cap)
            return self._counted(found, query, (query.integer("page", 1, low=1) - 1) * size, size)
        return self._by_token(request, found, query, listing)

    @staticmethod
    def _wanted(query: Query, listing: str) -> Callable[[Entry], bool]:
        low, high = query.text("since"), query.text("before")
        first, last = query.text("from"), query.text("to")
        after = query.integer("after", 0)

        def wanted(entry: Entry) -> bool:
            at = entry.at.isoformat()
            if entry.timeless and listing not in ("open", *BY_NUMBER):
                return False
            return (
                (low is None or at >= low)
                and (high is None or at < high)
                and (first is None or at[:13] >= first)
                and (last is None or at[:13] <= last)
                and entry.id > after
            )

        return wanted

    def _counted(self, found: list[Entry], query: Query, start: int, size: int) -> Any:
        query.done()
        page = [entry.body for entry in found[start : start + size]]
        return {"entries": page, "total": len(found), "pages": -(-len(found) // size)}

    def _by_token(
        self, request: web.Request, found: list[Entry], query: Query, listing: str
    ) -> Any:
        size = min(query.integer("size", SIZE, low=1), self.cap)
        token, below = query.text("cursor"), query.text("below")
        query.done()
        generation, place, gap = (token or f"{self.generation}||").split("|")
        if int(generation) != self.generation:
            raise ApiError(400, {"message": "this cursor has expired"})
        if place or below:
            at, _, number = (place or below or "").partition("~")
            mark = _place(Entry(int(number), datetime.fromisoformat(at)), listing)
            rising = listing in RISING
            found = [e for e in found if (_place(e, listing) > mark) == rising]
            found = [e for e in found if _place(e, listing) != mark]
        own = not request.path.endswith("/last")
        if own and not gap and self.dice.random() < self.gaps:
            return self._tokened(request, [], f"{self.generation}|{place}|1")
        page = found[:size]
        end = f"{page[-1].at.isoformat()}~{page[-1].id}" if page else ""
        more = f"{self.generation}|{end}|" if len(found) > size else None
        return self._tokened(request, page, more)

    def _tokened(self, request: web.Request, page: list[Entry], token: str | None) -> Any:
        url = str(request.url.update_query(cursor=token)) if token else None
        return {"entries": [entry.body for entry in page], "next": token, "url": url}


def _place(entry: Entry, listing: str) -> tuple[Any, ...]:
    return (entry.id,) if listing in BY_NUMBER else (entry.at, entry.id)
