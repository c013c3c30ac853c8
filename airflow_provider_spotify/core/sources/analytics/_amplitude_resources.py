"""What Amplitude has to read, as data: addresses and columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from airflow_provider_spotify.core.sources.web.columns import Column, ColumnType
from airflow_provider_spotify.core.sources.web.resource import Resource, Spans, Whole

ResourceName = Literal["events", "cohorts", "cohort_members", "event_types"]


def _plain(name: str, doc: str, kind: ColumnType = "text") -> Column:
    return Column(name, kind, name, doc)


def _time(name: str, doc: str) -> Column:
    return Column(name, "timestamp", name, f"{doc}, UTC")


EVENT = (
    _plain("uuid", "tells an event from every other one"),
    Column("insert_id", "text", "$insert_id", "told by the sender, against duplicates"),
    _plain("event_type", "name of the event"),
    _time("event_time", "when it happened, by the client's clock put right"),
    _time("server_upload_time", "when Amplitude took it in; what exports go by"),
    _time("server_received_time", "when Amplitude's servers received it"),
    _time("client_event_time", "when it happened, by the client's clock"),
    _time("client_upload_time", "when the client sent it, by its clock"),
    _time("processed_time", "when it was processed"),
    _time("user_creation_time", "when the user was first seen"),
    _plain("user_id", "the user, as the sender names them"),
    _plain("amplitude_id", "the user, as Amplitude names them"),
    _plain("device_id", "the device"),
    _plain("session_id", "start of the session, milliseconds since 1970; -1: none", "bigint"),
    _plain("event_id", "counts events of a device", "bigint"),
    _plain("app", "the project's id"),
    _plain("platform", "iOS, Android, Web …"),
    _plain("os_name", "operating system"),
    _plain("os_version", "its version"),
    _plain("device_type", "device model"),
    _plain("device_family", "family of devices"),
    _plain("device_carrier", "mobile network"),
    _plain("version_name", "version of the app"),
    _plain("start_version", "version of the app that the user began with"),
    _plain("library", "library that sent it"),
    _plain("language", "the user's language"),
    _plain("country", "country, by name"),
    _plain("region", "region"),
    _plain("city", "city"),
    _plain("dma", "designated market area"),
    _plain("ip_address", "address it came from"),
    _plain("location_lat", "latitude, degrees", "double"),
    _plain("location_lng", "longitude, degrees", "double"),
    _plain("paying", "the user has paid"),
    _plain("idfa", "Apple's advertising id"),
    _plain("adid", "Google's advertising id"),
    _plain("event_properties", "the event's own properties", "json"),
    _plain("user_properties", "the user's properties then", "json"),
    _plain("groups", "groups the user was in", "json"),
    _plain("group_properties", "the groups' properties then", "json"),
    _plain("data", "what Amplitude adds", "json"),
)
_COHORT = (
    _plain("id", "the cohort's id"),
    _plain("name", "its name", "string"),
    _plain("description", "what it is for", "string"),
    _plain("size", "users in it when it was last computed", "bigint"),
    Column("app_id", "text", "appId", "the project's id"),
    Column("type", "text", "type", "how users come into it"),
    _plain("published", "others may find it", "boolean"),
    _plain("archived", "it was put away", "boolean"),
    Column("computed_at", "timestamp[s]", "lastComputed", "when it was last computed"),
    Column("changed_at", "timestamp[s]", "lastMod", "when its definition was last changed"),
    _plain("owners", "who may change it", "json"),
    _plain("definition", "the rules, in Amplitude's words", "json"),
)
_MEMBER = (
    Column("cohort_id", "string", "@key", "the cohort, as configured"),
    _plain("amplitude_id", "the user, as Amplitude names them"),
    _plain("user_id", "the user, as the sender names them; null if anonymous"),
)
_EVENT_TYPE = (
    _plain("id", "the event type's id"),
    _plain("name", "its name", "string"),
    Column("display_name", "string", "value|display", "what is shown"),
    _plain("totals", "events of this week", "bigint"),
    _plain("hidden", "not shown in lists", "boolean"),
    _plain("deleted", "no longer taken in", "boolean"),
    Column("non_active", "boolean", "non_active|nonActive", "does not count as activity"),
    Column("flow_hidden", "boolean", "flow_hidden|flowHidden", "not shown in paths"),
)
_DAILY = Whole(timedelta(days=1))
RESOURCES: Mapping[str, Resource] = {
    "events": Resource(
        "api/2/export",
        EVENT,
        "an event, with its properties and its user's",
        progress=Spans(unit=timedelta(hours=1), step=timedelta(days=1), settles=timedelta(hours=2)),
    ),
    "cohorts": Resource("api/3/cohorts", _COHORT, "a cohort", records="cohorts", progress=_DAILY),
    "cohort_members": Resource(
        "api/5/cohorts/request/{key}",
        _MEMBER,
        "a user in a cohort",
        records="members",
        progress=_DAILY,
        key="cohorts",
    ),
    "event_types": Resource(
        "api/2/events/list", _EVENT_TYPE, "a type of event", records="data", progress=_DAILY
    ),
}
