"""What the endpoints of X's API v2 share: problems, spans, page tokens and both vocabularies.

https://docs.x.com/x-api/fundamentals/pagination and
https://docs.x.com/x-api/fundamentals/response-codes-and-errors
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.services.twitter_api.data import Json, World, post_id, renamed
from tests.services.twitter_api.fields import joined, trimmed, wanted
from tests.services.web_api.errors import ApiError
from tests.services.web_api.params import Query
from tests.services.web_api.server import WebApi

PROBLEMS = "https://api.x.com/2/problems"
_KINDS = {400: "invalid-request", 401: "about:blank", 403: "client-forbidden",
          404: "resource-not-found", 429: "rate-limit-exceeded"}  # fmt: skip


class TwitterPages(WebApi):
    """A world of posts and users, read in pages.

    :param world: what there is; ``vocabularies`` are the names that requests may use for it
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self._era = 0
        self.vocabularies = {"tweet", "post"}

    def end_page_tokens(self) -> None:
        """Let every token of a next page end now."""
        with self.lock:
            self._era += 1

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse with a problem (RFC 7807)."""
        kind = _KINDS.get(status, "about:blank")
        body: Json = {"title": kind.replace("-", " ").title(), "status": status}
        body |= {"type": kind if ":" in kind else f"{PROBLEMS}/{kind}"}
        if status == 400:
            body |= {"detail": "One or more parameters to your request was invalid."}
            body |= {"errors": [{"message": message}]}
        else:
            body |= {"detail": message}
        headers = {"Content-Type": "application/problem+json"}
        return ApiError(status, {**body, **more}, headers=headers)

    def missing(self, kind: str, parameter: str, id_: str, **more: Any) -> Json:
        """Return the problem that says that there is no such resource."""
        return {
            "value": id_, "resource_id": id_, "resource_type": kind, "parameter": parameter,
            "title": "Not Found Error",
            "detail": f"Could not find {kind} with {parameter}: [{id_}].",
            "type": f"{PROBLEMS}/resource-not-found", **more,
        }  # fmt: skip

    def _user(self, request: web.Request) -> Json | None:
        """Return the 200 that holds errors only, where a user is gone or protected."""
        id_ = request.match_info["id"]
        if not id_.isdigit():
            raise self.error(400, f"The `id` query parameter value [{id_}] is not valid")
        user = self.world.users.get(id_)
        if user is None:
            return {"errors": [self.missing("user", "id", id_)]}
        if not user["protected"]:
            return None
        said = f"Sorry, you are not authorized to see the user with id: [{id_}]."
        problem = self.missing("user", "id", id_, title="Authorization Error", detail=said)
        return {"errors": [problem | {"type": f"{PROBLEMS}/not-authorized-for-resource"}]}

    def _several(self, query: Query, name: str) -> list[str]:
        keys = query.several(name)
        if not 1 <= len(keys) <= 100:
            raise self.error(400, f"The `{name}` query parameter must have 1 to 100 values")
        return keys

    def _lookup(self, query: Query, name: str, find: Callable[[str], Json | None]) -> Any:
        keys = self._several(query, name)
        fields = query.several("user.fields")
        query.done()
        found = [
            trimmed(user, ("id", "name", "username"), fields) for k in keys if (user := find(k))
        ]
        missing = [self.missing("user", name, key) for key in keys if find(key) is None]
        return self._spoken(with_errors({"data": found} if found else {}, missing), self._one)

    @property
    def _one(self) -> str:
        return "tweet" if "tweet" in self.vocabularies else "post"

    def _user_page(self, request: web.Request, users: Sequence[Json], high: int) -> Any:
        query = self.query(request)
        size = query.integer("max_results", 100, low=1, high=high)
        after = self._position(query.text("pagination_token"))
        fields = query.several("user.fields")
        query.done()
        start = int(after or 0)
        page = users[start : start + size]
        body: Json = {"meta": {"result_count": len(page)}}
        if page:
            body["data"] = [trimmed(user, ("id", "name", "username"), fields) for user in page]
        if start + size < len(users):
            body["meta"]["next_token"] = self._token(str(start + size))
        return self._spoken(body, self._one)

    def _time(self, query: Query, name: str) -> datetime | None:
        text = query.text(name, pattern=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
        return datetime.fromisoformat(text) if text else None

    def _between(self, query: Query, found: list[Json], *, days: int | None = None) -> list[Json]:
        """Apply times and ids; the recent endpoints refuse what is older than seven days."""
        now = datetime.now(UTC)
        start, end = self._time(query, "start_time"), self._time(query, "end_time")
        since = query.text("since_id", pattern=r"[0-9]{1,19}")
        until = query.text("until_id", pattern=r"[0-9]{1,19}")
        if end and end > now - timedelta(seconds=10):
            raise self.error(400, "'end_time' must be a minimum of 10 seconds prior to the request")
        if days is not None:
            oldest = now - timedelta(days=days)
            if (start and start < oldest) or (end and end < oldest):
                raise self.error(400, f"'start_time' must be on or after {zulu(oldest)}")
            if since and int(since) < int(post_id(oldest)):
                raise self.error(400, "'since_id' must be a tweet id created after " + zulu(oldest))
        low, high = int(since or 0), int(until or 2**63)
        first = None if since else start
        return [
            each for each in found
            if low < int(each["id"]) < high
            and (first is None or datetime.fromisoformat(each["created_at"]) >= first)
            and (until or end is None or datetime.fromisoformat(each["created_at"]) < end)
        ]  # fmt: skip

    def _page(
        self,
        query: Query,
        found: Sequence[Json],
        *,
        high: int,
        low: int,
        search: bool = False,
        ranged: bool = True,
    ) -> Any:
        size = query.integer("max_results", 10 if search else 100, low=low, high=high)
        after = self._position(query.text("pagination_token") or query.text("next_token"))
        if search:
            query.choice("sort_order", ("recency", "relevancy"))
        asked = wanted(query, self.vocabularies)
        query.done()
        start = next((n for n, each in enumerate(found) if each["id"] == after), -1) + 1
        if after and not start:  # the post that the token pointed at is gone
            start = sum(int(each["id"]) >= int(after) for each in found)
        page = found[start : start + size]
        body = joined(self.world, page, asked) if page else {}
        body["meta"] = {"result_count": len(page)}
        if page and ranged:
            body["meta"] |= {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"]}
        if start + size < len(found):
            body["meta"]["next_token"] = self._token(page[-1]["id"])
        return self._spoken(body, asked.vocabulary)

    @staticmethod
    def _spoken(body: Json, vocabulary: str) -> Any:
        return renamed(body) if vocabulary == "post" else body

    def _token(self, state: str) -> str:
        return base64.b32hexencode(f"{self._era}|{state}".encode()).decode().rstrip("=").lower()

    def _position(self, token: str | None) -> str | None:
        if token is None:
            return None
        try:
            padded = token.upper() + "=" * (-len(token) % 8)
            era, _, state = base64.b32hexdecode(padded).decode().partition("|")
            ended = int(era) < self._era
        except ValueError:
            ended = True
        if ended:
            raise self.error(400, f"Invalid 'next_token':'{token}'. 'next_token' is invalid")
        return state


def with_errors(body: Json, errors: list[Json]) -> Json:
    """Add errors beside the data, if there are any."""
    return {**body, "errors": [*body.get("errors", ()), *errors]} if errors else body


def zulu(at: datetime) -> str:
    """Write a time as the API does: in UTC, cut to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
