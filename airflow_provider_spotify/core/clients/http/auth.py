"""How an HTTP client proves who it is: basic, bearer and API key (OAuth 2 is next door)."""

from __future__ import annotations

import base64
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.messages import (
    Request,
    Response,
    with_params,
    without,
)

Send = Callable[[Request], Awaitable[Response]]


class Auth(ABC):
    """Adds credentials to requests; its printed form shows its kind and nothing else."""

    kind: ClassVar[str]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell credentials apart and do not give them away."""
        text = "\0".join((self.kind, *self._identity()))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any message."""
        return tuple(s for s in self._identity() if s)

    @abstractmethod
    def _identity(self) -> tuple[str, ...]: ...

    @abstractmethod
    async def sign(self, request: Request, send: Send) -> Request:
        """Return the request with credentials. ``send`` reaches a token endpoint."""

    async def renew(self, refused: Request, send: Send) -> bool:
        """Get other credentials than those of a refused request; False if there are none."""
        return False


class BasicAuth(Auth):
    """Login and password in every request (RFC 7617)."""

    kind = "basic"

    def __init__(self, login: str, password: SecretStr) -> None:
        self._login = login
        self._password = password

    def _identity(self) -> tuple[str, ...]:
        return (self._password.get_secret_value(), basic(self._login, self._password))

    async def sign(self, request: Request, send: Send) -> Request:
        """Add the Authorization header."""
        return with_header(request, "Authorization", f"Basic {basic(self._login, self._password)}")


class BearerAuth(Auth):
    """A fixed token in every request (RFC 6750)."""

    kind = "bearer"

    def __init__(self, token: SecretStr, *, scheme: str = "Bearer") -> None:
        self._token = token
        self._scheme = scheme

    def _identity(self) -> tuple[str, ...]:
        return (self._token.get_secret_value(),)

    async def sign(self, request: Request, send: Send) -> Request:
        """Add the Authorization header."""
        value = f"{self._scheme} {self._token.get_secret_value()}"
        return with_header(request, "Authorization", value)


class ApiKeyAuth(Auth):
    """A key in a header or in the query of every request."""

    kind = "api_key"

    def __init__(
        self,
        key: SecretStr,
        *,
        name: str = "X-API-Key",
        where: Literal["header", "query"] = "header",
    ) -> None:
        self._key = key
        self._name = name
        self._where = where

    def _identity(self) -> tuple[str, ...]:
        return (self._key.get_secret_value(),)

    async def sign(self, request: Request, send: Send) -> Request:
        """Add the header or the query parameter."""
        key = self._key.get_secret_value()
        if self._where == "header":
            return with_header(request, self._name, key)
        bare = without(request.url, names=(self._name,))
        return replace(request, url=with_params(bare, {self._name: key}))


def basic(login: str, password: SecretStr) -> str:
    """Return login and password as the Authorization header wants them (RFC 7617)."""
    return base64.b64encode(f"{login}:{password.get_secret_value()}".encode()).decode()


def with_header(request: Request, name: str, value: str) -> Request:
    """Return a request with one header added or replaced."""
    return replace(request, headers={**request.headers, name: value})


def scrub(text: str, secrets: tuple[str, ...]) -> str:
    """Replace every secret in a text, plain or URL-encoded, by ``***``."""
    for secret in sorted(secrets, key=len, reverse=True):
        for form in {secret, quote(secret, safe="")}:
            text = text.replace(form, "***")
    return text
