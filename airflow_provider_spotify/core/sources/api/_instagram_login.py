"""How a connection signs in to the Graph API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import BearerAuth
from airflow_provider_spotify.core.clients.oauth.long_lived import LongLivedToken
from airflow_provider_spotify.core.clients.oauth.store import token_store
from airflow_provider_spotify.core.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.model import Credentials

_REMEDY = "run: spotify-imports authorize instagram, or put a new token into the connection"


def signed_in(
    credentials: Credentials, *, login: Literal["instagram", "facebook"], root: str, version: str
) -> Auth:
    """Return the token of ``access_token``, or of the password where no app is named.

    With an app (id as login, secret as password) each request is proved by ``appsecret_proof``, and
    a token of Facebook login can be prolonged; one of Instagram login always can.

    :param root: the API's address without its version
    :raises ConfigurationError: if there is no token
    """
    app_secret = credentials.password if credentials.login else None
    token = credentials.secret("access_token") or (
        None if credentials.login else credentials.secret()
    )
    if not token:
        raise ConfigurationError(
            "an Instagram connection needs a long-lived token: as access_token in extra, with the"
            " app's id and secret as login and password; or as password, without a login"
        )
    kept: dict[str, Any] = {
        "token": SecretStr(token),
        "app_secret": app_secret,
        "obtained": _seconds(credentials.extra.get("access_token_obtained")),
        "store": token_store(credentials.extra),
        "remedy": _REMEDY,
    }
    if login == "instagram":
        return LongLivedToken(f"{root}/refresh_access_token", **kept)
    if app_secret is None:
        return BearerAuth(SecretStr(token))
    return LongLivedToken(
        f"{root}/{version}/oauth/access_token",
        grant="fb_exchange_token",
        app_id=credentials.login,
        **kept,
    )


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
