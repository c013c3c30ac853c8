"""What the Graph API's errors mean, and what its headers tell of the limits.

Codes: https://developers.facebook.com/docs/graph-api/guides/error-handling and
https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/error-codes;
limits: https://developers.facebook.com/docs/graph-api/overview/rate-limiting. The HTTP status says
little: most refusals are 400, a used-up limit is 400, 403 or 429.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
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
    from airflow_provider_spotify.core.clients.http.client import Response, Told

RATE = frozenset({4, 17, 32, 341, 613, *range(80000, 80015)})
"""Calls of the app, a user, a page, a business use case (80002: Instagram) are used up."""
UNTOLD = 900.0
"""Seconds to wait where the API does not say how long: its windows slide over an hour."""
_DAY = 24 * 3600.0
_SUBCODES = {
    458: "the user has removed the app",
    459: "the user must confirm the login at Facebook",
    460: "the password was changed",
    463: "the token has ended",
    464: "the user is not confirmed",
    467: "the token is no longer valid",
}
_REMEDY = "authorise again (spotify-imports authorize instagram) and update the connection"
_TOKEN = re.compile(r"(?<![\w|%-])(?=[\w|%-]*[A-Z])(?=[\w|%-]*\d)[\w|%-]{24,}")
"""What looks like a token; names of metrics are long, too, and have neither capitals nor digits."""
_METRIC = re.compile(r"metric.*(not support|must be one of)|not support.*metric", re.IGNORECASE)


class MetricRefused(ConfigurationError):
    """A metric is not one of this object."""


class NoInsights(ConfigurationError):
    """There are no insights of this object."""


class TooMuch(ConfigurationError):
    """The answer would be too large; fewer rows are to be asked for."""


def classify(response: Response, *, max_wait: float) -> ImporterError | None:
    """Return the error that a body holds; None where it holds none, or one without a code.

    :param max_wait: seconds; a longer wait is QuotaExhausted
    """
    error = _error(response)
    if error is None or not isinstance(error.get("code"), int):
        return None
    code, subcode = error["code"], error.get("error_subcode")
    said = f"Instagram: {_said(error)} ({_numbers(code, subcode)})"
    if code in RATE:
        return _slow_down(said, response, max_wait=max_wait)
    if code in (102, 190, 2500):
        why = _SUBCODES.get(subcode or 0, "the token is refused")
        return AuthenticationError(f"{said}: {why}; {_REMEDY}")
    found = _of_object(code, subcode, said, str(error.get("message", "")))
    if found is not None:
        return found
    if code in (1, 2) or error.get("is_transient") is True:
        return _server_error(said)
    if code in (3, 10) or 200 <= code <= 299:
        return ForbiddenError(f"{said}; the app lacks a permission for this account")
    if code == 368:
        return ForbiddenError(f"{said}; Meta has blocked this action for a while")
    if response.status < 400:
        return TransientError(f"{said}; an error came with status {response.status}")
    return _server_error(said) if response.status >= 500 else ConfigurationError(said)


def _of_object(code: int, subcode: int | None, said: str, message: str) -> ImporterError | None:
    """Return the error that concerns what was asked for, not who asked."""
    from airflow_provider_spotify.core.clients.http.errors import NotFound

    if code == 18:
        # At most 30 hashtags of one account in seven days.
        return QuotaExhausted(f"{said}; leave hashtags out, or wait", retry_after=_DAY)
    if code in (24, 110, 803) or (code == 100 and subcode == 33):
        return NotFound(f"{said}; check the id or the name, and who may see it")
    if code == 10 and "enough viewers" in message:
        return NoInsights(said)
    if code == 1 and "reduce the amount of data" in message:
        return TooMuch(f"{said}; set a smaller page_size")
    if code in (12, 2635):
        return ConfigurationError(f"{said}; set another api_version")
    if code != 100:
        return None
    if subcode == 2108006:
        return NoInsights(said)
    if _METRIC.search(message):
        return MetricRefused(f"{said}; leave the metric out")
    return ConfigurationError(said)


def _server_error(said: str) -> ImporterError:
    from airflow_provider_spotify.core.clients.http.errors import ServerError

    return ServerError(f"{said}; try again later")


def _slow_down(said: str, response: Response, *, max_wait: float) -> ImporterError:
    from airflow_provider_spotify.core.clients.http.errors import RateLimited

    told = learn(response)
    wait = (told.reset if told else None) or UNTOLD
    if wait > max_wait:
        return QuotaExhausted(f"{said}; calls are free again in {wait:.0f} s", retry_after=wait)
    return RateLimited(said, retry_after=wait)


def learn(response: Response) -> Told | None:
    """Read the share of the limits that is used, and when calls are free again.

    ``X-App-Usage`` counts the app's calls, ``X-Business-Use-Case-Usage`` those of an account; both
    in percent, the latter with ``estimated_time_to_regain_access`` in minutes.
    """
    from airflow_provider_spotify.core.clients.http.client import Told

    limits = [*_limits(response.headers)]
    if not limits:
        return None
    used = (x.get(k) for x in limits for k in ("call_count", "total_time", "total_cputime"))
    busy = max((float(u) for u in used if isinstance(u, int | float)), default=0.0) / 100
    minutes = (x.get("estimated_time_to_regain_access") for x in limits)
    wait = max((float(m) for m in minutes if isinstance(m, int | float)), default=0.0) * 60
    # The estimate holds once access is lost; before that it is zero.
    return Told(reset=wait or None, busy=max(busy, 1.0) if wait else busy)


def _limits(headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    app = _json(headers.get("x-app-usage"))
    if isinstance(app, dict):
        yield app
    business = _json(headers.get("x-business-use-case-usage"))
    for uses in business.values() if isinstance(business, dict) else ():
        yield from (use for use in uses if isinstance(use, dict))


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _error(response: Response) -> Mapping[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _said(error: Mapping[str, Any]) -> str:
    """Return what an error says; it may repeat a token, so what looks like one is left out."""
    text = str(error.get("error_user_msg") or error.get("message") or "an error")
    text = "".join(c if c.isprintable() else " " for c in text)
    return _TOKEN.sub("***", text)[:300].strip().rstrip(".")


def _numbers(code: int, subcode: int | None) -> str:
    return f"code {code}, subcode {subcode}" if subcode else f"code {code}"
