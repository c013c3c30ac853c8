"""The contract server of SoundCloud's API: URNs, linked partitioning, OAuth 2.1, access."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.services.soundcloud_api.catalogue import Catalogue, Json
from tests.services.web_api.errors import ApiError
from tests.services.web_api.params import Query
from tests.services.web_api.server import WebApi
from tests.services.web_api.tokens import Token

CLIENT, SECRET, REFRESH = "sc-app-31", "sc-secret-77e1f0", "sc-refresh-of-the-user-8d21"
_LINK = "https://developers.soundcloud.com/docs/api/explorer/open-api"
_INTERNAL = "https://http.api.prod.api-public.srv.db.example.net"


class SoundcloudApi(WebApi):
    """https://developers.soundcloud.com/docs/api/guide.

    :ivar capped: the most rows of a page, whatever is asked for
    :ivar internal: next_href leads to an internal host, as in issue 309
    :ivar forgetful: next_href lacks the parameters of the first request, as in issue 58
    :ivar most_tokens: tokens that the app may still ask for by its secret
    """

    free = ("/oauth/",)

    def __init__(self, *, uploads: int = 130, seed: int = 23, capped: int = 25) -> None:
        super().__init__()
        self.catalogue = Catalogue(seed=seed, uploads=uploads)
        self.capped = capped
        self.internal = self.forgetful = False
        self.most_tokens = 50
        self.tokens.clients[CLIENT] = SECRET
        self.tokens.rotate = True
        self.user = self.catalogue.names[0]
        self.tokens.refresh[REFRESH] = self.user

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints that only read."""
        known = self.catalogue
        lists: dict[str, Callable[[str], list[Json]]] = {
            "/users/{urn}/playlists": self._playlists,
            "/users/{urn}/likes/tracks": lambda u: self._tracks(known.likes.get(u, [])),
            "/users/{urn}/likes/playlists": lambda u: list(known.playlists.values())[:4],
            "/users/{urn}/followings": lambda u: self._people(known.followings.get(u, [])),
            "/users/{urn}/followers": lambda u: self._people(known.followings.get(u, [])[:2]),
        }
        mine = ("/playlists", "/likes/tracks", "/followings", "/followers")
        return [
            web.post("/oauth/token", self.give),
            web.get("/users/{urn}/tracks", self.uploads),
            web.get("/me/tracks", self.uploads),
            *(web.get(path, self._listing(of)) for path, of in lists.items()),
            *(web.get(f"/me{p}", self._listing(lists["/users/{urn}" + p])) for p in mine),
            web.get("/tracks", self.search_tracks),
            web.get("/users", self.search_users),
            web.get("/playlists", self.search_playlists),
            web.get("/tracks/{urn}/comments", self.comments),
            web.get("/tracks/{urn}/related", self.related),
            web.get("/tracks/{urn}", self.track),
            web.get("/users/{urn}", self.person),
            web.get("/playlists/{urn}/tracks", self.playlist_tracks),
            web.get("/playlists/{urn}", self.playlist),
        ]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse with the schema ``Error``."""
        return ApiError(status, {"code": status, "message": message, "link": _LINK,
                                 "status": f"{status}", "errors": [], "error": None})  # fmt: skip

    # ---- signing in --------------------------------------------------------------------------

    async def give(self, request: web.Request) -> Any:
        """POST /oauth/token: each refresh token serves once; an app's token has one, too."""
        form = dict(await request.post())
        authorization = request.headers.get("Authorization", "")
        with self.lock:
            if form.get("grant_type") == "client_credentials":
                self._by_secret(authorization)
            found = self.tokens.endpoint(form, authorization)
            if "refresh_token" not in found:
                new = f"rt-of-app-{len(self.calls)}-{len(self.tokens.given)}"
                self.tokens.refresh[new] = CLIENT
                found["refresh_token"] = new
        return {**found, "token_type": "bearer", "scope": ""}

    def _by_secret(self, authorization: str) -> None:
        """See that the secret stands in the header, and that the app asks for few tokens."""
        kind, _, coded = authorization.partition(" ")
        if kind != "Basic" or base64.b64decode(coded) != f"{CLIENT}:{SECRET}".encode():
            raise ApiError(401, {"error": "invalid_client"})
        if self.most_tokens < 1:
            raise ApiError(429, {"error": "rate_limit_exceeded", "error_code": "rate_limited"})
        self.most_tokens -= 1

    def authorise(self, request: web.Request) -> Token:
        """Read ``Authorization: OAuth <token>``; Bearer is not taken."""
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        return self.token(text if kind == "OAuth" else "")

    # ---- listings ----------------------------------------------------------------------------

    def uploads(self, request: web.Request) -> Any:
        """GET /users/{urn}/tracks, newest first, by a cursor of time that no upload shifts."""
        query = self.query(request)
        urns = self.catalogue.uploads[self._who(request)]
        if query.choice("sort", ("asc", "desc"), "desc") == "asc":
            urns = urns[::-1]
        found = [(self._place(urn), self.catalogue.tracks[urn]) for urn in urns]
        return self._by_cursor(request, query, found)

    def _listing(self, of: Callable[[str], list[Json]]) -> Callable[[web.Request], Any]:
        def handler(request: web.Request) -> Any:
            query = self.query(request)
            found = [(f"{n:06d}", each) for n, each in enumerate(of(self._who(request)))]
            return self._by_cursor(request, query, found)

        return handler

    def _by_cursor(self, request: web.Request, query: Query, found: list[tuple[str, Json]]) -> Any:
        after, size = query.text("cursor"), self._size(query)
        places = [place for place, _ in found]
        if after is not None and after not in places and "," not in after:
            raise self.error(400, "cursor is invalid")
        first = next((n for n, p in enumerate(places) if p == after), -1) + 1
        if after is not None and first == 0:  # what stood there is gone; those after it are older
            first = next((n for n, p in enumerate(places) if p < after), len(places))
        rows = [each for _, each in found[first : first + size]]
        more = {"cursor": places[first + size - 1]} if first + size < len(found) else None
        return self._page(request, query, rows, more, size)

    def _by_offset(self, request: web.Request, query: Query, found: Sequence[Json]) -> Any:
        offset, size = query.integer("offset", 0), self._size(query)
        more = {"offset": str(offset + size)} if offset + size < len(found) else None
        return self._page(request, query, list(found[offset : offset + size]), more, size)

    def _size(self, query: Query) -> int:
        asked = query.integer("limit", 50, low=1, high=200)
        return min(query.integer("page_size", asked, low=1, high=200), self.capped)

    def _page(
        self, request: web.Request, query: Query, rows: list[Json], more: Json | None, size: int
    ) -> Any:
        """Leave out what may not be seen, so that pages are short; name the next one."""
        wanted = query.several("access", ("playable", "preview", "blocked"))
        wanted = wanted or ["playable", "preview"]
        linked = query.choice("linked_partitioning", ("true", "1", "false"))
        shown = query.choice("show_tracks", ("true", "false"), "true") == "true"
        query.done()
        mine = request.path == "/me/tracks"
        rows = [
            self._shown(each, tracks=shown)
            for each in rows
            if mine or each.get("access", wanted[0]) in wanted
        ]
        if linked is None and "follow" not in request.path:
            return rows  # a bare list, which is deprecated
        if more is None:
            return {"collection": rows}
        kept = {k: v for k, v in request.query.items() if k not in ("limit", "cursor", "offset")}
        kept = {"linked_partitioning": "1"} if self.forgetful else kept
        url = request.rel_url.with_query({**kept, **more, "page_size": str(size)})
        home = _INTERNAL if self.internal else self.home(request)
        return {"collection": rows, "next_href": f"{home}{url}"}

    # ---- searches and what belongs to one object ---------------------------------------------

    def search_tracks(self, request: web.Request) -> Any:
        """GET /tracks: by text, and between two times, both included."""
        query = self.query(request)
        text = query.text("q", "") or ""
        pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        low = query.text("created_at[from]", "0000", pattern=pattern) or ""
        high = query.text("created_at[to]", "9999", pattern=pattern) or ""
        found = [
            each
            for each in self.catalogue.tracks.values()
            if text.lower() in each["title"].lower()
            and low <= each["created_at"][:19].replace("/", "-") <= high
        ]
        return self._by_offset(request, query, found)

    def search_users(self, request: web.Request) -> Any:
        """GET /users."""
        query = self.query(request)
        text = (query.text("q", "") or "").lower()
        found = [u for u in self.catalogue.users.values() if text in u["username"].lower()]
        return self._by_offset(request, query, found)

    def search_playlists(self, request: web.Request) -> Any:
        """GET /playlists."""
        query = self.query(request)
        text = (query.text("q", "") or "").lower()
        found = [p for p in self.catalogue.playlists.values() if text in p["title"].lower()]
        return self._by_offset(request, query, found)

    def comments(self, request: web.Request) -> Any:
        """GET /tracks/{urn}/comments."""
        track = self._found(request, self.catalogue.tracks)
        found = self.catalogue.comments.get(track["urn"], [])
        return self._by_offset(request, self.query(request), found)

    def related(self, request: web.Request) -> Any:
        """GET /tracks/{urn}/related."""
        track = self._found(request, self.catalogue.tracks)
        found = [t for t in self.catalogue.tracks.values() if t["genre"] == track["genre"]]
        return self._by_offset(request, self.query(request), found[:60])

    def playlist_tracks(self, request: web.Request) -> Any:
        """GET /playlists/{urn}/tracks."""
        playlist = self._found(request, self.catalogue.playlists)
        return self._by_offset(request, self.query(request), self._tracks(playlist["tracks"]))

    def playlist(self, request: web.Request) -> Any:
        """GET /playlists/{urn}."""
        query = self.query(request)
        query.several("access", ("playable", "preview", "blocked"))
        tracks = query.choice("show_tracks", ("true", "false"), "true") == "true"
        query.done()
        return self._shown(self._found(request, self.catalogue.playlists), tracks=tracks)

    def track(self, request: web.Request) -> Any:
        """GET /tracks/{urn}."""
        self.query(request).done()
        return self._found(request, self.catalogue.tracks)

    def person(self, request: web.Request) -> Any:
        """GET /users/{urn}."""
        self.query(request).done()
        return self._found(request, self.catalogue.users)

    # ---- shorthands --------------------------------------------------------------------------

    def _who(self, request: web.Request) -> str:
        if not request.path.startswith("/me/"):
            return str(self._found(request, self.catalogue.users)["urn"])
        if (who := self.caller(request).who) == CLIENT:
            raise self.error(401, "A request must contain the Authorization of a user")
        return who

    def _found(self, request: web.Request, known: dict[str, Json]) -> Json:
        found = known.get(request.match_info["urn"])
        if found is None:
            raise self.error(404, "404 - Not Found")
        return found

    def _tracks(self, urns: Sequence[str]) -> list[Json]:
        return [self.catalogue.tracks[urn] for urn in urns if urn in self.catalogue.tracks]

    def _people(self, urns: Sequence[str]) -> list[Json]:
        return [self.catalogue.users[urn] for urn in urns]

    def _playlists(self, user: str) -> list[Json]:
        return [p for p in self.catalogue.playlists.values() if p["user_urn"] == user]

    def _shown(self, each: Json, *, tracks: bool) -> Json:
        if each["kind"] != "playlist":
            return each
        kept = {key: value for key, value in each.items() if key != "tracks"}
        return {**kept, "tracks": self._tracks(each["tracks"])} if tracks else kept

    def _place(self, urn: str) -> str:
        at = self.catalogue.tracks[urn]["created_at"]
        return f"{at[:19].replace('/', '-').replace(' ', 'T')}.000Z,tracks,{urn[18:]:>011}"

    # ---- what tests do -----------------------------------------------------------------------

    def upload(self, count: int = 1, *, at: datetime | None = None) -> int:
        """Let the user upload tracks, now."""
        with self.lock:
            for _ in range(count):
                self.catalogue.upload(self.user, at=at or datetime.now(UTC))
        return count

    def withdraw(self) -> int:
        """Let the user delete the newest track."""
        with self.lock:
            del self.catalogue.tracks[self.catalogue.uploads[self.user].pop(0)]
        return 1
