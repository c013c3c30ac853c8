"""TikTok's Display and Research APIs, as TikTok publishes them.

https://developers.tiktok.com/doc/tiktok-api-v2-introduction, with its errors at
https://developers.tiktok.com/doc/tiktok-api-v2-error-handling and its limits at
https://developers.tiktok.com/doc/tiktok-api-v2-rate-limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

from tests.services.tiktok_api.state import (
    COMMENT,
    FOUND,
    PERSON,
    USER,
    VIDEO,
    Data,
    Json,
    holds,
)
from tests.services.web_api.errors import ApiError
from tests.services.web_api.limits import Limit
from tests.services.web_api.server import WebApi
from tests.services.web_api.tokens import Token

KEY, SECRET, REFRESH = "client-key-1", "client-secret-7d2a", "rft.first-refresh-token-31c9"
_CODES = {400: "invalid_params", 401: "access_token_invalid", 404: "not_found",
          429: "rate_limit_exceeded", 500: "internal_error"}  # fmt: skip


class TiktokApi(WebApi):
    """One user's videos, and what a research project may query.

    :ivar searches: what each search found, by its id, which is never given twice
    :ivar remembers: pages of a search after which it is forgotten; TikTok says only "after a while"
    :ivar quota: requests that a research project may make today
    :ivar eligible: the client has an approved research project
    """

    free = ("/v2/oauth/",)

    def __init__(self, *, videos: int = 95, found: int = 300, seed: int = 3) -> None:
        super().__init__()
        self.data = Data(videos=videos, found=found, seed=seed)
        self.tokens.clients[KEY] = SECRET
        self.tokens.refresh[REFRESH] = "user"
        self.tokens.rotate = True
        self.scopes = {"user.info.basic", "user.info.profile", "user.info.stats", "video.list"}
        self.searches: dict[str, list[Json]] = {}
        self.remembers = 2**31
        self._named = itertools.count()
        self.quota = 1000
        self.eligible = True
        self.limits = [Limit(600, 60.0, key=lambda request: request.path, refused=lambda room: {})]

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [
            web.post("/v2/oauth/token/", self.give),
            web.get("/v2/user/info/", self.user),
            web.post("/v2/video/list/", self.listing),
            web.post("/v2/video/query/", self.by_id),
            web.post("/v2/research/video/query/", self.search),
            web.post("/v2/research/video/comment/list/", self.comments),
            web.post("/v2/research/user/info/", self.person),
        ]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse as TikTok does: ``data`` is there and empty."""
        error = {"code": _CODES.get(status, "invalid_params"), "message": message, "log_id": "2026"}
        return ApiError(status, {"data": {}, "error": {**error, **more}})

    async def give(self, request: web.Request) -> Any:
        """POST /v2/oauth/token/ by form: client_key, not client_id; refresh tokens are replaced.

        https://developers.tiktok.com/doc/oauth-user-access-token-management
        """
        form = {k: str(v) for k, v in (await request.post()).items()}
        if "client_key" not in form or "client_id" in form or "Authorization" in request.headers:
            raise ApiError(400, {"error": "invalid_request", "error_description": "client_key"})
        form["client_id"] = form.pop("client_key")
        with self.lock:
            given = self.tokens.endpoint(form)
        return {**given, "open_id": "723f24d7", "scope": ",".join(sorted(self.scopes))}

    # ---- Display API -----------------------------------------------------------------------

    def user(self, request: web.Request) -> Any:
        """GET /v2/user/info/."""
        self._scoped(request, "user.info.basic")
        return self.good({"user": self._fields(request, self.data.user, USER)})

    def listing(self, request: web.Request) -> Any:
        """POST /v2/video/list/: newest first, posted before ``cursor`` (milliseconds)."""
        self._scoped(request, "video.list")
        body = self._body(request, {"cursor", "max_count"})
        most = self._count(body, default=10, most=20)
        cursor = int(body.get("cursor", 2**62))
        older = [each for each in self.data.videos if each["create_time"] * 1000 < cursor]
        page = older[:most]
        shown = [each for each in page if each["id"] not in self.data.hidden]
        after = page[-1]["create_time"] * 1000 if page else 0
        videos = [self._fields(request, each, VIDEO) for each in shown]
        return self.good({"videos": videos, "cursor": after, "has_more": len(older) > most})

    def by_id(self, request: web.Request) -> Any:
        """POST /v2/video/query/: 20 ids at most; what is not the user's is left out."""
        self._scoped(request, "video.list")
        ids = self._body(request, {"filters"})["filters"]["video_ids"]
        if not 1 <= len(ids) <= 20:
            raise self.error(400, "The number of video ids is more than 20")
        found = [each for each in self.data.videos if each["id"] in ids]
        return self.good({"videos": [self._fields(request, each, VIDEO) for each in found]})

    # ---- Research API ----------------------------------------------------------------------

    def search(self, request: web.Request) -> Any:
        """POST /v2/research/video/query/: 30 days and 100 videos at most."""
        self._project(request)
        allowed = {"query", "start_date", "end_date", "max_count", "cursor", "search_id"}
        body = self._body(request, allowed)
        first, last = (self._day(body.get(name)) for name in ("start_date", "end_date"))
        if last - first > timedelta(days=30) or last < first:
            raise self.error(400, "The end_date must be no more than 30 days after the start_date")
        if not any(body.get("query", {}).values()):
            raise self.error(400, "query is required")
        most, at = self._count(body, default=20, most=100), int(body.get("cursor", 0))
        name = str(body.get("search_id") or f"73{next(self._named):017d}")
        if "search_id" not in body and at == 0:
            self.searches[name] = self._matching(first, last, body["query"])
        if name not in self.searches:
            raise self.error(400, "Invalid count or cursor")
        rows = self.searches[name]
        if at + most >= self.remembers * most:
            del self.searches[name]
        page = [each for each in rows[at : at + most] if str(each["id"]) not in self.data.hidden]
        videos = [self._fields(request, each, FOUND) for each in page]
        more = at + most < len(rows)
        return self.good(
            {"videos": videos, "cursor": at + most, "has_more": more, "search_id": name}
        )

    def comments(self, request: web.Request) -> Any:
        """POST /v2/research/video/comment/list/: the first thousand."""
        self._project(request)
        body = self._body(request, {"video_id", "max_count", "cursor"})
        if not isinstance(body.get("video_id"), int):
            raise self.error(400, "video_id is an int64")
        most, at = self._count(body, default=10, most=100), int(body.get("cursor", 0))
        if at + most > 1000:
            raise self.error(400, "cursor + max_count must not exceed 1000")
        rows = self.data.comments.get(str(body["video_id"]), [])
        page = [self._fields(request, each, COMMENT) for each in rows[at : at + most]]
        more = at + most < len(rows)
        return self.good({"comments": page, "cursor": at + most, "has_more": more})

    def person(self, request: web.Request) -> Any:
        """POST /v2/research/user/info/."""
        self._project(request)
        name = self._body(request, {"username"}).get("username")
        if name not in self.data.people:
            raise self.error(400, "cannot find the user")
        return self.good(self._fields(request, self.data.people[name], PERSON))

    def _matching(self, first: datetime, last: datetime, query: Json) -> list[Json]:
        low, high = first.timestamp(), (last + timedelta(days=1)).timestamp()
        return [each for each in self.data.found
                if low <= each["create_time"] < high and holds(each, query)]  # fmt: skip

    # ---- what they share -------------------------------------------------------------------

    @staticmethod
    def good(data: Json) -> Json:
        """Return an answer: ``error`` is always there, and says ok."""
        return {"data": data, "error": {"code": "ok", "message": "", "log_id": "20261122"}}

    def _scoped(self, request: web.Request, scope: str) -> None:
        token: Token = self.caller(request)
        if token.who != "user" or scope not in self.scopes:
            raise self.error(401, f"The user did not authorize the scope {scope}",
                             code="scope_not_authorized")  # fmt: skip

    def _project(self, request: web.Request) -> None:
        if self.caller(request).who != KEY or not self.eligible:
            raise self.error(401, "research.data.basic", code="scope_not_authorized")
        if self.quota <= 0:
            raise self.error(429, "Daily quota is used up", code="daily_quota_limit_exceeded")
        self.quota -= 1

    def _fields(self, request: web.Request, row: Mapping[str, Any], known: Collection[str]) -> Json:
        query = self.query(request)
        asked = query.several("fields", known)
        query.done()
        if not asked:
            raise self.error(400, "fields is required")
        return {name: row[name] for name in asked if name in row}

    def _body(self, request: web.Request, allowed: Collection[str]) -> Json:
        body: Json = orjson.loads(request._read_bytes or b"{}")
        if unknown := sorted(set(body) - set(allowed)):
            raise self.error(400, f"Unknown parameter {unknown[0]}")
        return body

    def _count(self, body: Json, *, default: int, most: int) -> int:
        count = body.get("max_count", default)
        if not isinstance(count, int) or not 1 <= count <= most:
            raise self.error(400, "Invalid count or cursor")
        return count

    def _day(self, text: Any) -> datetime:
        try:
            return datetime.strptime(str(text), "%Y%m%d").replace(tzinfo=UTC)
        except ValueError:
            raise self.error(400, "start_date and end_date are YYYYMMDD") from None
