"""Amplitude's Export API, Behavioral Cohorts API and event list, as documented."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.services.amplitude_api import events
from tests.services.web_api.errors import ApiError
from tests.services.web_api.server import WebApi
from tests.services.web_api.tokens import Token

KEY, SECRET = "a1b2c3d4e5f60718293a4b5c6d7e8f90", "amp-secret-93be0c57"
_HOUR = r"\d{8}T\d{2}"


class AmplitudeApi(WebApi):
    """One project.

    :ivar most: events of one export; above, it is refused as too large
    :ivar slow: hours of one export; above, it takes too long
    :ivar polls: how often a cohort is still being computed when asked
    :ivar damaged: how many of the next archives have a damaged file in them
    :ivar odd: an archive that is given instead of the true one
    """

    free = ("/bucket/",)

    def __init__(self, *, hours: int = 12, each: int = 40) -> None:
        super().__init__()
        self.hours = events.hours(hours, each=each)
        self.most = 10**9
        self.slow = 365 * 24
        self.polls = 2
        self.damaged = 0
        self.odd: bytes | None = None
        self.large_cohorts = False
        self.members = {"c1": [(str(10**9 + n), f"user-{n}" if n % 3 else "") for n in range(30)]}
        self._requests: dict[str, list[Any]] = {}
        self._numbers = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [
            web.get("/api/2/export", self.export),
            web.get("/api/2/events/list", self.event_types),
            web.get("/api/3/cohorts", self.cohorts),
            web.get("/api/5/cohorts/request/{cohort}", self.request),
            web.get("/api/5/cohorts/request-status/{number}", self.status),
            web.get("/api/5/cohorts/request/{number}/file", self.file),
            web.get("/bucket/{number}", self.bucket_file),
        ]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse in JSON."""
        return ApiError(status, {"error": {"http_code": status, "message": message, **more}})

    def authorise(self, request: web.Request) -> Token | None:
        """Know the project's keys by Basic."""
        given = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {given}":
            raise self.error(401, "Unauthorized")
        return None

    def export(self, request: web.Request) -> Any:
        """GET /api/2/export: https://amplitude.com/docs/apis/analytics/export."""
        query = self.query(request)
        first, last = (
            datetime.strptime(query.needed(name, pattern=_HOUR), "%Y%m%dT%H").replace(tzinfo=UTC)
            for name in ("start", "end")
        )
        query.done()
        if first > last or last - first >= timedelta(days=365):
            raise self.error(400, "Invalid range")
        found = {h: e for h, e in sorted(self.hours.items()) if first <= h <= last and e}
        if not found:
            raise self.error(404, "Raw data files were not found.")
        if (last - first) / timedelta(hours=1) + 1 > self.slow:
            raise self.error(504, "Gateway Timeout")
        if sum(len(each) for each in found.values()) > self.most:
            raise self.error(400, "Raw data files are too large, pick a smaller range")
        body = self.odd or events.archive(found)
        if self.damaged > 0:
            self.damaged -= 1
            at = len(body) // 2
            body = body[:at] + bytes(64) + body[at + 64 :]
        return web.Response(body=body, content_type="application/zip")

    def event_types(self, request: web.Request) -> Any:
        """GET /api/2/events/list: https://amplitude.com/docs/apis/analytics/dashboard-rest."""
        self.query(request).done()
        return {
            "data": [
                {
                    "id": 1000 + n,
                    "name": name,
                    "value": name,
                    "totals": 12 * n,
                    "hidden": False,
                    "deleted": n == 2,
                    "non_active": False,
                    "flow_hidden": False,
                }
                for n, name in enumerate(["play", "skip", "söka"])
            ]
        }

    def cohorts(self, request: web.Request) -> Any:
        """GET /api/3/cohorts: https://amplitude.com/docs/apis/analytics/behavioral-cohorts."""
        self.query(request).done()
        return {
            "cohorts": [
                {
                    "appId": events.APP,
                    "archived": False,
                    "definition": {"version": 10, "andClauses": []},
                    "description": "",
                    "finished": True,
                    "id": name,
                    "name": f"Cohort {name}",
                    "owners": ["someone@example.com"],
                    "published": True,
                    "size": len(members),
                    "type": "redshift",
                    "lastMod": 1_679_440_288,
                    "lastComputed": 1_679_440_233,
                }
                for name, members in self.members.items()
            ]
        }

    def request(self, request: web.Request) -> Any:
        """GET /api/5/cohorts/request/:id, the first of three steps."""
        query = self.query(request)
        query.integer("props", 0, high=1)
        query.done()
        cohort = request.match_info["cohort"]
        if cohort not in self.members:
            raise self.error(404, "Cohort not found")
        number = f"r{next(self._numbers)}"
        self._requests[number] = [cohort, self.polls]
        body = {"cohort_id": cohort, "request_id": number}
        return web.json_response(body, status=202)

    def _asked(self, request: web.Request) -> list[Any]:
        found = self._requests.get(request.match_info["number"])
        if found is None:
            raise self.error(410, "The request has expired")
        return found

    def status(self, request: web.Request) -> Any:
        """GET /api/5/cohorts/request-status/:id: 202 while it is being computed."""
        asked = self._asked(request)
        waiting, asked[1] = asked[1] > 0, asked[1] - 1
        said = "JOB INPROGRESS" if waiting else "JOB COMPLETED"
        body = {"request_id": request.match_info["number"], "async_status": said}
        return web.json_response(body, status=202 if waiting else 200)

    def _csv(self, number: str) -> bytes:
        rows = self.members[self._requests[number][0]]
        lines = ['"amplitude_id","user_id"', *(f'"{a}","{u}"' for a, u in rows)]
        return ("\n".join(lines) + "\n").encode()

    def file(self, request: web.Request) -> Any:
        """GET …/file: the file, or for a large cohort a redirect to a bucket, for a minute."""
        self._asked(request)
        number = request.match_info["number"]
        if self.large_cohorts:
            to = f"http://localhost:{self.port}/bucket/{number}"
            return web.Response(status=302, headers={"Location": to})
        return web.Response(body=self._csv(number), content_type="text/csv")

    def bucket_file(self, request: web.Request) -> Any:
        """Give the file; a bucket refuses requests that carry another service's credentials."""
        if "Authorization" in request.headers:
            raise self.error(400, "Only one auth mechanism allowed")
        return web.Response(body=self._csv(request.match_info["number"]), content_type="text/csv")
