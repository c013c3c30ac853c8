"""The connection types of analytics services; standard library only."""

from __future__ import annotations

from typing import Any

_HOOKS = "airflow_provider_spotify.hooks"
_TEXT = {"type": ["string", "null"]}
_SECRET = {"type": ["string", "null"], "format": "password"}


def google_analytics() -> dict[str, Any]:
    """Return the connection type of Google Analytics: a service account's key."""
    return {
        "connection-type": "google_analytics",
        "hook-class-name": f"{_HOOKS}.google_analytics.GoogleAnalyticsHook",
        "hook-name": "Google Analytics 4",
        "conn-fields": {
            "keyfile_dict": {
                "label": "Key file",
                "description": "The content of the service account's key file (JSON). The account"
                " must be a viewer of the properties.",
                "schema": _SECRET,
            },
            "key_path": {
                "label": "Path of the key file",
                "description": "Instead of its content: where it is on the workers.",
                "schema": _TEXT,
            },
            "api_url": {
                "label": "API address",
                "description": "Only for another server than Google's own, such as one for tests.",
                "schema": _TEXT,
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema", "login", "password"],
        },
    }


def segment() -> dict[str, Any]:
    """Return the connection type of Segment: the token of one of its APIs, or a bucket's keys."""
    return {
        "connection-type": "segment",
        "hook-class-name": f"{_HOOKS}.segment.SegmentHook",
        "hook-name": "Segment",
        "conn-fields": {
            "space": {
                "label": "Space",
                "description": "Only with a token of the Profile API: the id of its space, from"
                " Unify settings, API access.",
                "schema": _TEXT,
            },
            "region_name": {
                "label": "Region of the bucket",
                "description": "Only for events, such as eu-north-1.",
                "schema": _TEXT,
            },
            "api_url": {
                "label": "API address",
                "description": "Only for another server than Segment's own, such as one for tests.",
                "schema": _TEXT,
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "Access key ID", "password": "Token or secret access key"},
            "placeholders": {
                "login": "only for events: of the bucket with the logs",
                "password": "of the Public API, of the Profile API, or of the bucket",
            },
        },
    }
