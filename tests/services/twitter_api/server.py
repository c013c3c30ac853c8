"""A contract server of X's API v2: searches, timelines, lists, lookups and counts.

It keeps https://docs.x.com/x-api/fundamentals (pagination, fields, expansions, response codes and
rate limits) and the OpenAPI document, in its vocabulary of April 2026 (2.162, ``tweet``) and in
that of August 2026 (2.167, ``post``); ``vocabularies`` says which ones it takes.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import encode_basic_auth, web

from tests.services.twitter_api.data import Json, World
from tests.services.twitter_api.fields import joined, wanted
from tests.services.twitter_api.pages import TwitterPages, with_errors, zulu
from tests.services.web_api.errors import ApiError
from tests.services.web_api.limits import Limit, Room

BEARER = "app-bearer-AAAA4711"
CLIENT, SECRET, REFRESH = "x-client", "x-secret-55e1", "rt-first-8812"
API_KEY, API_SECRET = "x-api-key", "x-api-secret-90d4"

_APP = "client_credentials"


def _told(room: Room) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(room.count),
        "x-rate-limit-remaining": str(room.left),
        "x-rate-limit-reset": str(int(time.time() + room.reset) + 1),
    }


class TwitterApi(TwitterPages):
    """X, for one app and one of its users."""

    free = ("/2/oauth2/", "/oauth2/")

    def __init__(
        self, *, posts: int = 230, users: int = 40, seed: int = 5, now: datetime | None = None
    ) -> None:
        now = now or datetime.now(UTC)
        super().__init__(World(posts=posts, users=users, seed=seed, now=now))
        self.tokens.fixed(BEARER, "app")
        self.tokens.clients[CLIENT] = SECRET
        self.tokens.refresh[REFRESH] = "1000"
        self.tokens.rotate = True
        self.entitled = True
        self.limits = [
            Limit(450, 900.0, path="/2/tweets/search/recent", told=_told, refused=_told),
            Limit(300, 900.0, path="/2/tweets/search/all", told=_told, refused=_told),
        ]

    def add(self, count: int = 1, *, author: str | None = None) -> int:
        """Let users post; half a minute ago, for a search knows nothing younger."""
        with self.lock:
            newest = datetime.fromisoformat(self.world.posts[0]["created_at"])
            at = max(newest, datetime.now(UTC) - timedelta(seconds=30))
            for n in range(count):
                self.world.post(at + timedelta(milliseconds=n + 1), author=author)
        return count

    def delete(self, id_: str) -> None:
        """Delete a post: it is gone from every listing."""
        with self.lock:
            self.world.posts = [each for each in self.world.posts if each["id"] != id_]

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [
            web.post("/2/oauth2/token", self.give),
            web.post("/oauth2/token", self.give_app),
            web.get("/2/tweets/search/recent", self.search_recent),
            web.get("/2/tweets/search/all", self.search_all),
            web.get("/2/tweets/counts/recent", self.counts_recent),
            web.get("/2/tweets/counts/all", self.counts_all),
            web.get("/2/tweets", self.posts),
            web.get("/2/users", self.users),
            web.get("/2/users/by", self.users_by),
            web.get("/2/users/me", self.me),
            web.get("/2/usage/tweets", self.usage),
            web.get("/2/users/{id}/tweets", self.timeline),
            web.get("/2/users/{id}/mentions", self.mentions),
            web.get("/2/users/{id}/liked_tweets", self.liked),
            web.get("/2/users/{id}/followers", self.follows),
            web.get("/2/users/{id}/following", self.follows),
            web.get("/2/lists/{id}/tweets", self.list_posts),
            web.get("/2/lists/{id}/members", self.members),
        ]

    async def give(self, request: web.Request) -> Any:
        """POST /2/oauth2/token (RFC 6749); each refresh token works once."""
        form = dict(await request.post())
        with self.lock:
            return self.tokens.endpoint(form, request.headers.get("Authorization", ""))

    async def give_app(self, request: web.Request) -> Any:
        """POST /oauth2/token: the app's one token, which does not end, for its API key.

        https://developer.x.com/en/docs/authentication/api-reference/token
        """
        key = encode_basic_auth(API_KEY, API_SECRET)
        form = dict(await request.post())
        if (request.headers.get("Authorization"), form) != (key, {"grant_type": _APP}):
            said = {"code": 99, "message": "Unable to verify your credentials"}
            raise ApiError(403, {"errors": [{**said, "label": "authenticity_token_error"}]})
        return {"token_type": "bearer", "access_token": BEARER}

    # ---- posts -----------------------------------------------------------------------------

    def search_recent(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/posts/search-recent-posts."""
        query = self.query(request)
        found = self.world.matching(query.needed("query"))
        return self._page(query, self._between(query, found, days=7), high=100, low=10, search=True)

    def search_all(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/posts/search-all-posts."""
        if not self.entitled:
            raise self.error(403, "Your client app is not enrolled.", reason="client-not-enrolled")
        query = self.query(request)
        found = self.world.matching(query.needed("query"))
        topics = "context_annotations" in (query.text("tweet.fields") or "")
        high = 100 if topics else 500
        return self._page(query, self._between(query, found), high=high, low=10, search=True)

    def timeline(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/users/get-posts."""
        if (refused := self._user(request)) is not None:
            return refused
        query = self.query(request)
        query.several("exclude", ("replies", "retweets"))
        own = [e for e in self.world.posts if e["author_id"] == request.match_info["id"]]
        return self._page(query, self._between(query, own[:3200]), high=100, low=5)

    def mentions(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/users/get-mentions."""
        if (refused := self._user(request)) is not None:
            return refused
        query, name = self.query(request), self.world.users[request.match_info["id"]]["username"]
        found = [each for each in self.world.posts if f"@{name}" in each["text"]]
        return self._page(query, self._between(query, found[:800]), high=100, low=5)

    def liked(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/users/get-liked-posts."""
        if self.caller(request).who == "app":
            raise self.error(
                403,
                "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.",
            )
        if (refused := self._user(request)) is not None:
            return refused
        return self._page(
            self.query(request), self.world.posts[::-3], high=100, low=5, ranged=False
        )

    def list_posts(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/lists/get-list-posts."""
        return self._page(self.query(request), self.world.posts, high=100, low=1, ranged=False)

    def posts(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/posts/get-posts-by-ids."""
        query = self.query(request)
        ids = self._several(query, "ids")
        found = {each["id"]: each for each in self.world.of(ids)}
        asked = wanted(query, self.vocabularies)
        query.done()
        body = joined(self.world, [found[id_] for id_ in ids if id_ in found], asked)
        missing = [self.missing("tweet", "ids", id_) for id_ in ids if id_ not in found]
        return self._spoken(with_errors(body, missing), asked.vocabulary)

    # ---- users -----------------------------------------------------------------------------

    def users(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/users/get-users-by-ids."""
        return self._lookup(self.query(request), "ids", lambda key: self.world.users.get(key))

    def users_by(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/users/get-users-by-usernames."""
        names = {user["username"]: user for user in self.world.users.values()}
        return self._lookup(self.query(request), "usernames", names.get)

    def me(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/users/get-my-user."""
        if self.caller(request).who == "app":
            raise self.error(403, "Application-Only is forbidden for this endpoint.")
        user = self.world.users[self.caller(request).who]
        return {"data": {key: user[key] for key in ("id", "name", "username")}}

    def usage(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/usage/get-usage."""
        return {"data": {"project_id": "7", "project_cap": "3000000", "project_usage": "125"}}

    def follows(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/users/get-followers and get-following."""
        if (refused := self._user(request)) is not None:
            return refused
        own = request.match_info["id"]
        return self._user_page(
            request, [u for u in self.world.users.values() if u["id"] != own], 1000
        )

    def members(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/lists/get-list-members."""
        return self._user_page(request, list(self.world.users.values()), 100)

    # ---- counts ----------------------------------------------------------------------------

    def counts_recent(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/posts/get-count-of-recent-posts."""
        return self._counts(request, days=7)

    def counts_all(self, request: web.Request) -> Any:
        """See https://docs.x.com/x-api/posts/get-count-of-all-posts; 30 days a page."""
        return self._counts(request, days=None)

    def _counts(self, request: web.Request, *, days: int | None) -> Any:
        query = self.query(request)
        found = self.world.matching(query.needed("query"))
        unit = {"minute": 60, "hour": 3600, "day": 86400}[
            query.choice("granularity", ("minute", "hour", "day"), "hour") or "hour"
        ]
        now = datetime.now(UTC)
        start = self._time(query, "start_time") or now - timedelta(days=days or 30)
        end = self._time(query, "end_time") or now - timedelta(seconds=30)
        found = self._between(query, found, days=days)
        token = query.text("next_token")
        query.done()
        pages_end = self._position(token) if token else None
        high = datetime.fromisoformat(pages_end) if pages_end else end
        low = max(start, high - timedelta(days=30))
        data, at = [], low
        while at < high:
            upto = min(high, at + timedelta(seconds=unit - at.timestamp() % unit))
            hit = [e for e in found if at <= datetime.fromisoformat(e["created_at"]) < upto]
            data.append({"start": zulu(at), "end": zulu(upto), "tweet_count": len(hit)})
            at = upto
        body: Json = {
            "data": data,
            "meta": {"total_tweet_count": sum(e["tweet_count"] for e in data)},
        }
        if low > start:
            body["meta"]["next_token"] = self._token(low.isoformat())
        return self._spoken(body, "tweet" if "tweet" in self.vocabularies else "post")
