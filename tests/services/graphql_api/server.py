"""A GraphQL server on the reference implementation: connections, offsets, errors and costs.

Execution, validation, introspection and the shape of errors are graphql-core's own; the rest keeps
https://graphql.github.io/graphql-over-http/draft/ (POST and GET, media types),
https://relay.dev/graphql/connections.htm, Apollo's codes, Shopify's ``extensions.cost`` and
GitHub's ``rateLimit`` and ``type``.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from aiohttp import web
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLScalarType,
    NoSchemaIntrospectionCustomRule,
    build_schema,
    graphql_sync,
    parse,
    specified_rules,
    validate,
)

from tests.services.web_api.errors import ApiError
from tests.services.web_api.server import WebApi

Json = dict[str, Any]
TOKEN = "gql-token-7741"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SDL = """
scalar DateTime
scalar Money
enum Device { PHONE CAR SPEAKER }
interface Named { id: ID! name: String! }
type Artist implements Named {
  id: ID! name: String! country: String
  plays(first: Int!, after: String, since: DateTime, until: DateTime): PlayConnection
}
type Track implements Named { id: ID! name: String! seconds: Int! price: Money tags: [String!]! }
type Play {
  id: ID! number: Int! playedAt: DateTime! device: Device score: Float skipped: Boolean!
  title: String! note: String track: Track of: Named
}
type PageInfo { hasNextPage: Boolean! endCursor: String }
type PlayEdge { cursor: String! node: Play }
type PlayConnection { edges: [PlayEdge] nodes: [Play] pageInfo: PageInfo! totalCount: Int! }
type TrackPage { items: [Track!]! total: Int! }
type RateLimit { cost: Int! limit: Int! remaining: Int! resetAt: DateTime! }
type Query {
  plays(first: Int!, after: String, since: DateTime, until: DateTime, above: Int): PlayConnection
  tracks(offset: Int = 0, limit: Int = 10): TrackPage!
  artist(id: ID!): Artist
  chart(year: Int!): [Track!]!
  rateLimit: RateLimit
}
"""


class GraphqlApi(WebApi):
    """Plays of some artists.

    :ivar introspection: the schema may be asked for
    :ivar broken: ids of plays whose ``note`` (null then) fails
    :ivar lost: ids of plays whose ``title`` (never null) fails, so that the whole play is null
    :ivar points: Shopify's bucket of points, as the first request finds it; None: there is none
    """

    def __init__(self, *, count: int = 95, seed: int = 3) -> None:
        super().__init__()
        self.tokens.fixed(TOKEN, "app")
        self.introspection = True
        self.broken: set[str] = set()
        self.lost: set[str] = set()
        self.points: float | None = None
        self.most_points, self.rate = 100.0, 200.0
        self.remaining, self.reset_in = 5000, 3600.0
        self._points_at: float | None = None
        self._random = Random(seed)
        self.artists = {str(n): {"id": str(n), "name": f"Artist {n} ♫"} for n in range(3)}
        self.tracks = [self._track(n) for n in range(37)]
        self.plays: list[Json] = []
        for n in range(count):
            self.plays.append(self._play(n, _EPOCH + timedelta(minutes=n, microseconds=n)))
        self.schema = build_schema(SDL)
        self._scalar("DateTime", lambda value: value)
        self._scalar("Money", str)

    def _scalar(self, name: str, written: Callable[[Any], Any]) -> None:
        kind = self.schema.type_map[name]
        assert isinstance(kind, GraphQLScalarType)
        kind.serialize = written  # type: ignore[method-assign, assignment]

    def _track(self, n: int) -> Json:
        return {"__typename": "Track", "id": f"t{n}", "name": f"Track {n} é", "seconds": 100 + n,
                "price": None if n % 4 == 0 else f"{n}.50", "tags": ["live"] * (n % 3)}  # fmt: skip

    def add(self, count: int = 1) -> int:
        """Let listeners play ``count`` more tracks now; the newest come last."""
        with self.lock:
            for _ in range(count):
                self.plays.append(self._play(len(self.plays), datetime.now(UTC)))
        return count

    def _play(self, n: int, at: datetime) -> Json:
        return {
            "id": f"p{n:04d}", "number": n, "playedAt": at.isoformat().replace("+00:00", "Z"),
            "device": self._random.choice([None, "PHONE", "CAR", "SPEAKER"]),
            "score": self._random.choice([None, 1, 0.5]), "skipped": n % 2 == 0,
            "title": lambda info: self._title(f"p{n:04d}"),
            "note": lambda info: self._noted(f"p{n:04d}"),
            "track": None if n % 10 == 9 else self.tracks[n % len(self.tracks)],
            "of": {**self.artists[str(n % 3)], "__typename": "Artist"}, "artist": str(n % 3),
        }  # fmt: skip

    def _title(self, id_: str) -> str:
        if id_ in self.lost:
            raise GraphQLError("title is gone", extensions={"code": "NOT_FOUND"})
        return f"title of {id_}"

    def _noted(self, id_: str) -> str | None:
        if id_ in self.broken:
            raise GraphQLError("note is locked", extensions={"code": "FORBIDDEN"})
        return None

    def routes(self) -> Iterable[web.RouteDef]:
        """List the endpoint, by POST and by GET."""
        return [web.post("/graphql", self.posted), web.get("/graphql", self.got)]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse as GraphQL servers do: with status 200."""
        code = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 400: "BAD_REQUEST"}.get(
            status, "INTERNAL"
        )
        body = {"errors": [{"message": message, "extensions": {"code": code}}]}
        return ApiError(200 if status < 404 else status, body)

    async def posted(self, request: web.Request) -> Any:
        """POST: the body is the request."""
        body = await request.json()
        if set(body) - {"query", "variables", "operationName", "extensions"}:
            raise self.error(400, "unknown key in the request")
        with self.lock:
            return self._answer(body)

    def got(self, request: web.Request) -> Any:
        """GET: the query's parameters are the request; variables are JSON."""
        given = dict(request.query)
        given["variables"] = json.loads(given.get("variables", "{}"))
        return self._answer(given)

    def _answer(self, given: Json) -> Any:
        text, variables = str(given.get("query", "")), given.get("variables") or {}
        if refused := self._refused(text):
            return _reply({"errors": [error.formatted for error in refused]}, status=400)
        cost = float(variables.get("first") or variables.get("limit") or 1)
        if (body := self._throttled(cost)) is not None:
            return _reply(body)
        root = {"plays": self._plays, "tracks": self._page, "artist": self._artist,
                "chart": lambda info, year: self.tracks[:5], "rateLimit": self._rate}  # fmt: skip
        done = graphql_sync(
            self.schema, text, root_value=root, variable_values=variables,
            operation_name=given.get("operationName"),
        )  # fmt: skip
        return _reply(self._body(done, cost))

    def _refused(self, text: str) -> list[GraphQLError]:
        rules = [
            *specified_rules,
            *([] if self.introspection else [NoSchemaIntrospectionCustomRule]),
        ]
        try:
            return validate(self.schema, parse(text), rules)
        except GraphQLError as error:
            return [error]

    def _body(self, done: ExecutionResult, cost: float) -> Json:
        body: Json = {"data": done.data}
        if done.errors:
            body["errors"] = [error.formatted for error in done.errors]
        if self.points is not None:
            body["extensions"] = {"cost": self._cost(cost)}
        return body

    # ---- limits ----------------------------------------------------------------------------

    def _throttled(self, cost: float) -> Json | None:
        """https://shopify.dev/docs/api/usage/limits: a leaky bucket; refused with status 200."""
        if self.points is None:
            return None
        now = time.monotonic()
        passed = now - (self._points_at or now)
        self.points = min(self.most_points, self.points + passed * self.rate)
        self._points_at = now
        if cost > self.points:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return {"errors": [error], "extensions": {"cost": self._cost(cost)}}
        self.points -= cost
        return None

    def _cost(self, cost: float) -> Json:
        status = {"maximumAvailable": self.most_points, "currentlyAvailable": self.points,
                  "restoreRate": self.rate}  # fmt: skip
        return {"requestedQueryCost": cost, "actualQueryCost": cost, "throttleStatus": status}

    def _rate(self, info: Any) -> Json:
        """https://docs.github.com/en/graphql/reference/objects#ratelimit."""
        self.remaining -= 1
        until = datetime.now(UTC) + timedelta(seconds=self.reset_in)
        return {"cost": 1, "limit": 5000, "remaining": self.remaining, "resetAt": until.isoformat()}

    # ---- data ------------------------------------------------------------------------------

    def _plays(self, info: Any, **given: Any) -> Json:
        return self._connection(self.plays, **given)

    def _artist(self, info: Any, id: str) -> Json | None:
        artist = self.artists.get(id)
        if artist is None:
            return None
        own = [each for each in self.plays if each["artist"] == id]
        return {**artist, "plays": lambda info, **given: self._connection(own, **given)}

    def _page(self, info: Any, offset: int, limit: int) -> Json:
        if limit > 10:
            raise GraphQLError("limit is at most 10", extensions={"code": "BAD_USER_INPUT"})
        return {"items": self.tracks[offset : offset + limit], "total": len(self.tracks)}

    def _connection(
        self, plays: list[Json], *, first: int, after: str | None = None,
        since: str | None = None, until: str | None = None, above: int | None = None,
    ) -> Json:  # fmt: skip
        if not 1 <= first <= 50:
            raise GraphQLError("first is 1 to 50", extensions={"code": "BAD_USER_INPUT"})
        low, high = _moment(since), _moment(until)
        found = [
            each for each in plays
            if (low is None or datetime.fromisoformat(each["playedAt"]) >= low)
            and (high is None or datetime.fromisoformat(each["playedAt"]) < high)
            and (above is None or each["number"] > above)
        ]  # fmt: skip
        place = _opened(after)
        start = [each for each in found if place is None or each["number"] > place]
        page = start[:first]
        edges = [{"cursor": _cursor(each["number"]), "node": each} for each in page]
        more = {
            "hasNextPage": len(start) > first,
            "endCursor": edges[-1]["cursor"] if edges else None,
        }
        return {"edges": edges, "nodes": page, "pageInfo": more, "totalCount": len(found)}


def _reply(body: Json, *, status: int = 200) -> web.Response:
    kind = "application/graphql-response+json" if status != 200 else "application/json"
    return web.json_response(body, status=status, content_type=kind)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _cursor(number: int) -> str:
    return base64.b64encode(f"play:{number}".encode()).decode()


def _opened(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("play:"))
    except ValueError:
        raise GraphQLError("invalid cursor", extensions={"code": "BAD_USER_INPUT"}) from None
