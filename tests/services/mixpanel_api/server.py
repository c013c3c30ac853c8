"""Mixpanel's raw export, profiles, cohorts and annotations, as documented."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import secrets
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import orjson
from aiohttp import web

from tests.services.mixpanel_api import events
from tests.services.web_api.errors import ApiError
from tests.services.web_api.params import Query
from tests.services.web_api.server import WebApi
from tests.services.web_api.tokens import Token

ACCOUNT, SECRET, PROJECT = "importer.1a2b3c.mp-service-account", "mp-secret-8d1f70aa", 2195193
_DATE = r"\d{4}-\d\d-\d\d"


class MixpanelApi(WebApi):
    """One project; a day's events come in no order, and with ``shuffles`` in another each time.

    :ivar breaks: text that the next export ends with in its middle, below status 200
    :ivar filler: bytes of invented events that each day has besides, made while they are sent
    """

    def __init__(self, *, days: int = 4, each: int = 120, profiles: int = 23) -> None:
        super().__init__()
        self.days = events.days(days, each=each)
        self.profiles = events.profiles(profiles)
        self.page_size = 10
        self.breaks: str | None = None
        self.filler = 0
        self.shuffles = False
        self.plan = True
        self._sessions: dict[str, list[dict[str, Any]]] = {}

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [
            web.get("/api/2.0/export", self.export),
            web.post("/api/query/engage", self.engage),
            web.post("/api/query/cohorts/list", self.cohorts),
            web.get("/api/app/projects/{project}/annotations", self.annotations),
        ]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse as https://docs.mixpanel.com/reference/raw-event-export shows."""
        return ApiError(status, {"code": status, "error": message, "status": "error", **more})

    def authorise(self, request: web.Request) -> Token | None:
        """Know the service account by Basic: https://docs.mixpanel.com/reference/service-accounts."""
        given = base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {given}":
            raise self.error(401, "Invalid service account credentials")
        return None

    def _project(self, query: Query) -> None:
        if query.integer("project_id", 0) != PROJECT:
            raise self.error(403, "The account has no access to this project")

    async def export(self, request: web.Request) -> web.StreamResponse:
        """GET /export: https://docs.mixpanel.com/reference/raw-event-export."""
        query = self.query(request)
        self._project(query)
        first, last = (
            date.fromisoformat(query.needed(name, pattern=_DATE))
            for name in ("from_date", "to_date")
        )
        limit = query.integer("limit", 0, low=1, high=100_000) or None
        named = query.text("event")
        names = None if named is None else json.loads(named)
        where = query.text("where")
        query.done()
        if first > last:
            raise self.error(400, "to_date is before from_date")
        if not self.plan:
            raise self.error(402, "Your plan does not include raw exports")
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        answer = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        if packed:
            answer.headers["Content-Encoding"] = "gzip"
        with self.lock:
            lines = self._lines(first, last, names=names, where=where, limit=limit)
            broken, self.breaks = self.breaks, None
        await answer.prepare(request)
        await self._send(answer, lines, broken=broken, packed=packed)
        return answer

    async def _send(
        self,
        answer: web.StreamResponse,
        lines: Iterator[bytes],
        *,
        broken: str | None,
        packed: bool,
    ) -> None:
        waiting: list[bytes] = []
        size = 0

        def pack() -> bytes:
            data = b"".join(waiting)
            return gzip.compress(data, 1) if packed else data

        for number, line in enumerate(lines):
            waiting.append(line)
            size += len(line)
            if broken is not None and number == 5:
                waiting.append(broken.encode())
                break
            if size >= 1 << 20:
                await answer.write(await asyncio.to_thread(pack))
                waiting, size = [], 0
        await answer.write(pack())
        await answer.write_eof()

    def _lines(
        self,
        first: date,
        last: date,
        *,
        names: list[str] | None,
        where: str | None,
        limit: int | None,
    ) -> Iterator[bytes]:
        found: list[dict[str, Any]] = []
        for n in range((last - first).days + 1):
            day = list(self.days.get(first + timedelta(days=n), ()))
            if self.shuffles:
                day.insert(0, day.pop())
                self.days[first + timedelta(days=n)] = day
            found += day
        if where:  # the one expression that the tests use
            wanted = where.partition("==")[2].strip().strip('"')
            found = [e for e in found if e["properties"]["mp_country_code"] == wanted]
        kept = [e for e in found if names is None or e["event"] in names][:limit]
        for each in kept:
            yield orjson.dumps(each) + b"\n"
        if self.filler and kept:
            yield from self._filled()

    def _filled(self) -> Iterator[bytes]:
        text = orjson.dumps({**events.days(1, each=1)[events.FIRST][0]})
        size = 0
        block = b"".join(
            text.replace(b'"$city"', b'"n":%d,"$city"' % n) + b"\n" for n in range(2000)
        )
        while size < self.filler:
            yield block
            size += len(block)

    async def engage(self, request: web.Request) -> web.StreamResponse:
        """POST /engage, a form: https://docs.mixpanel.com/reference/engage-query."""
        query = self.query(request)
        self._project(query)
        query.done()
        if request.content_type != "application/x-www-form-urlencoded":
            raise self.error(400, "The body must be a form")
        form = Query({k: str(v) for k, v in (await request.post()).items()}, refuse=self.error)
        session, page = form.text("session_id"), form.integer("page", 0)
        form.text("where")
        form.done()
        with self.lock:
            if page and session is None:
                raise self.error(400, "session_id is needed with page")
            if session is None:
                session = f"1234567890-{secrets.token_hex(4)}"
                self._sessions[session] = list(self.profiles)
            if session not in self._sessions:
                raise self.error(400, "request for page in uncached query for params")
            found = self._sessions[session]
            at = page * self.page_size
            body = {
                "page": page,
                "page_size": self.page_size,
                "session_id": session,
                "status": "ok",
                "total": len(found),
                "results": found[at : at + self.page_size],
            }
        return web.json_response(body)

    def forget_sessions(self) -> None:
        """End every query, as Mixpanel does after a while."""
        with self.lock:
            self._sessions.clear()

    def cohorts(self, request: web.Request) -> Any:
        """POST /cohorts/list: https://docs.mixpanel.com/reference/cohorts-list."""
        query = self.query(request)
        self._project(query)
        query.done()
        return [
            {
                "count": 150 * n,
                "is_visible": n % 2,
                "description": "who played often" if n else "",
                "created": f"2024-01-{15 + n} 10:30:00",
                "project_id": PROJECT,
                "id": 1000 + n,
                "name": f"Cohort {n}",
            }
            for n in range(3)
        ]

    def annotations(self, request: web.Request) -> Any:
        """GET annotations: https://docs.mixpanel.com/reference/list-all-annotations-for-project."""
        self.query(request).done()
        if request.match_info["project"] != str(PROJECT):
            raise self.error(403, "The account has no access to this project")
        return {
            "status": "ok",
            "results": [
                {
                    "id": 640999,
                    "project_id": PROJECT,
                    "date": "2026-03-02 00:00:00",
                    "description": "New player",
                    "user": {"id": 7, "first_name": "A", "last_name": "B"},
                    "tags": [{"id": 1, "name": "release"}],
                }
            ],
        }
