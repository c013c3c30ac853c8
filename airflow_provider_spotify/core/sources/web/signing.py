"""How a source of any API signs in: the kind is in the YAML, the secrets are in the connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from airflow_provider_spotify.core.clients.http.settings import BaseUrl
from airflow_provider_spotify.core.clients.oauth.store import token_store
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, Frozen

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth


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


class ServiceAccountConfig(Frozen):
    """A service account of Google: the key file as ``keyfile_dict`` or ``key_path`` in extra."""

    kind: Literal["service_account"]
    scopes: tuple[str, ...] = Field(min_length=1, description="what the token is for")
    subject: str | None = Field(None, description="user to act for, by domain-wide delegation")


class LongLivedConfig(Frozen):
    """A long-lived token of Meta: the connection's password, or ``access_token`` in its extra.

    It is prolonged while it lives, sooner where ``access_token_obtained`` (seconds since 1970) is
    not in the extra; for Facebook login the app's id and secret are the connection's
    login and password, and the token is in the extra.
    """

    kind: Literal["long_lived"]
    refresh_url: BaseUrl = Field(description="address that prolongs it")
    grant: Literal["ig_refresh_token", "fb_exchange_token"] = "ig_refresh_token"


AuthConfig = Annotated[
    NoAuthConfig
    | BasicConfig
    | BearerConfig
    | ApiKeyConfig
    | ClientCredentialsConfig
    | RefreshTokenConfig
    | ServiceAccountConfig
    | LongLivedConfig,
    Field(discriminator="kind"),
]


def sign_in(config: AuthConfig | None, credentials: Credentials) -> Auth | None:
    """Return what signs the requests; None: nothing does.

    Without a config it is basic where the connection has login and password.

    :raises ConfigurationError: if the connection lacks a secret; the message names its field
    """
    from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth, BasicAuth, BearerAuth

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
    if isinstance(config, ServiceAccountConfig):
        return _service_account(config, credentials)
    if isinstance(config, LongLivedConfig):
        return _long_lived(config, credentials)
    return _oauth2(config, credentials)


def _service_account(config: ServiceAccountConfig, credentials: Credentials) -> Auth:
    from airflow_provider_spotify.core.clients.oauth.service_account import (
        ServiceAccount,
        service_account_key,
    )

    key, store = service_account_key(credentials), token_store(credentials.extra)
    return ServiceAccount(key, scopes=config.scopes, subject=config.subject, store=store)


def _long_lived(config: LongLivedConfig, credentials: Credentials) -> Auth:
    from airflow_provider_spotify.core.clients.oauth.long_lived import LongLivedToken

    has_app = bool(credentials.login)
    places = ["access_token"] if has_app else ["access_token", "password"]
    token = _secret(credentials, *places, kind=config.kind)
    if config.grant == "fb_exchange_token" and not (has_app and credentials.password):
        raise ConfigurationError(
            "auth long_lived with fb_exchange_token needs the app's id and secret as the "
            "connection's login and password"
        )
    obtained = credentials.extra.get("access_token_obtained")
    return LongLivedToken(
        config.refresh_url,
        token=token,
        obtained=float(obtained) if isinstance(obtained, int | float) else None,
        grant=config.grant,
        app_id=credentials.login or None,
        app_secret=credentials.password if has_app else None,
        store=token_store(credentials.extra),
        title=urlsplit(config.refresh_url).netloc,
        remedy="put a new token into the connection",
    )


def _oauth2(config: ClientCredentialsConfig | RefreshTokenConfig, credentials: Credentials) -> Auth:
    from airflow_provider_spotify.core.clients.oauth.grants import OAuth2

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
        store=token_store(credentials.extra),
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
