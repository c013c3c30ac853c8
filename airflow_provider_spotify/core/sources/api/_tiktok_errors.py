"""What TikTok's errors mean: ``error.code`` counts, whatever the HTTP status says.

https://developers.tiktok.com/doc/tiktok-api-v2-error-handling
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
    TransientError,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import Response

_REMEDY = "authorise again (spotify-imports authorize tiktok)"
_NO_TOKEN = frozenset({"access_token_invalid", "access_token_expired", "invalid_token"})
_NO_SCOPE = frozenset({"scope_not_authorized", "scope_permission_missed"})
_BROKEN = frozenset({"internal_error", "timeout", "service_unavailable"})


class SearchEnded(ConfigurationError):
    """A search that pages belong to is no more; it must begin anew."""


def classify(response: Response) -> ImporterError | None:
    """Return the error that a body holds; None where it says ``ok``, or is none of TikTok's."""
    error = _error(response)
    code = str((error or {}).get("code") or "")
    if error is None or code in ("", "ok"):
        return None
    message = "".join(c if c.isprintable() else " " for c in str(error.get("message") or ""))[:200]
    said = f"TikTok: {message or 'no reason'} ({code}, log_id {error.get('log_id')})"
    return (
        _of_caller(code, said)
        or _of_request(code, said, message.lower())
        or _of_server(code, said, response)
    )


def _of_caller(code: str, said: str) -> ImporterError | None:
    if code in _NO_TOKEN:
        return AuthenticationError(f"{said}; {_REMEDY}")
    if code in _NO_SCOPE:
        return ForbiddenError(f"{said}; {_REMEDY} and grant what the resource needs")
    if code.startswith("spam_risk") or code in ("unaudited_client", "access_denied"):
        return ForbiddenError(said)
    return None


def _of_request(code: str, said: str, message: str) -> ImporterError | None:
    from airflow_provider_spotify.core.clients.http.errors import NotFound

    if code == "not_found" or (code == "invalid_params" and "cannot find" in message):
        return NotFound(said)
    # What is said of a forgotten search is measured, not documented:
    # https://github.com/CybersecurityForDemocracy/tiktok-library/issues/89
    if code == "invalid_params" and any(each in message for each in _SEARCH):
        return SearchEnded(said)
    return ConfigurationError(f"{said}; check the keys") if code.startswith("invalid") else None


_SEARCH = ("search id", "search_id", "count or cursor")


def _of_server(code: str, said: str, response: Response) -> ImporterError:
    from airflow_provider_spotify.core.clients.http.errors import (
        RateLimited,
        ServerError,
        retry_after,
    )

    if code == "rate_limit_exceeded":
        return RateLimited(said, retry_after=retry_after(response.headers))
    if code == "daily_quota_limit_exceeded":
        return QuotaExhausted(f"{said}; it is renewed at midnight UTC", retry_after=_to_midnight())
    if code in _BROKEN or response.status >= 500:
        return ServerError(f"{said}; try again later")
    if response.status < 400:
        return TransientError(f"{said}; an error came with status {response.status}")
    return ConfigurationError(said)


def _error(response: Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _to_midnight() -> float:
    """Return the seconds until the day's quota is renewed."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - now).total_seconds()
