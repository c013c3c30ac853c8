"""The connection types of Last.fm and SoundCloud; standard library only."""

from __future__ import annotations

from typing import Any

_HOOKS = "airflow_provider_spotify.hooks"
_TEXT = {"type": ["string", "null"]}
_SECRET = {"type": ["string", "null"], "format": "password"}


def lastfm() -> dict[str, Any]:
    """Return the connection type of Last.fm: an API key."""
    return {
        "connection-type": "lastfm",
        "hook-class-name": f"{_HOOKS}.lastfm.LastfmHook",
        "hook-name": "Last.fm",
        "conn-fields": {"api_url": _api_url("Last.fm")},
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema", "login"],
            "relabeling": {"password": "API key"},
            "placeholders": {"password": "from last.fm/api/account/create"},
        },
    }


def soundcloud() -> dict[str, Any]:
    """Return the connection type of SoundCloud: an app, and perhaps its user's consent."""
    return {
        "connection-type": "soundcloud",
        "hook-class-name": f"{_HOOKS}.soundcloud.SoundcloudHook",
        "hook-name": "SoundCloud",
        "conn-fields": {
            "refresh_token": {
                "label": "Refresh token",
                "description": "Only to act for a user: the token that the authorization code flow"
                " gave. Without it the app acts for itself and sees what is public.",
                "schema": _SECRET,
            },
            "token_store": {
                "label": "Token store",
                "description": "Where workers share tokens, since each refresh token works once:"
                " redis://host:6379/0 or file:///folder.",
                "schema": _SECRET,
            },
            "api_url": _api_url("SoundCloud"),
            "token_url": {
                "label": "Token address",
                "description": "Likewise, where tokens come from.",
                "schema": _TEXT,
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "Client ID", "password": "Client secret"},
            "placeholders": {"login": "from soundcloud.com/you/apps"},
        },
    }


def _api_url(name: str) -> dict[str, Any]:
    return {
        "label": "API address",
        "description": f"Only for another server than {name}'s own, such as one for tests.",
        "schema": _TEXT,
    }
