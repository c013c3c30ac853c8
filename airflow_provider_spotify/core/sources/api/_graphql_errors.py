"""What the errors mean that a GraphQL API answers, mostly with status 200.

Shape: https://spec.graphql.org/October2021/#sec-Errors. Codes:
https://www.apollographql.com/docs/apollo-server/data/errors (``extensions.code``),
https://shopify.dev/docs/api/usage/limits (``THROTTLED`` and ``extensions.cost``),
https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
(``type: RATE_LIMITED`` with status 200).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from airflow_provider_spotify.core.clients.http.errors import NotFound, RateLimited, ServerError
from airflow_provider_spotify.core.clients.http.learning import Told
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
)
from airflow_provider_spotify.core.sources.web.pages import dig
from airflow_provider_spotify.core.sources.web.rows import Reject
from airflow_provider_spotify.core.sources.web.times import parse_time

_LIMITED = {"THROTTLED", "RATE_LIMITED", "RATELIMITED", "TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED"}
_SIGNED_OUT = {"UNAUTHENTICATED", "UNAUTHORIZED", "AUTHENTICATION_ERROR", "INVALID_TOKEN"}
_CLOSED = {"FORBIDDEN", "ACCESS_DENIED", "INSUFFICIENT_SCOPES", "PERMISSION_DENIED"}
_MISSING = {"NOT_FOUND"}
_WRONG = {
    "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "BAD_REQUEST",
    "OPERATION_RESOLUTION_FAILURE", "MAX_COST_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED",
    "QUERY_TOO_COMPLEX", "UNDEFINEDFIELD", "ARGUMENTLITERALSINCOMPATIBLE", "VARIABLEMISMATCH",
    "MISSINGREQUIREDARGUMENTS", "SELECTIONMISMATCH", "ARGUMENTNOTACCEPTED",
}  # fmt: skip
_FAILED = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT", "GATEWAY_TIMEOUT",
           "INTERNAL", "DOWNSTREAM_SERVICE_ERROR", "STITCHING_ERROR"}  # fmt: skip
_TIMED_OUT = ("timeout", "timed out", "something went wrong while executing your query")


class Answer(NamedTuple):
    """What a body with errors holds.

    :param records: None for a place whose record is missing or refused
    """

    records: Sequence[Mapping[str, Any] | None]
    rejected: Sequence[Reject] = ()


def named(body: Any, *, root: str) -> ImporterError | None:
    """Return the error of an answer that is nothing but errors, and of any that is limited.

    :param root: the field of data that the records are in; others beside it are no records
    """
    found = _errors(body)
    codes = {_code(each) for each in found}
    if not found or (_has_data(body, root) and not codes & _LIMITED):
        return None
    said = f"GraphQL: {_said(found)}"
    if codes & _LIMITED:
        return RateLimited(said, retry_after=_wait(body))
    if codes & _SIGNED_OUT:
        return AuthenticationError(f"{said}; check the connection's credentials")
    if codes & _CLOSED:
        return ForbiddenError(f"{said}; the credentials are known but this is not open to them")
    if codes & _MISSING:
        return NotFound(f"{said}; check the variables")
    if codes & _WRONG:
        return ConfigurationError(f"{said}; check query and variables")
    if codes & _FAILED or any(word in said.lower() for word in _TIMED_OUT):
        return ServerError(f"{said}; smaller pages may help if it lasts")
    return None


def told(body: Any) -> str:
    """Return what the errors of a body say; nothing if it has none."""
    found = _errors(body)
    return f"GraphQL: {_said(found)} at {_spell(found[0])}" if found else ""


def only_errors(body: Any, *, root: str) -> str:
    """Return what a body says that holds errors and no data; nothing if it holds data."""
    return "" if not isinstance(body, Mapping) or _has_data(body, root) else told(body)


def learned(body: Any, *, quota: str | None) -> Told | None:
    """Return what a body tells of the API's limit, in requests like this one.

    :param quota: path in data of an object with cost, remaining and resetAt
    """
    cost = dig(body, "extensions.cost")
    if isinstance(cost, Mapping) and isinstance(cost.get("throttleStatus"), Mapping):
        return _bucket(cost)
    found = dig(body, f"data.{quota}") if quota else None
    if not isinstance(found, Mapping) or not isinstance(found.get("remaining"), int | float):
        return None
    price = max(1, int(found.get("cost") or 1))
    limit = found.get("limit")
    until = parse_time(found.get("resetAt"))
    reset = max(0.0, (until - datetime.now(UTC)).total_seconds()) if until else None
    return Told(int(found["remaining"]) // price, int(limit) // price if limit else None, reset)


def sorted_out(body: Any, *, path: Sequence[str], found: Sequence[Any], where: str) -> Answer:
    """Return the records that came whole; one with an error in it is rejected.

    :param path: names of the way from data to a record
    :raises DataError: if an error is not inside a record, so that the listing itself is broken
    """
    refused: dict[int, tuple[Any, str, str]] = {}
    for error in _errors(body):
        at, said = _spell(error), _said([error])
        record = _record(body["data"], error.get("path") or (), path)
        if record is None:
            raise DataError(f"{where}: {said} at {at}, which is outside any record")
        kept = record or {"path": error["path"]}
        refused.setdefault(id(record) if record else hash(at), (kept, said, f"{where} at {at}"))
    whole = [None if id(each) in refused else each for each in found]
    return Answer(whole, [Reject(*each) for each in refused.values()])


_GONE: Mapping[str, Any] = {}
"""A record of which nothing is left but its place."""


def _record(data: Any, at: Sequence[Any], path: Sequence[str]) -> Mapping[str, Any] | None:
    """Return the record that an error's path leads into; None if it leads to none."""
    value, names, numbers = data, list(path), 0
    for step in at:
        if not names and isinstance(value, Mapping):
            break
        if isinstance(step, int):
            numbers += 1
            value = value[step] if isinstance(value, list) and step < len(value) else None
        elif names and names.pop(0) == step:
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            return None
        if value is None:
            return _GONE if numbers and names in ([], ["node"]) else None
    return value if not names and isinstance(value, Mapping) else None


