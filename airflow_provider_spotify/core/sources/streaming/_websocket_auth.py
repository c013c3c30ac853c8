"""How a WebSocket source signs in: the kind is in the YAML, the secrets are in the connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import Field

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, Frozen


class NoAuthConfig(Frozen):
    """Anonymous, whatever the connection holds."""

    kind: Literal["none"]


class BasicConfig(Frozen):
    """Login and password of the connection."""

    kind: Literal["basic"]


class BearerConfig(Frozen):
    """A fixed token: the connection's password, or ``token`` in its extra."""

    kind: Literal["bearer"]


class ApiKeyConfig(Frozen):
    """A fixed key: the connection's password, or ``token`` in its extra."""

    kind: Literal["api_key"]
    name: str = Field("X-API-Key", description="name of the header or query parameter")
    place: Literal["header", "query"] = "header"


class MessageConfig(Frozen):
    """A first message that holds the connection's password, or ``token`` in its extra."""

    kind: Literal["message"]
    message: Mapping[str, Any] = Field(description="the message, without the secret")
    field: str = Field("token", description="the field of the message that the secret is put in")


AuthConfig = Annotated[
    NoAuthConfig | BasicConfig | BearerConfig | ApiKeyConfig | MessageConfig,
    Field(discriminator="kind"),
]


class Signed(NamedTuple):
    """What a connection is made with: it holds secrets, and is never shown."""

    url: str
    headers: Mapping[str, str]
    first: str | None


def sign_in(
    config: AuthConfig | None, credentials: Credentials, *, url: str, headers: Mapping[str, str]
) -> Signed:
    """Add what proves who we are.

    :param config: None: as the connection is filled, basic, bearer or anonymous
    :raises ConfigurationError: if the connection lacks what the kind needs
    """
    secret = credentials.secret() or credentials.secret("token")
    kind = config.kind if config else _kind(credentials, secret)
    if kind == "none":
        return Signed(url, headers, None)
    if not secret or (kind == "basic" and not credentials.login):
        lacks = "a password" if not secret else "a login"
        raise ConfigurationError(f"auth: {kind} needs {lacks} in the connection")
    if not secret.isprintable():
        raise ConfigurationError("auth: the connection's secret holds a line break; take it away")
    if kind == "basic":
        pair = base64.b64encode(f"{credentials.login}:{secret}".encode()).decode()
        return Signed(url, {**headers, "Authorization": f"Basic {pair}"}, None)
    if isinstance(config, ApiKeyConfig) and config.place == "query":
        return Signed(_with_query(url, config.name, secret), headers, None)
    if isinstance(config, ApiKeyConfig):
        return Signed(url, {**headers, config.name: secret}, None)
    if isinstance(config, MessageConfig):
        return Signed(url, headers, json.dumps({**config.message, config.field: secret}))
    return Signed(url, {**headers, "Authorization": f"Bearer {secret}"}, None)


def _kind(credentials: Credentials, secret: str | None) -> str:
    if not secret:
        return "none"
    return "basic" if credentials.login else "bearer"


def _with_query(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), (name, value)])
    return urlunsplit(parts._replace(query=query))
