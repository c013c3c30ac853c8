"""Segment's messages as rows: the same shape in a bucket's logs and in a webhook's bodies.

The common fields: https://segment.com/docs/connections/spec/common/; what each type adds is beside
it. Values are whatever a client sent, so that texts are taken from anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_spotify.core.sources.web.columns import Column

COLUMNS = (
    Column("message_id", "text", "messageId", "unique id; a message that comes twice has it twice"),
    Column("type", "text", "type", "track, identify, page, screen, group, alias or delete"),
    Column("event", "text", "event", "of a track: what happened"),
    Column("name", "text", "name", "of a page or screen: its name"),
    Column("category", "text", "category", "of a page or screen: its category"),
    Column("user_id", "text", "userId|User ID", "the user's id in the customer's own database"),
    Column("anonymous_id", "text", "anonymousId", "stands for a user who is not known yet"),
    Column("group_id", "text", "groupId|context.groupId", "account that the user belongs to"),
    Column("previous_id", "text", "previousId|Previous ID", "of an alias: the id until now"),
    Column("timestamp", "timestamp", "timestamp", "when it happened, corrected for clock skew"),
    Column(
        "original_timestamp", "timestamp", "originalTimestamp", "the same by the client's clock"
    ),
    Column("sent_at", "timestamp", "sentAt", "when the client sent it, by its clock"),
    Column("received_at", "timestamp", "receivedAt", "when Segment received it"),
    Column("channel", "text", "channel|context.channel", "server, browser or mobile"),
    Column("source_id", "text", "@source", "Segment source"),
    Column("context_ip", "text", "context.ip", "IP address of the user"),
    Column("context_locale", "text", "context.locale", "such as en-US"),
    Column("context_timezone", "text", "context.timezone", "time zone of the user (IANA)"),
    Column("context_user_agent", "text", "context.userAgent", "user agent of the device"),
    Column("context_library_name", "text", "context.library.name", "library that sent it"),
    Column("context_library_version", "text", "context.library.version", "its version"),
    Column("context_app_name", "text", "context.app.name", "application"),
    Column("context_app_version", "text", "context.app.version", "its version"),
    Column("context_app_build", "text", "context.app.build", "its build"),
    Column("context_campaign_name", "text", "context.campaign.name", "utm_campaign"),
    Column("context_campaign_source", "text", "context.campaign.source", "utm_source"),
    Column("context_campaign_medium", "text", "context.campaign.medium", "utm_medium"),
    Column("context_campaign_term", "text", "context.campaign.term", "utm_term"),
    Column("context_campaign_content", "text", "context.campaign.content", "utm_content"),
    Column("context_device_id", "text", "context.device.id", "id of the device"),
    Column("context_device_type", "text", "context.device.type", "such as ios"),
    Column("context_device_model", "text", "context.device.model", "such as iPhone16,2"),
    Column(
        "context_device_manufacturer", "text", "context.device.manufacturer", "maker of the device"
    ),
    Column("context_os_name", "text", "context.os.name", "operating system"),
    Column("context_os_version", "text", "context.os.version", "its version"),
    Column("context_page_url", "text", "context.page.url", "address of the page"),
    Column("context_page_path", "text", "context.page.path", "path of the page"),
    Column("context_page_search", "text", "context.page.search", "query of the page"),
    Column("context_page_title", "text", "context.page.title", "title of the page"),
    Column("context_page_referrer", "text", "context.page.referrer", "where the user came from"),
    Column("properties", "json", "properties", "what a track, page or screen says of itself"),
    Column("traits", "json", "traits|context.traits", "what is known of the user or group"),
    Column("context", "json", "context", "all of the context"),
    Column("integrations", "json", "integrations", "destinations that it is meant for"),
)


def misfit(message: Any) -> str | None:
    """Say why a value is no message of Segment; None if it is one."""
    if not isinstance(message, Mapping):
        return f"a {type(message).__name__}, not an object"
    return None if message.get("type") else "it has no type, as every message of Segment has"
