"""The contract server of Last.fm's API: methods, paging, error codes, and its known faults."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from tests.services.lastfm_api import about, charts, users
from tests.services.lastfm_api.library import BEGIN, Library, Listener
from tests.services.lastfm_api.views import Json, some
from tests.services.web_api.errors import ApiError
from tests.services.web_api.params import Query
from tests.services.web_api.server import WebApi

KEY, SUSPENDED = "lastfm-key-9d31b7", "lastfm-key-suspended-22aa"
_MOST_PAGES = 1_000_000
_PUBLIC = {6: "Invalid parameters", 8: "Operation failed - Most likely the backend service failed."
           " Please try again.", 17: "Login: User required to be logged in"}  # fmt: skip


class LastfmApi(WebApi):
    """Last.fm: one path, many methods (https://www.last.fm/api).

    :ivar strangers: how many of the next answers about a user are another one's
    :ivar capped: the most rows of a page, whatever is asked for: once 200, here 25, so that little
        data has many pages
    """

    def __init__(self, *, plays: int = 430, seed: int = 11, capped: int = 25) -> None:
        super().__init__()
        self.library = Library(seed=seed, plays=plays)
        self.strangers = 0
        self.capped = capped
        self._methods: dict[str, Callable[[LastfmApi, Query], Json]] = {
            **users.METHODS,
            **charts.METHODS,
            **about.METHODS,
        }

    def routes(self) -> list[web.RouteDef]:
        """One path, with and without a slash."""
        return [web.get("/2.0/", self.answer), web.get("/2.0", self.answer)]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse as Last.fm does: a code and a message."""
        code = more.get("code", {404: 6, 429: 29}.get(status, 6))
        body = {"error": code, "message": message or _PUBLIC[code]}
        linked = status == 200 or more.get("links") is not None
        return ApiError(status, {**body, "links": []} if linked else body)

    def authorise(self, request: web.Request) -> None:
        """Refuse a key that Last.fm did not give (10), or has suspended (26), with 403."""
        key = request.query.get("api_key")
        if key == SUSPENDED:
            raise self.error(403, "Suspended API key - Access for your account has been suspended,"
                             " please contact Last.fm", code=26)  # fmt: skip
        if key != KEY:
            raise self.error(403, "Invalid API key - You must be granted a valid key by last.fm",
                             code=10)  # fmt: skip

    def answer(self, request: web.Request) -> Any:
        """Call a method by its name, in whatever case."""
        query = self.query(request)
        query.text("api_key")
        name = query.text("method", "") or ""
        if query.text("format", "xml") != "json":
            raise self.error(400, "This server only writes JSON", code=5)
        method = self._methods.get(name.lower())
        if method is None:
            raise self.error(400, "Invalid Method - No method with that name in this package",
                             code=3)  # fmt: skip
        return method(self, query)

    # ---- what the methods use ----------------------------------------------------------------

    def listener(self, query: Query) -> Listener:
        """Return the user that is asked about; 404 for none, 403 for a private one."""
        listener = self.library.users.get(query.needed("user").lower())
        if listener is None:
            raise self.error(404, "User not found")
        if listener.private:
            raise self.error(403, "", code=17)
        if self.strangers:
            self.strangers -= 1
            return next(u for u in self.library.users.values() if u is not listener)
        return listener

    def page(self, query: Query, rows: Sequence[Any]) -> tuple[Sequence[Any], Json, int]:
        """Return the rows of a page, the list's attributes, and the place of its first row."""
        limit = query.integer("limit", 50)
        number = query.integer("page", 1)
        if not 1 <= limit <= 1000:
            raise self.error(400, "limit param out of bounds (1-1000)")
        if not 1 <= number <= _MOST_PAGES:
            raise self.error(400, f"page param out of bounds (1-{_MOST_PAGES})")
        query.done()
        limit = min(limit, self.capped)
        first = (number - 1) * limit
        told = {"page": str(number), "perPage": str(limit), "total": str(len(rows)),
                "totalPages": str(-(-len(rows) // limit))}  # fmt: skip
        return rows[first : first + limit], told, first + 1

    @staticmethod
    def listing(root: str, one: str, rows: Sequence[Json], told: Json) -> Json:
        """Return a list as its body."""
        return {root: {one: some(rows), "@attr": told}}

    # ---- what tests do -----------------------------------------------------------------------

    def scrobble(self, user: str = "rj", count: int = 1, *, uts: int | None = None) -> int:
        """Let a user play more: now, or as of ``uts`` from a player that was offline."""
        with self.lock:
            listener = self.library.users[user]
            newest = max(listener.plays[0][0], BEGIN) if listener.plays else BEGIN
            for n in range(count):
                self.library.play(listener, newest + 60 * (n + 1) if uts is None else uts)
        return count

    def unscrobble(self, user: str = "rj") -> int:
        """Let a user delete the newest play."""
        with self.lock:
            self.library.users[user].plays.pop(0)
        return 1

    def love(self, user: str = "rj", count: int = 1) -> int:
        """Let a user love more tracks, now."""
        with self.lock:
            for n in range(count):
                self.library.love(self.library.users[user], int(time.time()) - 100 + n)
        return count
