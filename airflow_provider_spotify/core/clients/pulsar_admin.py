"""Asks Pulsar's REST API for what its binary protocol's client library cannot: lists of topics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth

_PARTITION = re.compile(r"-partition-\d+$")


async def topics_like(pattern: str, credentials: Credentials) -> list[str]:
    """Return the persistent topics of a namespace whose last part matches, sorted by name.

    :param pattern: ``persistent://tenant/namespace/expression``
    :raises ConfigurationError: if the connection has no ``admin_url``, or the pattern is wrong
    """
    from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings

    namespace, _, expression = pattern.removeprefix("persistent://").rpartition("/")
    url = credentials.extra.get("admin_url")
    if not url:
        raise ConfigurationError(
            "topics_pattern needs admin_url in the connection's extra, such as http://broker:8080"
        )
    try:
        wanted = re.compile(expression)
    except re.error as error:
        raise ConfigurationError(f"topics_pattern: {expression!r}: {error}") from error
    settings = HttpSettings(base_url=f"{str(url).rstrip('/')}/admin/v2/persistent/{namespace}")
    async with HttpClient(settings, auth=_auth(credentials)) as http:
        listed = [*await http.get_json(""), *await http.get_json("partitioned")]
    names = {_PARTITION.sub("", str(name)) for name in listed}
    return sorted(name for name in names if wanted.fullmatch(name.rpartition("/")[2]))


def _auth(credentials: Credentials) -> Auth | None:
    from pydantic import SecretStr

    from airflow_provider_spotify.core.clients.http.auth import BasicAuth, BearerAuth

    secret = credentials.secret() or credentials.secret("token")
    if not secret:
        return None
    if credentials.login:
        return BasicAuth(credentials.login, SecretStr(secret))
    return BearerAuth(SecretStr(secret))
