"""What an API's answers tell of its limits, in the headers that are in common use.

- ``RateLimit: "default";r=50;t=30`` with ``RateLimit-Policy: "default";q=100;w=60``, its earlier
  form ``RateLimit: limit=100, remaining=50, reset=30``, and the three fields before that:
  https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
- ``X-RateLimit-{Limit,Remaining,Reset}``, in any case and with or without the hyphen:
  https://docs.x.com/x-api/fundamentals/rate-limits gives the reset in seconds of the epoch.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from airflow_provider_spotify.core.clients.http.messages import Request, Response


class Told(NamedTuple):
    """What one answer says of the limit that its request counted against.

    :param remaining: how many more requests may be sent before ``reset``
    :param limit: how many requests one period has
    :param reset: seconds from now until there are new ones
    :param busy: the share (0 to 1) of the limit that is used, where no count is given
    """

    remaining: int | None = None
    limit: int | None = None
    reset: float | None = None
    busy: float | None = None

    @property
    def spent(self) -> bool:
        """Nothing is left until the reset."""
        return self.remaining == 0 or (self.busy is not None and self.busy >= 1)


Learn = Callable[[Response], Told | None]
Bucket = Callable[[Request], str]
"""Names the limit that a request counts against, for an API with several."""

_EPOCH = 1_000_000_000
"""A larger number of seconds (2001) is a moment, a smaller one a time from now."""
_ITEM = re.compile(r'(?:"[^"]*"|[^,"])+')
_FAMILIES = ("ratelimit-", "x-ratelimit-", "x-rate-limit-")


def rate_headers(response: Response) -> Told | None:
    """Read the headers in common use; None if there are none, or none that can be read.

    Of several limits the one is told that will hold requests back first.
    """
    headers = response.headers
    found = [*_listed(headers), *_separate(headers)]
    known = [told for told in found if told.remaining is not None]
    return min(known or found, key=_nearness, default=None)


def _nearness(told: Told) -> tuple[float, float]:
    left = float("inf") if told.remaining is None else told.remaining
    return left, -(told.reset or 0.0)


def _listed(headers: Mapping[str, str]) -> Iterator[Told]:
    """Yield the limits of one ``RateLimit`` field, in either of its forms."""
    field = headers.get("ratelimit", "")
    items = [_parameters(item) for item in _ITEM.findall(field)]
    if items and all("remaining" not in item for item in items):
        quotas = {p[""]: p for p in map(_parameters, _ITEM.findall(headers.get(_POLICY, "")))}
        for item in items:
            quota = _whole(quotas.get(item[""], {}).get("q"))
            if "r" in item:
                yield Told(_whole(item["r"]), quota, _number(item.get("t")))
    elif items:
        given = {key: value for item in items for key, value in item.items()}
        yield Told(
            _whole(given["remaining"]), _whole(given.get("limit")), _number(given.get("reset"))
        )


_POLICY = "ratelimit-policy"


def _parameters(item: str) -> dict[str, str]:
    """Split ``"name";r=50;t=30``; the name stands under the empty key."""
    found = {"": ""}
    for part in item.split(";"):
        key, is_pair, value = part.strip().partition("=")
        found[key.lower() if is_pair else ""] = value.strip() if is_pair else key.strip('"')
    return found


def _separate(headers: Mapping[str, str]) -> Iterator[Told]:
    for family in _FAMILIES:
        left, limit, reset = (headers.get(f"{family}{x}") for x in ("remaining", "limit", "reset"))
        if left is not None or reset is not None:
            yield Told(_whole(left), _whole(limit), _until(reset, headers))


def _whole(text: str | None) -> int | None:
    """Read a count; ``100, 100;w=60`` is the older draft's limit with its policies."""
    number = _number(text)
    return None if number is None else max(0, int(number))


def _number(text: str | None) -> float | None:
    found = re.match(r"\s*(-?\d+(\.\d+)?)", text or "")
    return float(found[1]) if found else None


def _until(text: str | None, headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a reset, given as a time from now or as a moment.

    A moment is ISO text, or seconds or milliseconds of the epoch; it is compared
    with the server's own clock, where it tells the time.
    """
    try:
        moment = datetime.fromisoformat(text or "").timestamp() if "T" in (text or "") else None
    except ValueError:
        return None
    number = _number(text) if moment is None else moment
    if number is None or number < _EPOCH:
        return None if number is None else max(0.0, number)
    seconds = number / 1000 if number > 1000 * _EPOCH else number
    return max(0.0, seconds - _server_time(headers))


def _server_time(headers: Mapping[str, str]) -> float:
    try:
        return email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()
