"""Source ``twitter``: posts, users and counts of X, by search, timeline, list or id.

API v2: https://docs.x.com/x-api/introduction. What is read is billed
(https://docs.x.com/x-api/getting-started/pricing): a run's ``budget`` bounds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.api import _twitter_errors as errors
from airflow_provider_spotify.core.sources.api import _twitter_joins as joins
from airflow_provider_spotify.core.sources.api._twitter_columns import POST, USER
from airflow_provider_spotify.core.sources.api._twitter_resources import (
    BATCH,
    COUNTS_PRICE,
    DEEPEST,
    LOOKUPS,
    MEDIA_PRICE,
    OWNED_PRICE,
    POST_PRICE,
    RECENT,
    RESOURCES,
    USER_PRICE,
    ResourceName,
)
from airflow_provider_spotify.core.sources.web.base import WebSource
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.progress import Extent, Slice, floor
from airflow_provider_spotify.core.sources.web.resource import Call, Resource, Spans
from airflow_provider_spotify.core.usage import Budget, Estimate, Usage

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Request, Response
    from airflow_provider_spotify.core.sources.web.rows import Reject

Part = Literal["author", "referenced", "media", "place"]
_FIRST_ID_AT = 1_288_834_974_657
"""Milliseconds since 1970 at which post ids began to hold their time, in the bits above 22."""
_LATEST = timedelta(seconds=30)
"""Searches know posts up to so long ago
(https://docs.x.com/x-api/posts/search/integrate/paginate)."""
_PATTERNS = {"ids": r"\d{1,19}", "usernames": r"[A-Za-z0-9_]{1,15}", "queries": r"(?s).{1,4096}"}


class TwitterConfig(WebConfig):
    """The keys of ``source: {type: twitter, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    queries: tuple[str, ...] = Field(
        (),
        description="search queries, each read for itself",
        examples=[["from:acme -is:retweet"]],
    )
    ids: tuple[str, ...] = Field((), description="ids of the users, lists or posts")
    usernames: tuple[str, ...] = Field((), description="handles of users, without @")
    exclude: tuple[Literal["replies", "retweets"], ...] = Field(
        (), description="posts of user_posts to leave out"
    )
    expand: tuple[Part, ...] = Field(
        ("author", "referenced", "media", "place"),
        description="what is joined into posts; users, posts and media that come so are billed",
    )
    owned: bool = Field(
        False, description="the ids are those of the app's owner, who pays the price of owned reads"
    )
    estimate_by_counts: bool = Field(
        False,
        description="let an estimate ask for the number of posts of a search, which is billed",
    )
    vocabulary: Literal["tweet", "post"] = Field(
        "tweet", description="X's names of fields in requests: tweet.fields, or post.fields"
    )

    @model_validator(mode="before")
    @classmethod
    def _paced(cls, given: Any) -> Any:
        # Full-archive search takes one request a second, which no header tells.
        if isinstance(given, Mapping) and given.get("resource") == "search_all":
            return {**given, "rate_limit": given.get("rate_limit") or "1/s"}
        return given

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        key = RESOURCES[self.resource].key or ""
        given = getattr(self, key)
        if not given:
            raise ValueError(f"{self.resource} needs {key}")
        if bad := [each for each in given if not re.fullmatch(_PATTERNS[key], each)]:
            raise ValueError(f"{key}: {bad[0]!r} is none; it must match {_PATTERNS[key]}")
        if self.resource.startswith("counts_all") and self.start is None:
            raise ValueError(f"{self.resource} needs start: each 30 days are a billed request")
        if self.exclude and self.resource != "user_posts":
            raise ValueError(f"{self.resource} takes no exclude; write -is:retweet into a query")
        return self


class TwitterSource(WebSource[TwitterConfig]):
    """Reads one resource of X's API."""

    Config = TwitterConfig
    conn_type: ClassVar[str | None] = "twitter"
    extra: ClassVar[str | None] = "api"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = "https://api.x.com/2"
    _glancing = False

    def sign_in(self) -> Auth:
        """Return the app's bearer token, or what obtains it or renews a user's.

        :raises ConfigurationError: if the connection has none of them
        """
        from airflow_provider_spotify.core.clients.http.auth import BearerAuth
        from airflow_provider_spotify.core.clients.oauth.grants import signed_in

        credentials = self.credentials
        given = credentials.secret("bearer_token")
        password = credentials.secret()
        if credentials.secret("refresh_token") or (credentials.login and password and not given):
            url = credentials.extra.get("token_url")
            return signed_in(credentials, provider="twitter", token_url=url)
        token = given or password
        if not token:
            raise ConfigurationError(
                "an X connection needs the app's bearer token as password, without a login, or its "
                "API key as login and API key secret as password; or to act for a user the client "
                "id as login and refresh_token in extra"
            )
        return BearerAuth(SecretStr(token))

    def classify(self, response: Response) -> ImporterError | None:
        """Tell a used-up cap or credit from a rate that is too high, and say what is wrong."""
        if response.status < 400:
            return None
        try:
            return errors.named(response.status, response.json())
        except ValueError:
            return None

    def bucket(self, request: Request) -> str:
        """Name the endpoint: each has a limit of its own."""
        return self.resource.path

    @property
    def resource(self) -> Resource:
        """The resource that is read, at the price of who reads it."""
        found = RESOURCES[self.config.resource]
        return found._replace(price=OWNED_PRICE) if self.config.owned and found.price else found

    @cached_property
    def keys(self) -> Sequence[str]:
        """What is read one after the other; a lookup asks for up to 100 at once."""
        keys = super().keys
        if self.config.resource not in LOOKUPS:
            return keys
        return [",".join(keys[at : at + BATCH]) for at in range(0, len(keys), BATCH)]

    def now(self) -> datetime:
        """Return the latest time that can be asked for."""
        return datetime.now(UTC) - _LATEST

    @property
    def extent(self) -> Extent:
        """What the configuration says about time; recent counts reach back seven days."""
        extent, progress = super().extent, self.resource.progress
        if not isinstance(progress, Spans) or not self._recent:
            return extent
        first = floor(datetime.now(UTC) - RECENT, progress.unit) + progress.unit
        return extent._replace(start=max(first, extent.start or first))

    @property
    def _recent(self) -> bool:
        return "recent" in self.config.resource

    def call(self, now: Slice, position: Any, *, asked: Any, room: int | None) -> Call:
        """Fill the key in, ask for all columns, and see that counts are still paid for."""
        if self._request_price:
            self.usage.room(price=self._request_price)
        room = 1 if self._glancing else self._affordable(room)
        call = super().call(now, position, asked=asked, room=room)
        params = {k: now.key if v == "{key}" else v for k, v in call.params.items()}
        params |= self._fields()
        if "until_id" in params:
            params.pop("end_time", None)
        if self.config.exclude:
            params["exclude"] = ",".join(self.config.exclude)
        return call._replace(params=params)

    def _affordable(self, room: int | None) -> int | None:
        """Return how many records the budget pays for, with what will be joined into them."""
        joined = {"author": USER_PRICE, "referenced": POST_PRICE, "media": MEDIA_PRICE}
        if room is None or self.usage.budget.cost is None or POST[-1] not in self.resource.columns:
            return room
        more = sum(joined.get(part, 0.0) for part in self.config.expand)
        return min(room, self.usage.room(price=self.resource.price + more) or room)

    def _fields(self) -> Mapping[str, str]:
        config, columns = self.config, self.resource.columns
        if POST[-1] in columns:
            topics = config.resource != "search_all"
            return joins.post_params(config.vocabulary, config.expand, topics=topics)
        return {"user.fields": joins.USER_FIELDS} if USER[-1] in columns else {}

    def bounds(self, now: Slice, asked: Any) -> Mapping[str, Any]:
        """Leave out what is further back than a recent endpoint takes: it begins there anyway."""
        found = super().bounds(now, asked)
        if not self._recent or isinstance(self.resource.progress, Spans):
            return found
        oldest = datetime.now(UTC) - RECENT + timedelta(minutes=1)
        times = {"since_id": id_time(asked) if isinstance(asked, int) else None}
        times |= {"start_time": asked if isinstance(asked, datetime) else None, "end_time": now.end}
        return {k: v for k, v in found.items() if (at := times.get(k)) is None or at > oldest}

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the records with what came beside them joined in, and count what is billed."""
        lookup = self.config.resource in LOOKUPS
        body = errors.checked(body, where=self.config.resource, lookup=lookup)
        self.usage.cost += self._request_price
        if not body.get("data"):
            return []
        self._charge_included(body)
        return joins.joined(body) if POST[-1] in self.resource.columns else list(body["data"])

    def rejected(self, body: Any, now: Slice) -> Sequence[Reject]:
        """Return the resources that are gone, suspended or protected."""
        return errors.refused(body, where=f"{self.config.resource} {now.key[:60]}")

    @property
    def _request_price(self) -> float:
        return next((p for path, p in COUNTS_PRICE.items() if path in self.resource.path), 0.0)

    @cached_property
    def _billed(self) -> set[tuple[str, str]]:
        """What was counted already: the API bills it once in a UTC day."""
        return set()

    def _charge_included(self, body: Mapping[str, Any]) -> None:
        prices = {"users": USER_PRICE, "tweets": POST_PRICE, "media": MEDIA_PRICE}
        kind = "users" if USER[-1] in self.resource.columns else "tweets"
        self._billed.update((kind, str(each.get("id"))) for each in body["data"])
        new = set(joins.included(body)) - self._billed
        self._billed.update(new)
        self.usage.cost += sum(prices[kind] for kind, _ in new)

    def narrowed(self, **changes: object) -> Self:
        """Return this source with other keys; what one lookup asks for together is parted."""
        key = self.resource.key or ""
        if self.config.resource in LOOKUPS and key in changes:
            changes[key] = ",".join(changes[key]).split(",")  # type: ignore[arg-type]
        return super().narrowed(**changes)

    async def estimate(self, since: Cursor | None, window: Window | None = None) -> Estimate | None:
        """Foretell what reading costs, without what is joined in; a search only if it may ask."""
        name, price = self.config.resource, self.resource.price
        if name in LOOKUPS:
            records = sum(key.count(",") + 1 for key in self.keys)
            return Estimate(requests=len(self.keys), records=records, cost=records * price)
        if name in DEEPEST:
            records = DEEPEST[name] * len(self.keys)
            return Estimate(requests=-(-records // 100), records=records, cost=records * price)
        if not (self.config.estimate_by_counts and name.startswith("search_")):
            return None
        return await self._counted(since, window)

    async def _counted(self, since: Cursor | None, window: Window | None) -> Estimate:
        """Ask for the number of posts of each query: a request of half a cent or a cent."""
        from airflow_provider_spotify.core.sources.web.reader import Reader

        total = requests = 0
        async with self.client() as http:
            for now, asked in Reader(self, http, since=since, window=window).due():
                found = await self._count(http, {"query": now.key, **self.bounds(now, asked)})
                total, requests = total + found, requests + max(1, -(-found // BATCH))
        cost = total * self.resource.price
        return Estimate(requests=requests, records=total, cost=cost, exact=True)

    async def _count(self, http: HttpClient, params: Mapping[str, Any]) -> int:
        path, total, token = self.resource.path.replace("/search/", "/counts/"), 0, None
        while True:
            asked = {**params, "granularity": "day"} | ({"next_token": token} if token else {})
            body = await http.get_json(path, params=asked, bucket=path)
            body = errors.checked(body, where=path, lookup=False)
            meta = body.get("meta") or {}
            total += int(meta.get("total_tweet_count", meta.get("total_post_count", 0)))
            if not (token := meta.get("next_token")):
                return total

    async def _checked(self) -> str:
        """Ask for the app's usage, or for the user whose token it is."""
        is_user = bool(self.credentials.secret("refresh_token"))
        async with self.client() as http:
            body = await http.get_json("users/me" if is_user else "usage/tweets")
        found = body.get("data") if isinstance(body, Mapping) else None
        if not isinstance(found, Mapping):
            raise ConfigurationError("X answers, but not as its API does; check api_url")
        if is_user:
            return "X answers and accepts the user's token"
        used, cap = found.get("project_usage"), found.get("project_cap")
        return f"X answers; {used} of {cap} posts of this month are read"

    async def _first(self, since: Cursor | None, window: Window | None) -> Sequence[Any] | None:
        """Ask for as few records as the endpoint gives, one key after the other."""
        usage, self.usage, self._glancing = self.usage, Usage(budget=_ONE_BY_ONE), True
        try:
            return await super()._first(since, window)
        finally:
            self.usage, self._glancing = usage, False

    def _timed(self, window: Window | None) -> None:
        super()._timed(window)
        if window and self._recent and window.start < datetime.now(UTC) - RECENT:
            name = self.config.resource
            raise ConfigurationError(
                f"{name} reaches back seven days only, not to {window.start:%Y-%m-%d %H:%M}; "
                f"read {name.replace('recent', 'all')}"
            )


_ONE_BY_ONE = Budget(records=1_000_000)
"""With a budget no page is asked for ahead."""


def id_time(post_id: int) -> datetime:
    """Return when a post was made, by its id (https://docs.x.com/fundamentals/x-ids)."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=(post_id >> 22) + _FIRST_ID_AT)


SOURCE = TwitterSource
