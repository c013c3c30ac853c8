"""The connection type of GraphQL endpoints, as Airflow's UI shows it; standard library only."""

from __future__ import annotations

from typing import Any

_HOOKS = "airflow_provider_spotify.hooks"
_SECRET = {"type": ["string", "null"], "format": "password"}


def graphql() -> dict[str, Any]:
    """Return the connection type of a GraphQL endpoint."""
    return {
        "connection-type": "graphql",
        "hook-class-name": f"{_HOOKS}.graphql.GraphqlHook",
        "hook-name": "GraphQL",
        "conn-fields": {
            "api_key": {
                "label": "API key",
                "description": "Only where the source says auth: {kind: api_key, name: …}.",
                "schema": _SECRET,
            },
            "client_secret": {
                "label": "Client secret",
                "description": "Only for OAuth 2; with the client id as login.",
                "schema": _SECRET,
            },
            "refresh_token": {
                "label": "Refresh token",
                "description": "Only for OAuth 2 as a user.",
                "schema": _SECRET,
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["port", "schema"],
            "relabeling": {"host": "Endpoint", "password": "Token or password"},
            "placeholders": {"host": "https://api.example.com/graphql"},
        },
    }
