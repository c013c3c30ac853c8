"""What the API tells of a property's quota, and what its errors mean for the caller.

Quotas: https://developers.google.com/analytics/devguides/reporting/data/v1/quotas. A property that
meets ten server errors within an hour answers nothing more to its project until the hour is over.
Errors are google.rpc.Status: https://cloud.google.com/apis/design/errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow_provider_spotify.core.errors import ImporterError, QuotaExhausted

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import Request, Response, Told

SPARE_ERRORS = 2
"""Server errors that are left to others; with no more than these, asking stops for the hour."""
_TOKENS = ("tokensPerHour", "tokensPerProjectPerHour", "tokensPerDay")
_PROPERTY = re.compile(r"/properties/([^/:]+):(run\w+)")
_PACIFIC = ZoneInfo("America/Los_Angeles")


def quota(response: Response, now: datetime | None = None) -> Told | None:
    """Read ``propertyQuota``: how many more requests like this one the tokens are good for.

    :param now: the time, with a zone; by default this machine's
    """
    from airflow_provider_spotify.core.clients.http.client import Told

    now = now or datetime.now(UTC)
    told = _quota(response)
    if told is None:
        return None
    left = [
        Told(remaining=_more(told[name]), reset=until(name, now))
        for name in _TOKENS
        if name in told
    ]
    hour = until("tokensPerHour", now)
    errors = told.get("serverErrorsPerProjectPerHour")
    if errors is not None and errors.get("remaining", 0) <= SPARE_ERRORS:
        left.append(Told(remaining=0, reset=hour))
    thresholded = told.get("potentiallyThresholdedRequestsPerHour", {})
    if thresholded.get("consumed"):
        left.append(Told(remaining=thresholded.get("remaining", 0), reset=hour))
    return min(left, key=lambda each: each.remaining or 0, default=None)


def _quota(response: Response) -> Mapping[str, Mapping[str, Any]] | None:
    if response.status != 200 or "json" not in response.content_type:
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    found = body.get("propertyQuota") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else None


def _more(status: Mapping[str, Any]) -> int:
    """Return how many more such requests the tokens are good for; zeros are left out of JSON."""
    return int(status.get("remaining", 0)) // max(1, int(status.get("consumed", 0)))


def until(name: str, now: datetime) -> float:
    """Return the seconds until a quota is renewed: at the full hour, or at midnight Pacific time.

    When exactly is not documented; the API promises "in under an hour", "in under 24 hours".
    """
    if name != "tokensPerDay":
        return 3600 - now.timestamp() % 3600
    there = now.astimezone(_PACIFIC)
    midnight = datetime.combine(there.date() + timedelta(days=1), datetime.min.time(), _PACIFIC)
    return midnight.timestamp() - now.timestamp()


def bucket(request: Request) -> str:
    """Name the quota that a request counts against: each property has one for either category."""
    found = _PROPERTY.search(request.url)
    if not found:
        return ""
    return f"{found[1]}:{'realtime' if found[2] == 'runRealtimeReport' else 'core'}"


def exhausted(response: Response, now: datetime | None = None) -> ImporterError | None:
    """Return the error of an answer that says RESOURCE_EXHAUSTED; None if it does not.

    Too many requests at once, or in a minute, are waited for here; tokens come back with the hour
    or the day, so the worker is freed.
    """
    from airflow_provider_spotify.core.clients.http.client import RateLimited

    if response.status not in (403, 429) or not (error := dict(_errors(response))):
        return None
    if error.get("status") != "RESOURCE_EXHAUSTED":
        return None
    said = f"Google Analytics: {str(error.get('message', ''))[:300]}"
    reasons = {str(detail.get("reason")) for detail in error.get("details") or ()}
    if "RATE_LIMIT_EXCEEDED" in reasons or "concurrent" in said:
        return RateLimited(said)
    daily = "per day" in said or "24 hours" in said or "daily" in said.lower()
    wait = until("tokensPerDay" if daily else "tokensPerHour", now or datetime.now(UTC))
    return QuotaExhausted(f"{said}; the next run goes on from here", retry_after=wait)


def _errors(response: Response) -> Iterator[tuple[str, Any]]:
    try:
        body = response.json()
    except ValueError:
        return
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        yield from error.items()
