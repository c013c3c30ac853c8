"""Source ``tiktok``: a user's profile and videos, and what the Research API may query.

Display API: https://developers.tiktok.com/doc/display-api-overview, with the token of the user
whose videos are read. Research API: https://developers.tiktok.com/doc/about-research-api, only for
approved projects of non-profit institutions, with 1,000 requests and 100,000 rows a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError, TransientError
from airflow_provider_spotify.core.model import Frozen
from airflow_provider_spotify.core.sources.api._tiktok_errors import SearchEnded, classify
from airflow_provider_spotify.core.sources.api._tiktok_resources import (
    AT_ONCE,
    FIELDS,
    RESEARCH,
    RESOURCES,
    ResourceName,
    with_texts,
)
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.keys import KeyedSource, KeysFrom
from airflow_provider_spotify.core.sources.web.pages import Position
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import Call, Resource

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Request, Response
    from airflow_provider_spotify.core.sources.web.rows import Reject

_Ids = Annotated[str, StringConstraints(pattern=r"^\d+(,\d+)*$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._]{1,30}$")]


class Condition(Frozen):
    """One condition of a research query."""

    operation: Literal["EQ", "IN", "GT", "GTE", "LT", "LTE"]
    field_name: str = Field(description="such as keyword, hashtag_name, username, region_code")
    field_values: tuple[str, ...] = Field(min_length=1)


class TiktokConfig(WebConfig):
    """The keys of ``source: {type: tiktok, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    research: bool = Field(
        False,
        description="you have an approved Research API project, which no commercial use gets; the"
        " research_ resources need it",
    )
    video_ids: tuple[_Ids, ...] = Field(
        (), description="videos_by_id, research_comments: ids of the videos"
    )
    video_ids_from: KeysFrom | None = Field(
        None, description="read the ids of the videos from a table instead"
    )
    usernames: tuple[_Name, ...] = Field((), description="research_users: names of the accounts")
    query: Mapping[Literal["and", "or", "not"], tuple[Condition, ...]] = Field(
        default_factory=dict, description="research_videos: the conditions, by how they combine"
    )

    @model_validator(mode="after")
    def _allowed(self) -> Self:
        if (self.resource in RESEARCH) != self.research:
            raise ValueError(
                f"{self.resource} needs research: true, and with it an approved research project"
                if self.resource in RESEARCH
                else f"{self.resource} is no resource of the Research API; take research away"
            )
        key = RESOURCES[self.resource].key
        if key == "video_ids" and bool(self.video_ids) == bool(self.video_ids_from):
            raise ValueError(f"{self.resource} needs either video_ids or video_ids_from")
        if key == "usernames" and not self.usernames:
            raise ValueError(f"{self.resource} needs usernames")
        if self.resource == "research_videos" and not (self.start and any(self.query.values())):
            raise ValueError("research_videos needs start, and query with a condition")
        return self


class TiktokSource(KeyedSource[TiktokConfig]):
    """Reads one resource of TikTok's APIs."""

    Config = TiktokConfig
    conn_type: ClassVar[str | None] = "tiktok"
    extra: ClassVar[str | None] = "api"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = "https://open.tiktokapis.com/v2"

    def sign_in(self) -> Auth:
        """Return the user's token, renewed by the refresh token; for research the project's own.

        :raises ConfigurationError: if the connection lacks what is needed
        """
        from airflow_provider_spotify.core.clients.oauth.grants import signed_in

        credentials = self.credentials
        if self.config.research:
            extra = {k: v for k, v in credentials.extra.items() if k != "refresh_token"}
            credentials = credentials.model_copy(update={"extra": extra})
        elif not credentials.secret("refresh_token"):
            raise ConfigurationError(
                f"{self.config.resource} is of a user: a TikTok connection needs refresh_token in"
                " extra (run: spotify-imports authorize tiktok)"
            )
        token_url = credentials.extra.get("token_url") or None
        return signed_in(credentials, provider="tiktok", token_url=token_url)

    def classify(self, response: Response) -> ImporterError | None:
        """Name the error that ``error.code`` stands for."""
        return classify(response)

    def bucket(self, request: Request) -> str:
        """Name the endpoint: each has 600 requests in a sliding minute of its own."""
        return urlsplit(request.url).path.rstrip("/")

    @cached_property
    def _searches(self) -> set[str | None]:
        return set()

    @cached_property
    def keys(self) -> Sequence[str]:
        """What is read one after the other: accounts, videos, or twenty videos at once."""
        keys = super().keys
        if self.config.resource != "videos_by_id":
            return keys
        ids = list(dict.fromkeys(each for key in keys for each in key.split(",")))
        return [",".join(ids[at : at + AT_ONCE]) for at in range(0, len(ids), AT_ONCE)]

    def bounds(self, now: Slice, asked: Any) -> Mapping[str, Any]:
        """Return the span; a listing up to now begins at the newest video and needs none."""
        up_to_now = now.end is not None and self.now() - now.end < timedelta(minutes=1)
        if self.config.resource == "videos" and up_to_now:
            return {}
        return super().bounds(now, asked)

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Name the fields in the query, and the rest in the body."""
        call = super().call(now, position, asked=asked, room=room)
        body, name = dict(call.json or {}), self.config.resource
        if name == "videos_by_id":
            body["filters"] = {"video_ids": numbers(now.key)}
        elif name == "research_comments":
            body["video_id"] = int(numbers(now.key)[0])
        elif name == "research_users":
            body["username"] = now.key
        elif name == "research_videos":
            body["query"] = {
                how: [condition.model_dump(mode="json") for condition in conditions]
                for how, conditions in self.config.query.items()
                if conditions
            }
        sent = body if self.resource.method == "POST" else None
        return call._replace(params={"fields": FIELDS[name]}, json=sent)

    async def ask(self, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
        """Ask for a page; what is no answer of TikTok is an error, not the end.

        :raises TransientError: if it says neither ``ok`` nor what is wrong, or a search has ended
            that this run began: the next one begins it anew
        """
        search = (call.json or {}).get("search_id")
        try:
            response, body = await super().ask(http, call, now)
        except SearchEnded as error:
            if search in self._searches:
                raise TransientError(f"{error}; the span is begun again by the next run") from None
            raise
        said = body.get("error") if isinstance(body, dict) else None
        is_ok = isinstance(said, dict) and said.get("code") == "ok"
        if not is_ok or not isinstance(body.get("data"), dict):
            raise TransientError("TikTok answered without error.code ok, or without data")
        self._searches.add(body["data"].get("search_id"))
        return response, body

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the records with their ids as text: the Research API gives numbers."""
        found = [with_texts(record) for record in super().records(body, now) if record]
        if found and self.config.resource == "research_videos":
            require_days(found, now)
        return found

    def rejected(self, body: Any, now: Slice) -> Sequence[Reject]:
        """Return the ids that were asked for and are not there."""
        from airflow_provider_spotify.core.sources.web.rows import Reject

        if self.config.resource != "videos_by_id":
            return ()
        found = {str(record.get("id")) for record in super().records(body, now) if record}
        missing = [key for key in now.key.split(",") if key not in found]
        return [Reject({"id": key}, "not found", "videos_by_id") for key in missing]

    def rereads(self) -> str | None:
        """Say that rows come again where a search has ended."""
        if self.config.resource == "research_videos":
            return "research_videos begins a span again where TikTok has forgotten the search"
        return super().rereads()


def require_days(videos: Sequence[Mapping[str, Any]], now: Slice) -> None:
    """Make sure that an answer is that of its span, and not one of another request.

    :raises TransientError: if no video was posted in the span
    """
    assert now.start is not None
    assert now.end is not None
    low, high = now.start.timestamp(), now.end.timestamp()
    times = [each.get("create_time") for each in videos]
    if all(isinstance(time, int) and not low <= time < high for time in times):
        raise TransientError(
            f"TikTok answered with videos of other days than {now.start:%Y-%m-%d} and later"
        )


def numbers(key: str) -> Sequence[str]:
    """Return the ids of a key that can be ids: one that is none would fail the whole request.

    :raises NotFound: if there are none
    """
    from airflow_provider_spotify.core.clients.http.errors import NotFound

    found = [each for each in key.split(",") if each.isascii() and each.isdigit()]
    if not found:
        raise NotFound("this is no id of a TikTok video")
    return found


SOURCE = TiktokSource
