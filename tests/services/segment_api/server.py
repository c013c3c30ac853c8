"""The Profile API and the Public API of an invented workspace, on one port."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from aiohttp import web

from tests.services.web_api.errors import ApiError
from tests.services.web_api.server import WebApi
from tests.services.web_api.tokens import Token

SPACE = "lgJ4AAjFN4"
TOKEN = "segment-profile-token-4c1f"
PUBLIC = "sgp_public-token-9b2e"
VERSION = "application/vnd.segment.v1+json"
BEGIN = datetime(2026, 11, 10, tzinfo=UTC)
USERS = ("user_id:u1", "user_id:u2+x", "email:ann@example.com")
_KINDS = {400: "validation_error", 401: "authentication_error", 404: "not_found",
          429: "rate_limit_error"}  # fmt: skip


def stamp(time: datetime) -> str:
    """Write a time as Segment does."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SegmentApi(WebApi):
    """https://segment.com/docs/unify/profile-api/ and https://docs.segmentapis.com."""

    def __init__(self, *, traits: int = 450, events: int = 130, plans: int = 3) -> None:
        super().__init__()
        random = Random(5)
        self.traits = {
            user: {
                f"trait_{n:03}": {
                    "value": random.choice([n, f"text {n}", None, {"nested": [n]}, True]),
                    "source_id": "GFu4AJc2bE",
                    "updated_at": stamp(BEGIN + timedelta(minutes=n)),
                }
                for n in range(traits)
            }
            for user in USERS
        }
        self.events: dict[str, list[dict[str, Any]]] = {user: [] for user in USERS}
        for user in USERS:
            self.add(user, events)
        self.plans = [self._plan(n) for n in range(plans)]
        self.rules = {plan["id"]: [self._rule(n) for n in range(450)] for plan in self.plans}
        self.links = 2

    def add(self, user: str, count: int = 1) -> int:
        """Let a user do something more."""
        with self.lock:
            for n in range(len(self.events[user]), len(self.events[user]) + count):
                self.events[user].insert(0, self._event(user, n))
        return count

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        profile = "/v1/spaces/{space}/collections/{collection}/profiles/{id}"
        return [
            web.get(f"{profile}/traits", self.get_traits),
            web.get(f"{profile}/events", self.get_events),
            web.get(f"{profile}/external_ids", self.get_external_ids),
            web.get(f"{profile}/links", self.get_links),
            web.get(f"{profile}/metadata", self.get_metadata),
            web.get("/tracking-plans", self.get_plans),
            web.get("/tracking-plans/{id}/rules", self.get_rules),
        ]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse as the Profile API does."""
        code = _KINDS.get(status, "invalid_request_error")
        return ApiError(status, {"error": {"code": code, "message": message, **more}})

    def authorise(self, request: web.Request) -> Token | None:
        """Take the one token as Basic user name with an empty password, the other as bearer."""
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        if request.path.startswith("/v1/"):
            try:
                known = base64.b64decode(text).decode() == f"{TOKEN}:" and kind == "Basic"
            except (binascii.Error, UnicodeDecodeError):
                known = False
            if not known:
                raise self.error(401, "No valid Access Token provided.")
            return Token(SPACE, frozenset(), 0)
        if kind != "Bearer" or text != PUBLIC:
            raise ApiError(401, {"errors": [{"type": "unauthorized", "message": "Unauthorized"}]})
        return Token("workspace", frozenset(), 0)

    # ---- the Profile API ---------------------------------------------------------------------

    def _user(self, request: web.Request) -> str:
        if request.match_info["space"] != SPACE or request.match_info["collection"] != "users":
            raise self.error(404, "The requested resource does not exist.")
        if request.match_info["id"] not in self.traits:
            raise self.error(404, "Profile was not found.")
        return request.match_info["id"]

    def _page(self, request: web.Request, found: list[Any], *, most: int, query: Any) -> Any:
        """Return some of a list, and the cursor: the place where the next page begins."""
        limit = query.integer("limit", 10, low=1, high=most)
        start = int(query.text("next", "m0", pattern=r"m\d+").removeprefix("m"))
        query.done()
        more = start + limit < len(found)
        cursor = {"url": request.path, "has_more": more, "limit": limit,
                  "next": f"m{start + limit}" if more else ""}  # fmt: skip
        return found[start : start + limit], cursor

    def get_traits(self, request: web.Request) -> Any:
        """GET …/traits: at most 200 of them."""
        found, query = self.traits[self._user(request)], self.query(request)
        verbose = query.boolean("verbose")
        page, cursor = self._page(request, list(found.items()), most=200, query=query)
        told = {name: each if verbose else each["value"] for name, each in page}
        return {"traits": told, "cursor": cursor}

    def get_events(self, request: web.Request) -> Any:
        """GET …/events: newest first, after ``start`` and before ``end``."""
        found, query = self.events[self._user(request)], self.query(request)
        start, end = query.time("start"), query.time("end")
        at = datetime.fromisoformat
        found = [e for e in found if start is None or at(e["timestamp"]) > start]
        found = [e for e in found if end is None or at(e["timestamp"]) < end]
        page, cursor = self._page(request, found, most=100, query=query)
        return {"data": page, "cursor": cursor}

    def get_external_ids(self, request: web.Request) -> Any:
        """GET …/external_ids."""
        user, query = self._user(request), self.query(request)
        ids = [
            {"source_id": "GFu4AJc2bE", "collection": "users", "id": f"{user}-{n}",
             "type": "anonymous_id", "created_at": stamp(BEGIN), "encoding": "none",
             "first_message_id": f"ajs-{n}"}
            for n in range(130)
        ]  # fmt: skip
        page, cursor = self._page(request, ids, most=100, query=query)
        return {"data": page, "cursor": cursor}

    def get_links(self, request: web.Request) -> Any:
        """GET …/links: no cursor, at most 20."""
        self._user(request)
        query = self.query(request)
        limit = query.integer("limit", 10, low=1, high=20)
        query.done()
        links = [
            {"to_collection": "accounts",
             "external_ids": [{"id": f"a{n}", "type": "group_id", "source_id": "DFAAJc2bE",
                               "collection": "accounts", "created_at": stamp(BEGIN),
                               "encoding": "none"}]}
            for n in range(self.links)
        ]  # fmt: skip
        return {"data": links[:limit]}

    def get_metadata(self, request: web.Request) -> Any:
        """GET …/metadata."""
        self._user(request)
        self.query(request).done()
        told = {"created_at": stamp(BEGIN), "updated_at": stamp(BEGIN), "expires_at": None,
                "first_message_id": "ajs-1", "first_source_id": "GFu4AJc2bE",
                "last_message_id": "ajs-2", "last_source_id": "CRx5M9uk2p"}  # fmt: skip
        return {"metadata": told}

    # ---- the Public API ----------------------------------------------------------------------

    def _listed(self, request: web.Request, name: str, found: list[Any]) -> Any:
        if VERSION not in request.headers.get("Accept", ""):
            raise ApiError(406, {"errors": [{"type": "not-acceptable", "message": "No version"}]})
        query = self.query(request)
        count = query.integer("pagination[count]", 10, low=1, high=1000)
        token = query.text("pagination[cursor]", "MA==") or ""
        query.done()
        try:
            start = int(base64.b64decode(token).decode())
        except (binascii.Error, ValueError):
            error = {"type": "validation", "message": "cursor", "field": "pagination.cursor"}
            raise ApiError(400, {"errors": [error]}) from None
        told: dict[str, Any] = {"current": token, "totalEntries": len(found)}
        if start + count < len(found):
            told["next"] = base64.b64encode(str(start + count).encode()).decode()
        return {"data": {name: found[start : start + count], "pagination": told}}

    def get_plans(self, request: web.Request) -> Any:
        """GET /tracking-plans."""
        return self._listed(request, "trackingPlans", self.plans)

    def get_rules(self, request: web.Request) -> Any:
        """GET /tracking-plans/{id}/rules."""
        found = self.rules.get(request.match_info["id"])
        if found is None:
            raise ApiError(404, {"errors": [{"type": "not-found", "message": "Not found"}]})
        return self._listed(request, "rules", found)

    # ---- the records -------------------------------------------------------------------------

    @staticmethod
    def _event(user: str, n: int) -> dict[str, Any]:
        return {
            "external_ids": [{"collection": "users", "type": "user_id", "id": user,
                              "encoding": "none"}],
            "context": {"ip": "192.0.2.7"},
            "type": "track",
            "message_id": f"ajs-{user}-{n}",
            "source_id": "CRx5M9uk2p",
            "timestamp": stamp(BEGIN + timedelta(minutes=2 * n)),
            "properties": {"position": n},
            "event": "Track Played",
            "related": {"users": "use_1"},
        }  # fmt: skip

    @staticmethod
    def _plan(n: int) -> dict[str, Any]:
        return {"id": f"tp_{n}", "name": f"Plan {n}", "slug": f"plan-{n}", "type": "LIVE",
                "createdAt": stamp(BEGIN), "updatedAt": stamp(BEGIN)}  # fmt: skip

    @staticmethod
    def _rule(n: int) -> dict[str, Any]:
        return {"type": "TRACK", "key": f"Event {n}", "version": 1,
                "jsonSchema": {"type": "object"}, "createdAt": stamp(BEGIN),
                "updatedAt": stamp(BEGIN)}  # fmt: skip
