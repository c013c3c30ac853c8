"""Tells from an error's body that a limit was reached, whatever the status says.

- Google says it with 403 or 429: ``error.errors[].reason`` in its older APIs,
  ``error.status: RESOURCE_EXHAUSTED`` and ``error.details[].reason`` in its newer ones
  (https://developers.google.com/analytics/devguides/reporting/core/v4/errors,
  https://cloud.google.com/apis/design/errors).
- Meta says it with 400 or 403: ``error.code`` 4, 17, 32 or 613
  (https://developers.facebook.com/docs/graph-api/overview/rate-limiting/).
- Others name a ``reason`` in the error or beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from airflow_provider_spotify.core.clients.http.messages import Response

Limit = Literal["rate", "quota"]

_STATUSES = frozenset({400, 403, 429})
_QUOTAS = frozenset({"quota_exceeded", "quotaexceeded", "dailylimitexceeded", "resource_exhausted"})
_RATES = frozenset({"ratelimitexceeded", "userratelimitexceeded", "rate_limit_exceeded"})
_META = frozenset({4, 17, 32, 613})


def exceeded(response: Response) -> Limit | None:
    """Say which kind of limit an answer's body names: a rate, a longer quota, or none.

    A rate's name outweighs a quota's, since Google calls either RESOURCE_EXHAUSTED.
    """
    if response.status not in _STATUSES:
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    if not isinstance(body, Mapping):
        return None
    error = body.get("error")
    found = {text.lower() for text in _reasons(error if isinstance(error, Mapping) else body)}
    if found & _RATES:
        return "rate"
    if found & _QUOTAS:
        return "quota"
    is_meta = isinstance(error, Mapping) and "fbtrace_id" in error and error.get("code") in _META
    return "quota" if is_meta else None


def _reasons(error: Mapping[str, Any]) -> Iterator[str]:
    yield str(error.get("reason") or "")
    yield str(error.get("status") or "")
    for key in ("errors", "details"):
        items = error.get(key)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, Mapping):
                yield str(item.get("reason") or "")
