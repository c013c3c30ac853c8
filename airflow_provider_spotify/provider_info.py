"""Tells Airflow what this package brings; standard library only, for Airflow reads it at start."""

from __future__ import annotations

from typing import Any

from airflow_provider_spotify.connection_types import connection_types

_PACKAGE = "airflow_provider_spotify"
_FAMILIES = ("analytics", "api", "audio", "database", "files", "streaming")
_HOME = "https://pypi.org/project/airflow-provider-spotify/"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the words of Airflow's provider_info.schema.json.

    The plugin is not named here: Airflow 3.3 loads it by its entry point ``airflow.plugins``, and
    reports one that it finds in both places as an error.
    """
    return {
        "package-name": "airflow-provider-spotify",
        "name": "Spotify imports",
        "description": "Imports many tenants' data: one YAML per tenant, Arrow all the way,"
        " and a cursor that commits with the rows.",
        "integrations": _integrations(),
        "operators": _modules("operators", *_FAMILIES, "lake"),
        "sensors": _modules("sensors", *_FAMILIES),
        "hooks": _modules(
            "hooks",
            "amplitude",
            "clickhouse",
            "duckdb",
            "elasticsearch",
            "event_hubs",
            "files",
            "google_analytics",
            "graphql",
            "http",
            "instagram",
            "kafka",
            "lastfm",
            "mixpanel",
            "mongo",
            "postgres",
            "pulsar",
            "redis",
            "segment",
            "soundcloud",
            "spotify",
            "tiktok",
            "twitter",
            "websocket",
        ),
        "triggers": _modules("triggers", "ready"),
        "bundles": _modules("bundles", "tenants"),
        "connection-types": connection_types(),
        "notifications": [f"{_PACKAGE}.notifications.notifier.ImportNotifier"],
        "cli": [f"{_PACKAGE}.cli_airflow.get_commands"],
        "config": _config(),
    }


def _config() -> dict[str, Any]:
    folder = {
        "description": "The folder of the tenants' YAML, for dags/tenants.py and the Imports page."
        " SPOTIFY_IMPORTS_FOLDER, if set, comes first; if neither is, it is dag_configs beside the"
        " DAGs folder.",
        "version_added": "0.1.0",
        "type": "string",
        "example": "/opt/airflow/dag_configs",
        "default": "",
    }
    return {
        "spotify_imports": {
            "description": "Settings of airflow-provider-spotify.",
            "options": {"folder": folder},
        }
    }


def _integrations() -> list[dict[str, Any]]:
    names = {
        "Spotify imports": (_HOME, "software"),
        "Spotify": ("https://developer.spotify.com/documentation/web-api", "service"),
        "DuckDB": ("https://duckdb.org/docs/", "software"),
    }
    return [
        {"integration-name": name, "external-doc-url": url, "tags": [tag]}
        for name, (url, tag) in names.items()
    ]


def _modules(folder: str, *names: str) -> list[dict[str, Any]]:
    modules = [f"{_PACKAGE}.{folder}.{name}" for name in names]
    return [{"integration-name": "Spotify imports", "python-modules": modules}]
