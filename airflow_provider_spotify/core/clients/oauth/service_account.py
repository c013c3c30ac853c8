"""A service account of Google: signs a JWT with its key and trades it for a token (RFC 7523)."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from airflow_provider_spotify.core.clients.http.auth import Send
from airflow_provider_spotify.core.clients.http.messages import Request, Response
from airflow_provider_spotify.core.clients.oauth.endpoint import (
    GrantRefused,
    TokenEndpoint,
    life,
)
from airflow_provider_spotify.core.clients.oauth.seal import Tokens
from airflow_provider_spotify.core.clients.oauth.store import TokenStore
from airflow_provider_spotify.core.clients.oauth.tokens import RenewedAuth, lasting
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, Frozen

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 3600
"""Seconds; the longest that Google accepts."""
_BACK = 30
"""Seconds by which an assertion is dated back, for a clock that is a little ahead."""
_SKEW = 30.0
"""Seconds between our clock and the endpoint's that are worth another try."""
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  (an address)
_REMEDY = (
    "check that the service account and its key exist and are enabled (IAM, Service accounts, "
    "Keys), and that this machine's clock is right"
)


class ServiceAccountKey(Frozen):
    """The fields of a key file that signing needs (type ``service_account``)."""

    client_email: str
    private_key: SecretStr = Field(description="PEM, PKCS 8")
    private_key_id: str | None = None
    token_uri: str = _TOKEN_URI


class ServiceAccount(RenewedAuth):
    """A token for a service account, by a JWT that its key signs (RS256).

    https://developers.google.com/identity/protocols/oauth2/service-account#httprest

    :param scopes: what the token is for
    :param subject: the user to act for, with domain-wide delegation
    :param store: where workers share the tokens; None: this process keeps them
    :raises ConfigurationError: if the private key cannot sign
    """

    kind = "service_account"

    def __init__(
        self,
        key: ServiceAccountKey,
        *,
        scopes: Sequence[str],
        subject: str | None = None,
        store: TokenStore | None = None,
    ) -> None:
        self._key = key
        self._scope = " ".join(scopes)
        self._subject = subject
        self._sign = signer(key.private_key)
        self._ahead = 0.0
        self._endpoint = TokenEndpoint(url=key.token_uri, title="Google", remedy=_REMEDY)
        super().__init__(store=store)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell credentials apart and do not give them away."""
        key = self._key
        who = (key.token_uri, key.client_email, self._scope, self._subject or "")
        parts = (self.kind, *who, *self._identity())
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def _identity(self) -> tuple[str, ...]:
        return (self._key.private_key.get_secret_value(),)

    async def _obtain(self, held: Tokens | None, send: Send) -> Tokens:
        seen: list[Response] = []

        async def noting(request: Request) -> Response:
            seen.append(await send(request))
            return seen[-1]

        try:
            return await self._ask(noting)
        except GrantRefused:
            ahead = clock_ahead(seen[-1])
            if abs(ahead - self._ahead) < _SKEW:
                raise
            self._ahead = ahead  # Google said what time it is
            return await self._ask(noting)

    async def _ask(self, send: Send) -> Tokens:
        asked = time.time()
        form = {"grant_type": _GRANT, "assertion": self.assertion(asked - self._ahead)}
        body = await self._endpoint.ask(form, send=send)
        return Tokens(str(body["access_token"]), lasting(life(body), asked=asked), asked)

    def assertion(self, now: float) -> str:
        """Return the JWT that the key signs at this time (RFC 7519, RFC 7515)."""
        issued = int(now) - _BACK
        header = {"alg": "RS256", "typ": "JWT", "kid": self._key.private_key_id}
        claims = {
            "iss": self._key.client_email,
            "scope": self._scope,
            "aud": self._key.token_uri,
            "iat": issued,
            "exp": issued + _LIFE,
            "sub": self._subject,
        }
        signed = f"{_part(_given(header))}.{_part(_given(claims))}"
        return f"{signed}.{_base64(self._sign(signed.encode()))}"


def service_account_key(credentials: Credentials) -> ServiceAccountKey:
    """Read the key of a connection whose extra has the words of Airflow's Google provider.

    ``keyfile_dict``: the key file's content, as an object or as text; or ``key_path``: a file of
    the worker. The connection's password may hold the content, too.

    :raises ConfigurationError: saying which field is missing or wrong
    """
    given = credentials.extra.get("keyfile_dict") or credentials.secret()
    path = credentials.extra.get("key_path")
    if given is None and path:
        return read_key(_file(str(path)), where=f"key_path {path}")
    if given is None:
        raise ConfigurationError(
            "the connection has no key of a service account: put the key file's content into "
            "extra as keyfile_dict, or its path on the workers as key_path"
        )
    return read_key(given, where="keyfile_dict")


def _file(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(f"key_path {path} cannot be read: {said}") from None


def read_key(given: Mapping[str, Any] | str, *, where: str) -> ServiceAccountKey:
    """Read a key file's content; its private key is never repeated.

    :param where: what holds it, for messages
    :raises ConfigurationError: saying which field is missing or wrong
    """
    fields = given
    if isinstance(given, str):
        try:
            fields = json.loads(given)
        except ValueError:
            raise ConfigurationError(f"{where} is no JSON (it is not shown)") from None
    if not isinstance(fields, Mapping):
        raise ConfigurationError(f"{where} is no JSON object; it holds a service account's key")
    if (kind := fields.get("type", "service_account")) != "service_account":
        raise ConfigurationError(f"{where}: type is {str(kind)[:40]!r}, not 'service_account'")
    for name in ("client_email", "private_key"):
        if not isinstance(fields.get(name), str) or not fields[name].strip():
            raise ConfigurationError(f"{where} lacks {name}; download the key file again")
    _check_address(fields.get("token_uri", _TOKEN_URI), where=where)
    known = {name: fields[name] for name in ServiceAccountKey.model_fields if fields.get(name)}
    key = ServiceAccountKey.model_validate(known)
    signer(key.private_key, where=where)
    return key


def _check_address(token_uri: Any, *, where: str) -> None:
    if not str(token_uri).startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise ConfigurationError(f"{where}: token_uri is no https address")


def signer(private_key: SecretStr, *, where: str = "the key file") -> Callable[[bytes], bytes]:
    """Return what signs with an RSA key: PKCS #1 v1.5 with SHA-256, as RS256 says (RFC 7518).

    :raises ConfigurationError: if it is no RSA key
    """
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # Pasted through an environment variable, a key's line ends are often two characters.
    text = private_key.get_secret_value().replace("\\n", "\n")
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{where}: private_key is no PEM key (it is not shown); it begins with "
            "-----BEGIN PRIVATE KEY-----"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigurationError(f"{where}: private_key is no RSA key; Google signs with RS256")
    return lambda message: key.sign(message, PKCS1v15(), SHA256())


def clock_ahead(response: Response) -> float:
    """Return by how many seconds this machine's clock is ahead of an answer's ``Date``."""
    try:
        said = email.utils.parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError):
        return 0.0
    return time.time() - said.timestamp()


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _part(fields: Mapping[str, Any]) -> str:
    return _base64(json.dumps(fields, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
