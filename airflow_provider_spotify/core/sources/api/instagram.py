"""Source ``instagram``: media, insights, comments, stories, hashtags and accounts.

Business and creator accounts only, by either login
(https://developers.facebook.com/docs/instagram-platform/overview): with Instagram login at
graph.instagram.com, with Facebook login at graph.facebook.com. Cursors of pages end after a while:
a run that goes on where one has ended reads that listing from its start, and gives the rest of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError, TransientError
from airflow_provider_spotify.core.model import Cursor, DatasetName, Window
from airflow_provider_spotify.core.sources.api._instagram_resources import (
    DEFAULT_METRICS,
    FACEBOOK_ONLY,
    KEPT,
    OF_OTHERS,
    RESOURCES,
    WATCHED,
    WITH_INSIGHTS,
    ResourceName,
)
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.keys import KeyedSource, KeysFrom
from airflow_provider_spotify.core.sources.web.pages import Position, dig
from airflow_provider_spotify.core.sources.web.progress import Extent, Slice
from airflow_provider_spotify.core.sources.web.resource import Call, Resource, Spans

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Response, Told
    from airflow_provider_spotify.core.sources.api._instagram_insights import MediaInsights
    from airflow_provider_spotify.core.sources.web.pages import Page

Login = Literal["instagram", "facebook"]
HOSTS: Mapping[str, str] = {
    "instagram": "https://graph.instagram.com",
    "facebook": "https://graph.facebook.com",
}
_FEW = 5
"""Media whose figures are asked for at once to see whether any has changed."""
_Id = Annotated[str, StringConstraints(pattern=r"^\d[\d_]*$")]
_Account = Annotated[str, StringConstraints(pattern=r"^(me|\d+)$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._]{1,30}$")]
_Hashtag = Annotated[str, StringConstraints(pattern=r"^\w+$")]


class InstagramConfig(WebConfig):
    """The keys of ``source: {type: instagram, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    accounts: tuple[_Account, ...] = Field(
        (),
        description="ids of the professional accounts; by default the connection's, and with"
        " Instagram login that of the token. Hashtags and others' accounts are asked for in the"
        " name of the first one",
    )
    media: tuple[_Id, ...] = Field((), description="comments, replies: ids of the media")
    media_from: KeysFrom | None = Field(
        None, description="read the ids of the media from a table instead"
    )
    hashtags: tuple[_Hashtag, ...] = Field(
        (),
        max_length=30,
        description="names without the sign; an account may ask for 30 different ones in 7 days",
    )
    usernames: tuple[_Name, ...] = Field(
        (), description="business_discovery: names of others' professional accounts"
    )
    metrics: tuple[_Name, ...] = Field(
        (), description="insights of accounts: the metrics; by default the usual ones"
    )
    breakdown: _Name | None = Field(
        None,
        description="insights of accounts: what each metric is broken down by, such as"
        " media_product_type, follow_type; demographics: age, city, country (default) or gender",
    )
    timeframe: _Name | None = Field(
        None, description="demographics: this_week or this_month, where the metric asks for one"
    )
    api_version: str = Field(
        "v26.0", pattern=r"^v\d+\.\d+$", description="version of the Graph API"
    )
    page_size: int = Field(50, ge=1, le=50, description="rows of a page, at most")

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        key = RESOURCES[self.resource].key or "accounts"
        if key == "media" and bool(self.media) == bool(self.media_from):
            raise ValueError(f"{self.resource} needs either media or media_from")
        if key not in ("accounts", "media") and not getattr(self, key):
            raise ValueError(f"{self.resource} needs {key}")
        if (self.metrics or self.breakdown) and self.resource not in DEFAULT_METRICS:
            raise ValueError(f"metrics and breakdown belong to {', '.join(DEFAULT_METRICS)}")
        return self


class InstagramSource(KeyedSource[InstagramConfig]):
    """Reads one resource of the Instagram Graph API."""

    Config = InstagramConfig
    conn_type: ClassVar[str | None] = "instagram"
    extra: ClassVar[str | None] = "api"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = HOSTS["instagram"]
    ping = "me?fields=id"

    @property
    def login(self) -> Login:
        """How the token was given: by Instagram's login, or by Facebook's."""
        said = str(self.credentials.extra.get("login_type") or "instagram")
        if said not in HOSTS:
            raise ConfigurationError("login_type of an Instagram connection: instagram or facebook")
        return "facebook" if said == "facebook" else "instagram"

    @property
    def _root(self) -> str:
        given = self.config.api_url or self.credentials.extra.get("api_url")
        return str(given or HOSTS[self.login]).rstrip("/")

    @property
    def base_url(self) -> str:
        """The host with the API's version."""
        return f"{self._root}/{self.config.api_version}"

    def dataset(self) -> DatasetName:
        """Name the host of the login and the resource's path."""
        return DatasetName(self.config.api_url or HOSTS[self.login], f"/{self.resource.path}")

    def sign_in(self) -> Auth:
        """Return the long-lived token, which is prolonged while it lives.

        :raises ConfigurationError: if the connection has none, or its login lacks the resource
        """
        from airflow_provider_spotify.core.sources.api._instagram_login import signed_in

        if self.login == "instagram" and self.config.resource in FACEBOOK_ONLY:
            raise ConfigurationError(
                f"{self.config.resource} needs Facebook login: set login_type to facebook in the"
                " Instagram connection and give it a token of Facebook login"
            )
        return signed_in(
            self.credentials, login=self.login, root=self._root, version=self.config.api_version
        )

    def classify(self, response: Response) -> ImporterError | None:
        """Name the error that a body holds."""
        from airflow_provider_spotify.core.sources.api._instagram_errors import classify

        return classify(response, max_wait=self.config.max_wait.total_seconds())

    def learn(self, response: Response) -> Told | None:
        """Read how much of the limits is used."""
        from airflow_provider_spotify.core.sources.api._instagram_errors import learn

        return learn(response)

    @cached_property
    def accounts(self) -> Sequence[str]:
        """The ids of the accounts.

        :raises ConfigurationError: if none is named and the login does not tell
        """
        named = self.config.accounts or tuple(
            filter(None, (str(self.credentials.extra.get("account_id") or ""),))
        )
        if self.login == "facebook" and (not named or "me" in named):
            raise ConfigurationError(
                "with Facebook login an account is to be named by its id, for me is a person: in"
                " accounts, or as account_id in the Instagram connection"
            )
        return list(dict.fromkeys(named or ("me",)))

    @cached_property
    def keys(self) -> Sequence[str]:
        """What is read one after the other."""
        return self.accounts if self.resource.key == "accounts" else super().keys

    @property
    def extent(self) -> Extent:
        """What the configuration says about time, and how far back insights are read."""
        extent, progress = super().extent, self.resource.progress
        if isinstance(progress, Spans) and extent.start is None:
            return extent._replace(start=self.now() - KEPT)
        if self.config.resource == "media_insights" and self.config.lookback is None:
            return extent._replace(lookback=WATCHED)
        return extent

    def now(self) -> datetime:
        """Return the time; for insights by day that of Meta's days, which are Los Angeles'."""
        from airflow_provider_spotify.core.sources.api._instagram_days import wall

        now = super().now()
        return wall(now) if isinstance(self.resource.progress, Spans) else now

    def bounds(self, now: Slice, asked: Any) -> Mapping[str, Any]:
        """Return the span, as moments; an order of time is not asked for."""
        from airflow_provider_spotify.core.sources.api._instagram_days import moment

        if not isinstance(self.resource.progress, Spans) or now.start is None or now.end is None:
            return {}
        return {
            "since": int(moment(now.start).timestamp()),
            "until": int(moment(now.end).timestamp()),
        }

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Name the fields, the metrics, and in whose name others' data is asked for."""
        from airflow_provider_spotify.core.sources.api import _instagram_calls as calls

        call = super().call(now, position, asked=asked, room=room)
        params = dict(call.params)
        if "limit" in params:
            params["limit"] = min(params["limit"], self.config.page_size)
        name = self.config.resource
        if name in OF_OTHERS:
            return calls.of_others(
                call, params, resource=name, key=now.key, account=self.accounts[0]
            )
        if name == "account":
            params |= calls.account_fields(self.login)
        if name in DEFAULT_METRICS:
            params |= calls.metrics(self.config)
        return call._replace(params=params)

    async def ask(self, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
        """Ask for a page, and for what it needs before or leaves out."""
        from airflow_provider_spotify.core.sources.api import _instagram_calls as calls

        if "{hashtag}" in call.url:
            node = await calls.hashtag_id(http, name=now.key, account=self.accounts[0])
            call = call._replace(url=call.url.replace("{hashtag}", node))
        try:
            response, body = await calls.smaller(super().ask, http, call, now)
        except ConfigurationError as error:
            if type(error) is ConfigurationError and call.params.get("after") in self._cursors:
                # It was good a moment ago: the next run reads the listing from its start.
                raise TransientError(f"{error}; the page's cursor has ended") from None
            raise
        self._cursors.add(dig(body, "paging.cursors.after"))
        if self.config.resource in WITH_INSIGHTS:
            body = await calls.with_insights(
                http, body, self._insights, width=http.settings.concurrency
            )
        elif self.config.resource == "replies":
            body = await calls.with_replies(http, body, size=self.config.page_size)
        return response, body

    @cached_property
    def _cursors(self) -> set[str | None]:
        """The cursors that were given to this run."""
        return set()

    @cached_property
    def _insights(self) -> MediaInsights:
        from airflow_provider_spotify.core.sources.api._instagram_insights import MediaInsights

        return MediaInsights()

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether something is due; of insights only a few are asked for: new ones change."""
        if self.config.resource in WITH_INSIGHTS and self.config.page_size > _FEW:
            return await self.narrowed(page_size=_FEW).is_ready(since, window)
        return await super().is_ready(since, window)

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the rows of an answer; one without any is an error, not the end."""
        from airflow_provider_spotify.core.sources.api import _instagram_calls as calls

        return calls.rows(body, resource=self.config.resource, path=self.resource.records)

    def context(self, now: Slice, page: Page) -> Mapping[str, Any]:
        """Name the key, and the day that is read."""
        return {"key": now.key, "day": now.start.date().isoformat() if now.start else None}


SOURCE = InstagramSource
