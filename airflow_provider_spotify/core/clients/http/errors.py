"""What an HTTP answer means for its caller: statuses and bodies become the house's errors."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_spotify.core.clients.http.auth import scrub
from airflow_provider_spotify.core.clients.http.learning import Told
from airflow_provider_spotify.core.clients.http.messages import Request, Response
from airflow_provider_spotify.core.clients.http.quota import Limit, exceeded
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
    TransientError,
)

Classify = Callable[[Response], ImporterError | None]
RETRIED = frozenset({408, 425})


class NotFound(ConfigurationError):
    """The system has nothing at this address (404, 410)."""


class RateLimited(TransientError):
    """The system asks to slow down; the request was not carried out."""


class NotSent(TransientError):
    """The request never reached the system, so repeating it cannot do anything twice."""


class ServerError(TransientError):
    """The system failed at the request (5xx)."""


def judge(
    request: Request,
    response: Response,
    *,
    max_wait: float,
    secrets: tuple[str, ...],
    told: Told | None = None,
) -> ImporterError | None:
    """Return the error that an answer stands for; None if it is a good one.

    :param max_wait: seconds; a longer Retry-After becomes QuotaExhausted
    :param told: what the answer says of its limit, where it has no Retry-After
    """
    status = response.status
    if status < 400:
        return None
    said = f"{request.where} answered {status}{_said(response, secrets)}"
    limit = exceeded(response)
    if limit or status == 429 or (status == 503 and "retry-after" in response.headers):
        return _slow_down(said, response, limit=limit, max_wait=max_wait, told=told)
    if status >= 500:
        return ServerError(said)
    if status in RETRIED:
        return TransientError(said)
    if status in (401, 407):
        return AuthenticationError(f"{said}; check the connection's credentials")
    if status == 403:
        return ForbiddenError(f"{said}; the credentials are known but this is not open to them")
    if status in (404, 410):
        return NotFound(f"{said}; check path and ids")
    return ConfigurationError(f"{said}; check path, params and headers")


def require_json(request: Request, response: Response, *, secrets: tuple[str, ...]) -> None:
    """Make sure that a good answer's body is JSON.

    :raises TransientError: if it says it is JSON and is not: it was cut, so it is asked for again
    :raises DataError: if it is something else
    """
    try:
        response.json()
    except ValueError:
        start = scrub(response.text(100), secrets)
        said = (
            f"{request.where} answered {response.status} with "
            f"{response.content_type or 'no content type'} instead of JSON: {start!r}"
        )
        if "json" in response.content_type:
            raise TransientError(f"{said}; the body is cut or damaged") from None
        raise DataError(f"{said}; check base_url and path") from None


def _slow_down(
    said: str, response: Response, *, limit: Limit | None, max_wait: float, told: Told | None
) -> ImporterError:
    wait = retry_after(response.headers)
    if wait is None and told is not None and told.spent:
        wait = told.reset
    if limit == "quota":
        return QuotaExhausted(f"{said}; the quota is used up", retry_after=wait)
    if wait is not None and wait > max_wait:
        return QuotaExhausted(f"{said}; it asks to wait {wait:.0f} s", retry_after=wait)
    return RateLimited(said, retry_after=wait)


def dated(error: ImporterError, *, wait: float) -> ImporterError:
    """Return an error as it is; a used-up quota that has no end, with a time to ask again.

    That is no more than a guess, so it must not hold back requests that may have another quota.

    :param wait: seconds
    """
    if not isinstance(error, QuotaExhausted) or error.retry_after is not None:
        return error
    said = f"{error}; the API does not say until when, so it is asked again in {wait:.0f} s"
    return QuotaExhausted(said, retry_after=wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait (RFC 9110, 10.2.3), if it says."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def api_message(body: Any) -> str:
    """Return what an error body says, in the shapes that APIs commonly use; else nothing."""
    if isinstance(body, list) and body:
        return api_message(body[0])
    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        return ""
    for key in (
        "message",
        "error_description",
        "detail",
        "title",
        "error",
        "errors",
        "error_message",
    ):
        found = api_message(body[key]) if key in body else ""
        if found:
            return found
    return ""


def _json(response: Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _said(response: Response, secrets: tuple[str, ...]) -> str:
    text = api_message(_json(response))
    text = "".join(c if c.isprintable() else " " for c in text)[:300].strip()
    return f" ({scrub(text, secrets)})" if text else ""
