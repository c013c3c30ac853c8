"""What Mixpanel has to read, as data: addresses, pages and columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_spotify.core.sources.web.columns import Column, ColumnType
from airflow_provider_spotify.core.sources.web.pages import Page, Pagination, Position, number
from airflow_provider_spotify.core.sources.web.resource import Resource, Spans, Whole

ResourceName = Literal["export", "profiles", "cohorts", "annotations"]
PROFILES = 1000
"""Profiles of one page, by the documentation."""


class Sessions(Pagination):
    """Pages of a query that Mixpanel keeps for a while under a session's id.

    A page with fewer rows than ``page_size`` is the last:
    https://docs.mixpanel.com/reference/engage-query
    """

    kind: Literal["session"] = "session"

    @property
    def counted(self) -> str | None:
        """The path of the number of profiles."""
        return "total"

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return the page's number and its session; nothing for the first page."""
        if "token" not in position:
            return {}
        return {"page": position["page"], "session_id": position["token"]}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the next page, unless this one was not full."""
        size = number(page.body, "page_size") or PROFILES
        session = page.body.get("session_id") if isinstance(page.body, dict) else None
        if page.size < size or not session:
            return None
        return {"page": position.get("page", 0) + 1, "token": session}


def _event(name: str, path: str, doc: str, kind: ColumnType = "text") -> Column:
    return Column(name, kind, f"properties.{path}", doc)


EVENT = (
    Column("event", "text", "event", "name of the event"),
    _event("time", "time", "when it happened, whole seconds", "timestamp[s]"),
    _event("distinct_id", "distinct_id", "who did it"),
    _event(
        "insert_id",
        "$insert_id",
        "tells events of one user, time and name apart; a digest after ~ if none was sent",
    ),
    _event("user_id", "$user_id", "the user's id, where identities are merged"),
    _event("device_id", "$device_id", "the device's id, where identities are merged"),
    _event("os", "$os", "operating system"),
    _event("device", "$device", "device model"),
    _event("browser", "$browser", "browser"),
    _event("app_version", "$app_version_string", "version of the app"),
    _event("city", "$city", "city, from the address"),
    _event("region", "$region", "region, from the address"),
    _event("country", "mp_country_code", "country, ISO 3166-1 alpha-2"),
    _event("url", "$current_url", "page that was shown"),
    _event("library", "mp_lib", "library that sent it"),
    _event("processed_at", "mp_processing_time_ms", "when Mixpanel took it in", "timestamp[ms]"),
    Column("properties", "json", "properties", "all properties, those above included"),
)
_PROFILE = (
    Column("distinct_id", "text", "$distinct_id", "the profile's id"),
    Column(
        "last_seen", "timestamp", "$properties.$last_seen", "last change, by the project's clock"
    ),
    Column(
        "created", "timestamp", "$properties.$created", "by whoever set it, with or without zone"
    ),
    Column("email", "text", "$properties.$email", "address of mail"),
    Column("name", "text", "$properties.$name", "full name"),
    Column("first_name", "text", "$properties.$first_name", "given name"),
    Column("last_name", "text", "$properties.$last_name", "family name"),
    Column("country", "text", "$properties.$country_code", "country, ISO 3166-1 alpha-2"),
    Column("city", "text", "$properties.$city", "city, from the address"),
    Column("properties", "json", "$properties", "all properties, those above included"),
)
_COHORT = (
    Column("id", "text", "id", "the cohort's id"),
    Column("name", "string", "name", "its name"),
    Column("description", "string", "description", "what it is for"),
    Column("count", "bigint", "count", "users in it now"),
    Column("created", "timestamp", "created", "when it was made, by the project's clock"),
    Column("is_visible", "boolean", "is_visible", "it is shown to the project's members"),
    Column("project_id", "text", "project_id", "the project's id"),
)
_ANNOTATION = (
    Column("id", "text", "id", "the annotation's id"),
    Column("project_id", "text", "project_id", "the project's id"),
    Column("date", "timestamp", "date", "the moment it marks, by the project's clock"),
    Column("description", "string", "description", "its text"),
    Column("user_id", "text", "user.id", "who wrote it"),
    Column("user_name", "text", "user.first_name", "that person's given name"),
    Column("tags", "json", "tags", "its tags, each with id and name"),
)
RESOURCES: Mapping[str, Resource] = {
    "export": Resource(
        "api/2.0/export",
        EVENT,
        "an event as it was sent, with all its properties",
        progress=Spans(lookback=timedelta(days=5)),
    ),
    "profiles": Resource(
        "api/query/engage",
        _PROFILE,
        "a user's profile",
        records="results",
        pages=Sessions(),
        progress=Whole(timedelta(days=1)),
        method="POST",
        identity=("$distinct_id",),
    ),
    "cohorts": Resource(
        "api/query/cohorts/list",
        _COHORT,
        "a saved cohort and how many users it has",
        progress=Whole(timedelta(days=1)),
        method="POST",
    ),
    "annotations": Resource(
        "api/app/projects/{project}/annotations",
        _ANNOTATION,
        "a note on a moment of the project",
        records="results",
        progress=Whole(timedelta(days=1)),
    ),
}
