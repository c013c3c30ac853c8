"""Finds connections in environment variables, written as Airflow writes them.

``AIRFLOW_CONN_<ID>`` holds a URI or a JSON object:
https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials


def connection(conn_id: str) -> Credentials:
    """Return the credentials that ``AIRFLOW_CONN_<ID>`` holds.

    :raises ConfigurationError: if the variable is not set or not readable; it is never repeated
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = os.environ.get(variable, "").strip()
    if not text:
        raise ConfigurationError(
            f"there is no connection {conn_id!r}: set {variable} to a URI or a JSON object"
        )
    try:
        fields = _from_json(text) if text.startswith("{") else _from_uri(text)
        return _credentials(fields)
    except (ValueError, TypeError, ValidationError):
        # what went wrong may quote the secret, so the cause is cut off
        raise ConfigurationError(
            f"{variable} is neither a connection URI nor a JSON object (it is not shown)"
        ) from None


def _from_json(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(text)
    extra = fields.get("extra") or {}
    return {**fields, "extra": json.loads(extra) if isinstance(extra, str) else extra}


def _from_uri(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    if not parts.scheme or "://" not in text:
        raise ValueError("no scheme")
    extra: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    return {
        "conn_type": parts.scheme.replace("-", "_").replace("postgresql", "postgres"),
        "host": unquote(parts.hostname or ""),
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": unquote(parts.path.removeprefix("/")),
        "port": parts.port,
        "extra": extra,
    }


def _credentials(fields: Mapping[str, Any]) -> Credentials:
    host, port, schema = fields.get("host"), fields.get("port"), fields.get("schema")
    if fields.get("conn_type") in ("http", "https") and host:
        host, port, schema = _address(fields["conn_type"], str(host), port, schema), None, None
    password = fields.get("password")
    return Credentials(
        host=host or None,
        port=int(port) if port else None,
        login=fields.get("login") or None,
        password=SecretStr(password) if password else None,
        database=schema or None,
        extra=fields["extra"],
    )


def _address(kind: str, host: str, port: int | None, schema: str | None) -> str:
    """Put an HTTP connection together as Airflow's HttpHook does: schema, host and port."""
    if "://" not in host:
        host = f"{schema or kind}://{host}"
    return f"{host}:{port}" if port else host
