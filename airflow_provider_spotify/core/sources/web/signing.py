"""How a source of any API signs in: the kind is in the YAML, the secrets are in the connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, SecretStr

from airflow_provider_spotify.core.clients.http_settings import BaseUrl
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, Frozen

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http_auth import Auth


class NoAuthConfig(Frozen):
    """Anonymous, whatever the connection holds."""

    kind: Literal["none"]


class BasicConfig(Frozen):
    """Login and password of the connection."""

    kind: Literal["basic"]


class BearerConfig(Frozen):
    """A fixed token: the connection's password, or ``token`` in its extra."""

    kind: Literal["bearer"]
    scheme: str = Field("Bearer", description="the word before the token")


class ApiKeyConfig(Frozen):
    """A fixed key: the connection's password, or ``api_key`` in its extra."""

    kind: Literal["api_key"]
    name: str = Field("X-API-Key", description="name of the header or query parameter")
    place: Literal["header", "query"] = "header"


class _OAuth2Config(Frozen):
    token_url: BaseUrl = Field(description="address of the token endpoint")
    scope: str | None = None
    client_auth: Literal["basic", "body"] = Field(
        "basic", description="where the endpoint expects the client's secret"
    )
    token_params: Mapping[str, str] = Field(
        default_factory=dict, description="more fields of the token request, such as audience"
    )


class ClientCredentialsConfig(_OAuth2Config):
    """Client id and secret: the connection's login and password."""

    kind: Literal["oauth2_client_credentials"]


class RefreshTokenConfig(_OAuth2Config):
    """As client credentials, with ``refresh_token`` in the connection's extra."""

    kind: Literal["oauth2_refresh_token"]


AuthConfig = Annotated[
    NoAuthConfig
    | BasicConfig
    | BearerConfig
    | ApiKeyConfig
    | ClientCredentialsConfig
    | RefreshTokenConfig,
    Field(discriminator="kind"),
]


def sign_in(config: AuthConfig | None, credentials: Credentials) -> Auth | None:
    """Return what signs the requests; None: nothing does.

    Without a config it is basic where the connection has login and password.

    :raises ConfigurationError: if the connection lacks a secret; the message names its field
    """
    from airflow_provider_spotify.core.clients.http_auth import ApiKeyAuth, BasicAuth, BearerAuth

    if config is None:
        both = credentials.login and credentials.password
        config = BasicConfig(kind="basic") if both else NoAuthConfig(kind="none")
    if isinstance(config, NoAuthConfig):
        return None
    if isinstance(config, BasicConfig):
        return BasicAuth(_login(credentials), _secret(credentials, "password", kind=config.kind))
    if isinstance(config, BearerConfig):
        token = _secret(credentials, "token", "password", kind=config.kind)
        return BearerAuth(token, scheme=config.scheme)
    if isinstance(config, ApiKeyConfig):
        key = _secret(credentials, "api_key", "password", kind=config.kind)
        return ApiKeyAuth(key, name=config.name, where=config.place)
    return _oauth2(config, credentials)


def _oauth2(config: ClientCredentialsConfig | RefreshTokenConfig, credentials: Credentials) -> Auth:
    from airflow_provider_spotify.core.clients.http_oauth import OAuth2

    refresh = isinstance(config, RefreshTokenConfig)
    # A public client has no secret, only a refresh token.
    secret = credentials.secret("client_secret") or credentials.secret()
    if not secret and not refresh:
        _secret(credentials, "client_secret", "password", kind=config.kind)
    return OAuth2(
        config.token_url,
        client_id=credentials.secret("client_id") or _login(credentials),
        client_secret=SecretStr(secret) if secret else None,
        refresh_token=_secret(credentials, "refresh_token", kind=config.kind) if refresh else None,
        scope=config.scope,
        client_auth=config.client_auth,
        extra=config.token_params,
    )


def _login(credentials: Credentials) -> str:
    if not credentials.login:
        raise ConfigurationError("the connection has no login; auth needs one")
    return credentials.login


def _secret(credentials: Credentials, *names: str, kind: str) -> SecretStr:
    found = next((value for name in names if (value := credentials.secret(name))), None)
    if not found:
        where = " or ".join("password" if n == "password" else f"extra[{n!r}]" for n in names)
        raise ConfigurationError(f"auth {kind} needs the connection's {where}; it is empty")
    return SecretStr(found)
