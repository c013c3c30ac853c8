"""What a token endpoint is asked and answers (RFC 6749, 5), in the dialects that are spoken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import Send, basic, scrub
from airflow_provider_spotify.core.clients.http.errors import retry_after
from airflow_provider_spotify.core.clients.http.messages import Request, Response, plain
from airflow_provider_spotify.core.errors import AuthenticationError, TransientError

ClientAuth = Literal["basic", "body"]
_FORM = "application/x-www-form-urlencoded"


class GrantRefused(AuthenticationError):
    """The code, refresh token or assertion is not, or no longer, accepted (``invalid_grant``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """One token endpoint, and the client that it knows.

    :param client_auth: where it expects the client's secret
    :param client_id_name: the parameter that holds the client id
    :param title: the system's name, for messages
    :param remedy: what to do when it refuses a grant
    """

    url: str
    client_id: str = ""
    client_secret: SecretStr | None = None
    client_auth: ClientAuth = "basic"
    client_id_name: str = "client_id"
    title: str | None = None
    remedy: str = "re-authorise the application and put the new refresh token into the connection"

    async def ask(
        self, form: Mapping[str, str], *, send: Send, client_auth: ClientAuth | None = None
    ) -> dict[str, Any]:
        """Post a form with the client's credentials; return the answer, which has an access_token.

        :param client_auth: where the secret goes for this grant
        :raises GrantRefused: on ``invalid_grant``
        :raises AuthenticationError: if it refuses for another reason
        :raises TransientError: if it cannot answer now
        """
        response = await send(self._request(form, client_auth or self.client_auth))
        return self.read(response, secrets=tuple(form.values()))

    def _request(self, given: Mapping[str, str], client_auth: ClientAuth) -> Request:
        form, secret = dict(given), self.client_secret
        headers = {"Content-Type": _FORM, "Accept": "application/json"}
        if secret and client_auth == "basic":
            headers["Authorization"] = f"Basic {basic(self.client_id, secret)}"
        elif self.client_id:
            form[self.client_id_name] = self.client_id
            if secret:
                form["client_secret"] = secret.get_secret_value()
        return Request("POST", self.url, headers, urlencode(form).encode())

    def read(self, response: Response, *, secrets: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the answer's body, or raise what it stands for (see ``ask``)."""
        where = f"{f'{self.title}: ' if self.title else ''}the token endpoint {plain(self.url)}"
        body = _object(response)
        if response.status == 429 or response.status >= 500:
            wait = retry_after(response.headers)
            raise TransientError(f"{where} answered {response.status}", retry_after=wait)
        error = _error(body)
        if error == "invalid_grant":
            raise GrantRefused(
                f"{where} no longer accepts the grant (invalid_grant): {self.remedy}"
            )
        if response.status >= 400 or error:
            said = scrub(error, (*secrets, *self._secrets()))[:60]
            raise AuthenticationError(
                f"{where} answered {response.status} {said}: check client id, secret and scope"
            )
        if not body.get("access_token"):
            raise AuthenticationError(
                f"{where} answered without an access_token: check its address"
            )
        return body

    def _secrets(self) -> tuple[str, ...]:
        return (self.client_secret.get_secret_value(),) if self.client_secret else ()


def life(body: Mapping[str, Any], *, otherwise: float = 3600) -> float:
    """Return how long an answer's token lives (seconds)."""
    try:
        return float(body.get("expires_in") or otherwise)
    except (TypeError, ValueError):
        return otherwise


def _object(response: Response) -> dict[str, Any]:
    """Return the answer's object; Instagram's first one comes in a list called ``data``."""
    try:
        body = response.json()
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    data = body.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return {**body, **data[0]}
    return body


def _error(body: Mapping[str, Any]) -> str:
    """Return the error's code: ``error`` as text (RFC 6749, 5.2, TikTok) or Meta's object."""
    error = body.get("error") or body.get("error_type") or ""
    if isinstance(error, Mapping):
        words = {k: error[k] for k in ("type", "code", "error_subcode") if k in error}
        return "" if error.get("code") == "ok" else json.dumps(words)
    return str(error)
