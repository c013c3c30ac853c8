"""What Segment's Profile API and Public API offer, and its events, as data.

Profile API: https://segment.com/docs/unify/profile-api/; Public API: https://docs.segmentapis.com
(``listTrackingPlans``, ``listRulesFromTrackingPlan``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from airflow_provider_spotify.core.sources.analytics._segment_messages import COLUMNS
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.pages import NoPages, Pagination, Tokens
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Newest,
    Progress,
    Resource,
    Spans,
    Whole,
)

ResourceName = Literal[
    "events",
    "profile_traits",
    "profile_events",
    "profile_external_ids",
    "profile_links",
    "profile_metadata",
    "tracking_plans",
    "tracking_plan_rules",
]

_PROFILE = Column("profile", "string", "@key", "external id that was asked about, with its type")
_SPACE = Column("space", "string", "@space", "id of the space")


def _paged(size: int) -> Tokens:
    return Tokens(
        kind="cursor",
        param="next",
        next="cursor.next",
        has_more="cursor.has_more",
        size_param="limit",
        size=size,
    )


def _of_profile(
    part: str,
    columns: Sequence[Column],
    doc: str,
    *,
    pages: Pagination,
    progress: Progress | None = None,
    identity: Sequence[str] = (),
    verbose: bool = False,
) -> Resource:
    return Resource(
        f"v1/spaces/{{space}}/collections/{{collection}}/profiles/{{key}}/{part}",
        (_SPACE, _PROFILE, *columns),
        doc,
        records="data",
        pages=pages,
        progress=progress or Whole(),
        key="profiles",
        identity=identity,
        params={"verbose": "true"} if verbose else {},
    )


class CountedTokens(Tokens):
    """Pages of the Public API: their tokens stand for a place, which shifts if rows go."""

    @property
    def counted(self) -> str | None:
        """The path of the number of all rows, by which it is noticed that some went."""
        return "data.pagination.totalEntries"


def _plans(path: str, records: str, columns: Sequence[Column], doc: str, **more: str) -> Resource:
    return Resource(
        path,
        columns,
        doc,
        records=f"data.{records}",
        pages=CountedTokens(
            kind="cursor",
            param="pagination[cursor]",
            next="data.pagination.next",
            size_param="pagination[count]",
            size=200,
        ),
        progress=Whole(),
        key=more.get("key"),
        identity=("id",) if records == "trackingPlans" else ("type", "key", "version"),
    )


_CREATED = Column("created_at", "timestamp", "createdAt", "when it was created")
_UPDATED = Column("updated_at", "timestamp", "updatedAt", "when it was last changed")
LOOKBACK = timedelta(days=3)
"""How far before the last listing days of logs are listed again, for files that come late."""

RESOURCES: Mapping[str, Resource] = {
    "events": Resource(
        "segment-logs",
        COLUMNS,
        "messages from the logs of the S3 destination",
        progress=Spans(lookback=LOOKBACK),
    ),
    "profile_traits": _of_profile(
        "traits",
        (
            Column("trait", "string", "trait", "name of the trait, computed ones included"),
            Column("value", "json", "value", "its value"),
            Column("source_id", "string", "source_id", "source that set it"),
            Column("updated_at", "timestamp", "updated_at", "when it was set"),
        ),
        "traits of a profile, one in each row",
        pages=_paged(200),
        identity=("trait",),
        verbose=True,
    ),
    "profile_events": _of_profile(
        "events",
        (
            Column("message_id", "string", "message_id", "unique id of the message"),
            Column("type", "string", "type", "track, page …"),
            Column("event", "text", "event", "what happened"),
            Column("timestamp", "timestamp", "timestamp", "when it happened"),
            Column("source_id", "string", "source_id", "Segment source"),
            Column("properties", "json", "properties", "what the event says of itself"),
            Column("context", "json", "context", "device, page, campaign and so on"),
            Column("external_ids", "json", "external_ids", "ids that the event was sent with"),
        ),
        "events of a profile; the API keeps those of 14 days",
        pages=_paged(100),
        # Whether `start` is inclusive is not documented, and events come late: an hour is asked
        # for again, and what was read of it is left out.
        progress=Newest(Bounds("timestamp", "start", "end"), lookback=timedelta(hours=1)),
        identity=("message_id",),
    ),
    "profile_external_ids": _of_profile(
        "external_ids",
        (
            Column("type", "string", "type", "user_id, anonymous_id, email …"),
            Column("id", "string", "id", "the id"),
            Column("collection", "string", "collection", "users or accounts"),
            Column("source_id", "string", "source_id", "source that brought it"),
            Column("encoding", "string", "encoding", "how the id is written"),
            Column("first_message_id", "string", "first_message_id", "message that brought it"),
            Column("created_at", "timestamp", "created_at", "when it came"),
        ),
        "ids of a profile",
        pages=_paged(100),
        identity=("type", "id"),
    ),
    "profile_links": _of_profile(
        "links",
        (
            Column("to_collection", "string", "to_collection", "accounts or users"),
            Column("type", "string", "type", "such as group_id"),
            Column("id", "string", "id", "id of the linked user or account"),
            Column("source_id", "string", "source_id", "source that linked them"),
            Column("created_at", "timestamp", "created_at", "when they were linked"),
        ),
        "accounts of a user, or users of an account; the API gives the first 20",
        pages=_paged(20),
        identity=("to_collection", "type", "id"),
    ),
    "profile_metadata": _of_profile(
        "metadata",
        (
            Column("created_at", "timestamp", "created_at", "when the profile was created"),
            Column("updated_at", "timestamp", "updated_at", "when it last changed"),
            Column("expires_at", "timestamp", "expires_at", "when it ends, if it does"),
            Column("first_message_id", "string", "first_message_id", "its first message"),
            Column("first_source_id", "string", "first_source_id", "source of that"),
            Column("last_message_id", "string", "last_message_id", "its last message"),
            Column("last_source_id", "string", "last_source_id", "source of that"),
        ),
        "when a profile began and last changed",
        pages=NoPages(kind="none"),
    ),
    "tracking_plans": _plans(
        "tracking-plans",
        "trackingPlans",
        (
            Column("id", "string", "id", "id of the tracking plan"),
            Column("name", "string", "name", "its name"),
            Column("slug", "string", "slug", "its name in addresses"),
            Column("description", "string", "description", "what it is for"),
            Column("type", "string", "type", "LIVE, ENGAGE, RULE_LIBRARY …"),
            _CREATED,
            _UPDATED,
        ),
        "tracking plans of the workspace",
    ),
    "tracking_plan_rules": _plans(
        "tracking-plans/{key}/rules",
        "rules",
        (
            Column("tracking_plan_id", "string", "@key", "id of the tracking plan"),
            Column("type", "string", "type", "TRACK, IDENTIFY, GROUP, PAGE, SCREEN, COMMON"),
            Column("key", "string", "key", "name of the event that it is about"),
            Column("version", "double", "version", "version of the rule"),
            Column("json_schema", "json", "jsonSchema", "JSON Schema of the messages"),
            _CREATED,
            _UPDATED,
            Column("deprecated_at", "timestamp", "deprecatedAt", "when it was deprecated"),
        ),
        "rules of tracking plans",
        key="plans",
    ),
}
