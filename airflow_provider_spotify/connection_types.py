"""The connection types this package brings, as Airflow's UI shows them; standard library only."""

from __future__ import annotations

from typing import Any

_HOOKS = "airflow_provider_spotify.hooks"


def connection_types() -> list[dict[str, Any]]:
    """Return ``connection-types`` of the provider info, in the words of its schema."""
    return [_spotify(), _duckdb()]


def _spotify() -> dict[str, Any]:
    return {
        "connection-type": "spotify",
        "hook-class-name": f"{_HOOKS}.spotify.SpotifyHook",
        "hook-name": "Spotify",
        "conn-fields": {
            "refresh_token": {
                "label": "Refresh token",
                "description": "Only to act for a user: the token that the authorization code"
                " flow gave. Without it the app acts for itself.",
                "schema": {"type": ["string", "null"], "format": "password"},
            },
            "api_url": {
                "label": "Web API address",
                "description": "Only for another server than Spotify's own, such as one for tests.",
                "schema": {"type": ["string", "null"]},
            },
            "token_url": {
                "label": "Token address",
                "description": "Likewise, where tokens come from.",
                "schema": {"type": ["string", "null"]},
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "Client ID", "password": "Client secret"},
            "placeholders": {
                "login": "from developer.spotify.com, Dashboard, your app, Settings",
            },
        },
    }


def _duckdb() -> dict[str, Any]:
    return {
        "connection-type": "duckdb",
        "hook-class-name": f"{_HOOKS}.duckdb.DuckDBHook",
        "hook-name": "DuckDB",
        "ui-field-behaviour": {
            "hidden-fields": ["port", "login", "password"],
            "relabeling": {"host": "File"},
            "placeholders": {"host": "/data/acme.duckdb", "schema": "main"},
        },
    }
