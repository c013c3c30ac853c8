"""Rate limits of a contract server: so many calls of one key in any so many seconds."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

Key = Callable[[web.Request], str]
Describe = Callable[["Room"], Mapping[str, str]]


@dataclass(frozen=True)
class Room:
    """How a key stands: ``left`` calls of ``count``; ``reset`` seconds until one more is free."""

    count: int
    per: float
    left: int
    reset: float


def everyone(request: web.Request) -> str:
    """Count all calls together."""
    return "all"


def retry_after(room: Room) -> Mapping[str, str]:
    """Say in whole seconds when one more call is free (RFC 9110, 10.2.3)."""
    return {"Retry-After": str(max(1, math.ceil(room.reset)))}


def x_rate_limit(room: Room) -> Mapping[str, str]:
    """Say limit, rest and reset (UNIX seconds) in the usual ``X-RateLimit-*`` headers."""
    return {
        "X-RateLimit-Limit": str(room.count),
        "X-RateLimit-Remaining": str(room.left),
        "X-RateLimit-Reset": str(math.ceil(time.time() + room.reset)),
    }


@dataclass
class Limit:
    """A rolling window. A refused call costs nothing.

    :param count: calls of one key in any ``per`` seconds; tests may change it while it runs
    :param key: what is counted apart: a token, a user, a property; by default everything together
    :param path: a prefix of the paths that count
    :param refused: headers of the refusal
    :param told: headers of every answer that was let through
    :param status: of the refusal; ``message`` and the API's ``error`` shape its body
    """

    count: int
    per: float
    key: Key = everyone
    path: str = "/"
    refused: Describe = retry_after
    told: Describe = lambda room: {}
    status: int = 429
    message: str = "Rate limit exceeded"
    _recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def take(self, request: web.Request) -> tuple[bool, Room]:
        """Count a call; return whether it is let through, and how its key stands."""
        now = time.monotonic()
        recent = self._recent[self.key(request)]
        while recent and recent[0] <= now - self.per:
            recent.popleft()
        ok = len(recent) < self.count
        if ok:
            recent.append(now)
        reset = recent[0] + self.per - now if recent else self.per
        return ok, Room(self.count, self.per, max(0, self.count - len(recent)), reset)

    def clear(self) -> None:
        """Forget every call so far."""
        self._recent.clear()
