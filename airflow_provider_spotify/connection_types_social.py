"""The connection types of social networks, as Airflow's UI shows them; standard library only."""

from __future__ import annotations

from typing import Any

_HOOKS = "airflow_provider_spotify.hooks"
_TEXT = {"type": ["string", "null"]}
_SECRET = {"type": ["string", "null"], "format": "password"}
_STORE = {
    "label": "Token store",
    "description": "Where workers share tokens that were renewed: redis://host:6379/0 or"
    " file:///folder; by default what SPOTIFY_IMPORTS_TOKEN_STORE names.",
    "schema": _SECRET,
}
_ADDRESS = {
    "label": "API address",
    "description": "Only for another server than the service's own, such as one for tests.",
    "schema": _TEXT,
}


def instagram() -> dict[str, Any]:
    """Return the connection type of the Instagram Graph API."""
    return {
        "connection-type": "instagram",
        "hook-class-name": f"{_HOOKS}.instagram.InstagramHook",
        "hook-name": "Instagram",
        "conn-fields": {
            "access_token": {
                "label": "Long-lived token",
                "description": "From `spotify-imports authorize instagram`; it is prolonged while"
                " it lives. Without an app it may stand as the password.",
                "schema": _SECRET,
            },
            "login_type": {
                "label": "Login",
                "description": "instagram (default) or facebook: which login gave the token."
                " Hashtags, tags and others' accounts need facebook.",
                "schema": {"type": ["string", "null"], "enum": ["instagram", "facebook", None]},
            },
            "account_id": {
                "label": "Account",
                "description": "Id of the professional account; with Facebook login it is needed.",
                "schema": _TEXT,
            },
            "token_store": _STORE,
            "api_url": _ADDRESS,
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "App ID", "password": "App secret, or the token"},
            "placeholders": {"login": "from developers.facebook.com, your app, Basic settings"},
        },
    }


def tiktok() -> dict[str, Any]:
    """Return the connection type of TikTok's Display and Research APIs."""
    return {
        "connection-type": "tiktok",
        "hook-class-name": f"{_HOOKS}.tiktok.TiktokHook",
        "hook-name": "TikTok",
        "conn-fields": {
            "refresh_token": {
                "label": "Refresh token",
                "description": "Display API: the token of the user whose videos are read, from"
                " `spotify-imports authorize tiktok`. The Research API needs none.",
                "schema": _SECRET,
            },
            "token_store": _STORE,
            "api_url": _ADDRESS,
            "token_url": {
                "label": "Token address",
                "description": "Likewise, where tokens come from.",
                "schema": _TEXT,
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "Client key", "password": "Client secret"},
            "placeholders": {"login": "from developers.tiktok.com, Manage apps, your app"},
        },
    }


def twitter() -> dict[str, Any]:
    """Return the connection type of X's API v2."""
    return {
        "connection-type": "twitter",
        "hook-class-name": f"{_HOOKS}.twitter.TwitterHook",
        "hook-name": "X",
        "conn-fields": {
            "bearer_token": {
                "label": "Bearer token",
                "description": "To act as the app; it may stand as the password, too, where there"
                " is no login.",
                "schema": _SECRET,
            },
            "refresh_token": {
                "label": "Refresh token",
                "description": "To act for a user: from `spotify-imports authorize twitter`. Each"
                " works once.",
                "schema": _SECRET,
            },
            "token_store": _STORE,
            "api_url": _ADDRESS,
            "token_url": {**_ADDRESS, "label": "Token address"},
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {
                "login": "API key, or client ID",
                "password": "Bearer token, API key secret or client secret",
            },
            "placeholders": {
                "login": "API key with its secret; client ID to act for a user; none with a token"
            },
        },
    }
