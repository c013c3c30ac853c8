"""What the problems mean that X reports, as answers of their own and within good ones.

Types: https://docs.x.com/x-api/fundamentals/response-codes-and-errors (RFC 7807).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.sources.api._twitter_joins import is_reference
from airflow_provider_spotify.core.sources.web.rows import Reject

_TRIED_AGAIN = ("internal-error", "service-unavailable", "operational-disconnect")


def named(status: int, body: Any) -> ImporterError | None:
    """Return the error of a bad answer whose status misleads."""
    if status < 400 or not isinstance(body, Mapping):
        return None
    kind, said = str(body.get("type") or "").rpartition("/")[2], f"X: {_said(body)}"
    if kind == "usage-capped":
        daily = body.get("period") == "Daily"
        until = "tomorrow" if daily else "the next billing cycle"
        wait = _to_midnight() if daily else timedelta(days=1).total_seconds()
        return QuotaExhausted(
            f"{said}; the cap of the plan is used up until {until}", retry_after=wait
        )
    if status == 402:
        return QuotaExhausted(
            f"{said}; the app's credits are used up: buy some at console.x.com, or let them be"
            " recharged",
            retry_after=3600.0,
        )
    if kind == "client-forbidden":
        return ForbiddenError(f"{said}; enrol the app in a project at console.x.com")
    if kind == "invalid-request" and status == 400:
        return ConfigurationError(f"{said}{_words(body)}")
    return None


def checked(body: Any, *, where: str, lookup: bool) -> Mapping[str, Any]:
    """Return a good answer's body, which must look like one.

    :param lookup: it has no ``meta``
    :raises TransientError: if it holds an error that is about no resource
    :raises DataError: if it is something else
    """
    if not isinstance(body, Mapping):
        raise DataError(f"{where}: the answer is no JSON object; check api_url")
    errors = body.get("errors") or ()
    if "data" not in body and errors and not any(_about(each) for each in errors):
        raise TransientError(f"{where}: {_said(errors[0])}")
    if "data" not in body and not errors and (lookup or "meta" not in body):
        raise DataError(f"{where}: the answer holds neither data nor errors; check api_url")
    if not isinstance(body.get("data") or [], list):
        raise DataError(f"{where}: data is no list; check api_url")
    for each in errors:
        if isinstance(each, Mapping) and str(each.get("type")).endswith(_TRIED_AGAIN):
            raise TransientError(f"{where}: {_said(each)}")
    return body


def refused(body: Mapping[str, Any], *, where: str) -> list[Reject]:
    """Return what a good answer says it could not give."""
    return [
        Reject(_named(error), _said(error), where)
        for error in body.get("errors") or ()
        if _about(error) and not is_reference(error)
    ]


def _named(error: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("resource_type", "resource_id", "parameter", "value", "title", "type")
    return {key: error[key] for key in kept if key in error}


def _about(error: Any) -> bool:
    names = ("resource_id", "resource_type", "value")
    return isinstance(error, Mapping) and any(error.get(name) for name in names)


def _said(error: Any) -> str:
    if not isinstance(error, Mapping):
        return "an error"
    title = error.get("title")
    said = error.get("detail") or error.get("message")
    return ": ".join(str(each)[:300] for each in (title, said) if each) or "an error"


def _words(body: Mapping[str, Any]) -> str:
    """Return what is said of single parameters."""
    errors: Sequence[Any] = body.get("errors") or ()
    said = [str(e["message"])[:300] for e in errors if isinstance(e, Mapping) and e.get("message")]
    if any(".fields" in each or "expansions" in each for each in said):
        said.append("where X has renamed its fields, set vocabulary")
    return "".join(f"; {each}" for each in said[:4])


def _to_midnight() -> float:
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - now).total_seconds()
