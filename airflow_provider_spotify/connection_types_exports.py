"""The connection types of services that export events; standard library only."""

from __future__ import annotations

from typing import Any

_HOOKS = "airflow_provider_spotify.hooks"


def _text(label: str, description: str) -> dict[str, Any]:
    schema = {"type": ["string", "null"]}
    return {"label": label, "description": description, "schema": schema}


def _api_url(system: str) -> dict[str, Any]:
    words = f"Only for another server than {system}'s own, such as one for tests."
    return _text("API address", words)


def mixpanel() -> dict[str, Any]:
    """Return the connection type of Mixpanel: a service account, and the project."""
    return {
        "connection-type": "mixpanel",
        "hook-class-name": f"{_HOOKS}.mixpanel.MixpanelHook",
        "hook-name": "Mixpanel",
        "conn-fields": {
            "project_id": _text("Project", "The project's id, from its settings."),
            "region": _text("Region", "Where the project's data live: us (by default), eu or in."),
            "api_url": _api_url("Mixpanel"),
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "Service account", "password": "Service account secret"},
            "placeholders": {"login": "name.1a2b3c.mp-service-account"},
        },
    }


def amplitude() -> dict[str, Any]:
    """Return the connection type of Amplitude: a project's two keys."""
    return {
        "connection-type": "amplitude",
        "hook-class-name": f"{_HOOKS}.amplitude.AmplitudeHook",
        "hook-name": "Amplitude",
        "conn-fields": {
            "region": _text("Region", "Where the project's data live: us (by default) or eu."),
            "api_url": _api_url("Amplitude"),
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "API key", "password": "Secret key"},
            "placeholders": {"login": "from Organization settings, Projects"},
        },
    }