def _errors(body: Any) -> list[Mapping[str, Any]]:
    found = body.get("errors") if isinstance(body, Mapping) else None
    if isinstance(found, Mapping | str):
        found = [found]
    listed = found if isinstance(found, list) else []
    return [each if isinstance(each, Mapping) else {"message": str(each)} for each in listed]


def _has_data(body: Mapping[str, Any], root: str) -> bool:
    data = body.get("data")
    if not isinstance(data, Mapping):
        return False
    return data[root] is not None if root in data else any(v is not None for v in data.values())


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, Mapping) else None
    return str(code or error.get("type") or "").upper()


def _said(found: Sequence[Mapping[str, Any]]) -> str:
    first = found[0]
    text = "".join(c if c.isprintable() else " " for c in str(first.get("message") or "error"))
    code = _code(first)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return text[:300] + (f" [{code[:60]}]" if code else "") + more


def _spell(error: Mapping[str, Any]) -> str:
    return ".".join(map(str, error.get("path") or ())) or "the top"


def _bucket(cost: Mapping[str, Any]) -> Told:
    """Read a leaky bucket: so many points, which come back at a rate."""
    status = cost["throttleStatus"]
    price = max(1.0, float(cost.get("requestedQueryCost") or cost.get("actualQueryCost") or 1))
    left = float(status.get("currentlyAvailable") or 0)
    most = float(status.get("maximumAvailable") or left)
    rate = max(0.001, float(status.get("restoreRate") or 1))
    lacking = price - left if left < price else most - left
    return Told(int(left // price), int(most // price), max(0.0, lacking / rate))


def _wait(body: Any) -> float | None:
    cost = dig(body, "extensions.cost")
    if not isinstance(cost, Mapping) or not isinstance(cost.get("throttleStatus"), Mapping):
        return None
    return _bucket(cost).reset
