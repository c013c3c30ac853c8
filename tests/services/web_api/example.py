"""A contract server in sixty lines, as an example: plays of a service that does not exist.

Its contract: ``GET /v1/plays?since=&limit=&page_token=`` needs a bearer token, gives at most 50
plays, newest first, and a ``next`` link with a token that ends after ``token_life`` seconds.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from aiohttp import web

from tests.services.web_api.errors import ApiError
from tests.services.web_api.limits import Limit, x_rate_limit
from tests.services.web_api.server import WebApi

CLIENT, SECRET = "example-app", "example-secret-71c9"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class PlaysApi(WebApi):
    """Plays by page token, with OAuth 2 client credentials and 100 calls a second."""

    free = ("/oauth/",)

    def __init__(self, *, count: int = 95, seed: int = 7) -> None:
        super().__init__()
        self.tokens.clients[CLIENT] = SECRET
        self.limits = [Limit(100, 1.0, told=x_rate_limit)]
        self.token_life = 60.0
        self._random = Random(seed)
        self.plays: list[dict[str, Any]] = []
        self.add(count)

    def add(self, count: int = 1) -> int:
        """Let listeners play ``count`` more tracks; they come at the top."""
        with self.lock:
            for n in range(len(self.plays), len(self.plays) + count):
                at = (_EPOCH + timedelta(minutes=n)).isoformat().replace("+00:00", "Z")
                score = self._random.choice([None, round(self._random.random(), 3)])
                self.plays.insert(0, {"id": f"p{n:05d}", "played_at": at, "score": score})
        return count

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [web.get("/v1/plays", self.listing), web.post("/oauth/token", self.give)]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse as this API does: a code and a message at the top."""
        return ApiError(status, {"code": status, "message": message, **more})

    async def give(self, request: web.Request) -> Any:
        """POST /oauth/token (RFC 6749)."""
        form = dict(await request.post())
        with self.lock:
            return self.tokens.endpoint(form, request.headers.get("Authorization", ""))

    def listing(self, request: web.Request) -> Any:
        """GET /v1/plays."""
        query = self.query(request)
        since = query.text("since", "", pattern=r"\d{4}-\d\d-\d\dT[\d:]+Z") or ""
        limit = query.integer("limit", 20, low=1, high=50)
        after = self._position(query.text("page_token"))
        query.done()
        found = [play for play in self.plays if play["played_at"] >= since]
        page = [play for play in found if after is None or play["id"] < after][:limit]
        body: dict[str, Any] = {"items": page, "next": None}
        if page and page[-1]["id"] != found[-1]["id"]:
            token = base64.urlsafe_b64encode(f"{time.time()}/{page[-1]['id']}".encode()).decode()
            own = {**request.query, "page_token": token}
            body["next"] = f"{self.home(request)}{request.rel_url.with_query(own)}"
        return body

    def _position(self, token: str | None) -> str | None:
        if token is None:
            return None
        try:
            at, _, last = base64.urlsafe_b64decode(token).decode().partition("/")
            ended = time.time() - float(at) > self.token_life
        except ValueError:
            raise self.error(400, "Invalid page token") from None
        if ended:
            raise self.error(400, "The page token has expired")
        return last
