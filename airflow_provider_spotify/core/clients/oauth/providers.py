"""The systems that sign users in by OAuth 2: their addresses, scopes and departures, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthProvider:
    """One authorization server, and how it differs from RFC 6749.

    :param name: as the command line and messages call it
    :param conn_type: the type of the Airflow connection
    :param authorize_url: where the user consents
    :param token_url: where a code or a refresh token becomes an access token
    :param scopes: what is asked for by default: reading, nothing else
    :param docs: the public page that these facts come from
    :param scope_separator: what stands between two scopes
    :param client_id_name: the parameter that holds the client id
    :param scheme: the word before the token in the Authorization header
    :param client_auth: where the token endpoint expects the client's secret
    :param app_url: where an app's own token comes from (client credentials), if elsewhere
    :param app_auth: where the secret is expected for that grant, if elsewhere
    :param challenge: how the PKCE challenge is written; None: it knows no PKCE
    :param needs_secret: whether the code is exchanged only with the client's secret
    :param single_use: whether each renewal ends the refresh token that it used
    :param refreshes_app: whether an app's own token comes with a refresh token, too
    :param redirect: ``loopback``: the consent page may lead to ``http://127.0.0.1:PORT``;
        ``https``: it may not, so the user pastes the address that it led to
    :param exchange_url: where a short token becomes a long one (``ig_exchange_token``)
    :param refresh_url: where a long-lived token is prolonged
    :param consent: how long a consent lasts, for the error that says it has ended
    """

    name: str
    title: str
    conn_type: str
    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    docs: str
    scope_separator: str = " "
    client_id_name: str = "client_id"
    scheme: str = "Bearer"
    client_auth: Literal["basic", "body"] = "basic"
    app_url: str | None = None
    app_auth: Literal["basic", "body"] | None = None
    challenge: Literal["base64url", "hex"] | None = "base64url"
    needs_secret: bool = False
    single_use: bool = False
    refreshes_app: bool = False
    redirect: Literal["loopback", "https"] = "loopback"
    exchange_url: str | None = None
    refresh_url: str | None = None
    consent: str = "a user can withdraw it at any time"

    @property
    def remedy(self) -> str:
        """What to do when only the user can help."""
        return f"run: spotify-imports authorize {self.name} ({self.consent})"


_SPOTIFY = OAuthProvider(
    name="spotify",
    title="Spotify",
    conn_type="spotify",
    authorize_url="https://accounts.spotify.com/authorize",
    token_url="https://accounts.spotify.com/api/token",  # noqa: S106  (an address)
    scopes=(
        "user-library-read",
        "user-read-recently-played",
        "user-top-read",
        "user-follow-read",
        "playlist-read-private",
        "playlist-read-collaborative",
    ),
    docs="https://developer.spotify.com/documentation/web-api/tutorials/code-pkce-flow",
    consent="Spotify's consent ends six months after the user gave it; renewing tokens does not"
    " prolong it",
)

_SOUNDCLOUD = OAuthProvider(
    name="soundcloud",
    title="SoundCloud",
    conn_type="soundcloud",
    authorize_url="https://secure.soundcloud.com/authorize",
    token_url="https://secure.soundcloud.com/oauth/token",  # noqa: S106  (an address)
    scopes=(),
    docs="https://developers.soundcloud.com/docs/api/guide#authentication",
    scheme="OAuth",
    client_auth="body",
    app_auth="basic",
    needs_secret=True,
    single_use=True,
    refreshes_app=True,
    consent="each of its refresh tokens works once",
)

_TIKTOK = OAuthProvider(
    name="tiktok",
    title="TikTok",
    conn_type="tiktok",
    authorize_url="https://www.tiktok.com/v2/auth/authorize/",
    token_url="https://open.tiktokapis.com/v2/oauth/token/",  # noqa: S106  (an address)
    scopes=("user.info.basic", "user.info.profile", "user.info.stats", "video.list"),
    docs="https://developers.tiktok.com/doc/login-kit-desktop",
    scope_separator=",",
    client_id_name="client_key",
    client_auth="body",
    challenge="hex",
    needs_secret=True,
    single_use=True,
    consent="a refresh token lasts 180 to 365 days, and a renewal may end the one before",
)

_TWITTER = OAuthProvider(
    name="twitter",
    title="X",
    conn_type="twitter",
    authorize_url="https://x.com/i/oauth2/authorize",
    token_url="https://api.x.com/2/oauth2/token",  # noqa: S106  (an address)
    app_url="https://api.x.com/oauth2/token",
    scopes=("tweet.read", "users.read", "list.read", "offline.access"),
    docs="https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code",
    single_use=True,
    consent="the scope offline.access brings a refresh token; each works once",
)

_INSTAGRAM = OAuthProvider(
    name="instagram",
    title="Instagram",
    conn_type="instagram",
    authorize_url="https://www.instagram.com/oauth/authorize",
    token_url="https://api.instagram.com/oauth/access_token",  # noqa: S106  (an address)
    scopes=(
        "instagram_business_basic",
        "instagram_business_manage_comments",
        "instagram_business_manage_insights",
    ),
    docs="https://developers.facebook.com/docs/instagram-platform/"
    "instagram-api-with-instagram-login/business-login",
    scope_separator=",",
    client_auth="body",
    challenge=None,
    needs_secret=True,
    redirect="https",
    exchange_url="https://graph.instagram.com/access_token",
    refresh_url="https://graph.instagram.com/refresh_access_token",
    consent="a long-lived token ends after 60 days in which nothing prolonged it",
)

PROVIDERS: Mapping[str, OAuthProvider] = {
    provider.name: provider for provider in (_SPOTIFY, _SOUNDCLOUD, _TIKTOK, _TWITTER, _INSTAGRAM)
}
"""Every known authorization server by name."""
