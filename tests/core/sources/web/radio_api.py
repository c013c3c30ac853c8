"""An API with a listing of each kind of progress: nobody's, for these tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from tests.core.sources.web.radio import BEGIN, TOKEN
from tests.services.web_api.errors import ApiError
from tests.services.web_api.server import WebApi


class RadioApi(WebApi):
    """Plays of channels (newest first), charts of channels (whole), hourly logs."""

    def __init__(self, *, plays: int = 90) -> None:
        super().__init__()
        self.tokens.fixed(TOKEN, "radio")
        self.plays: dict[str, list[dict[str, Any]]] = {"one": [], "two": []}
        self.closed: set[str] = set()
        self.closes_after: int | None = None
        self.logged: list[dict[str, Any]] = []
        for channel in self.plays:
            self.play(channel, plays)
        self.log(BEGIN, 200)

    def play(self, channel: str, count: int) -> None:
        """Let a channel play more; two of three begin in the same minute."""
        with self.lock:
            rows = self.plays[channel]
            for n in range(len(rows), len(rows) + count):
                at = BEGIN + timedelta(minutes=n - n % 3)
                rows.insert(0, {"id": str(n), "at": at.isoformat(), "title": f"{channel} {n}"})

    def log(self, start: datetime, count: int) -> None:
        """Write lines of the log, one each quarter of an hour."""
        with self.lock:
            for n in range(count):
                at = start + timedelta(minutes=15 * n)
                self.logged.append({"id": len(self.logged), "at": at.isoformat()})

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [
            web.get("/plays/{channel}", self.newest),
            web.get("/all/{channel}", self.unbounded),
            web.get("/chart/{channel}", self.chart),
            web.get("/log", self.lines),
        ]

    def _channel(self, request: web.Request) -> list[dict[str, Any]]:
        name = request.match_info["channel"]
        if name in self.closed:
            raise ApiError(403, {"message": "this channel is private"})
        if name not in self.plays:
            raise ApiError(404, {"message": "no such channel"})
        return self.plays[name]

    def newest(self, request: web.Request) -> Any:
        """Plays from ``since`` (inclusive) to ``before`` (exclusive), by offset."""
        query = self.query(request)
        since, before = query.text("since", ""), query.text("before", "9999")
        offset, limit = query.integer("offset", 0), query.integer("limit", 20, low=1, high=20)
        query.done()
        if self.closes_after is not None and offset >= self.closes_after:
            raise ApiError(403, {"message": "this channel is private"})
        found = [p for p in self._channel(request) if (since or "") <= p["at"] < (before or "")]
        return {"plays": found[offset : offset + limit], "total": len(found)}

    def unbounded(self, request: web.Request) -> Any:
        """All plays by token, newest first; a token names the last play that was given."""
        query = self.query(request)
        token, size = (
            query.text("cursor", pattern=r"\d+"),
            query.integer("size", 10, low=1, high=10),
        )
        query.done()
        found = [p for p in self._channel(request) if token is None or int(p["id"]) < int(token)]
        page = found[:size]
        return {"plays": page, "next": page[-1]["id"] if len(found) > size else None}

    def chart(self, request: web.Request) -> Any:
        """Give the three plays that are heard most."""
        return {"plays": self._channel(request)[:3]}

    def lines(self, request: web.Request) -> Any:
        """Lines of the hours ``from`` to ``to``, the last one inside."""
        query = self.query(request)
        low, high = query.needed("from"), query.needed("to")
        offset, limit = query.integer("offset", 0), query.integer("limit", 5, low=1, high=5)
        query.done()
        found = [line for line in self.logged if low <= line["at"][:13] <= high]
        return {"lines": found[offset : offset + limit], "total": len(found)}
