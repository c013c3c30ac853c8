"""What is known of one key's requests, pauses and rate, in this process or elsewhere."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from airflow_provider_spotify.core.clients.http.pace import Allowance, Pace
from airflow_provider_spotify.core.clients.http.settings import Rate
from airflow_provider_spotify.core.errors import MissingDependency

Mark: TypeAlias = Any
"""Names one request in a store's log."""

SHORTEST = 0.005
"""Seconds; a shorter sleep only burns time, since Redis' clock ticks in milliseconds."""


class Store(ABC):
    """What is known of one key: the requests of the last period, a pause, and a learned rate."""

    @abstractmethod
    async def take(self) -> float:
        """Count one request and return 0, or return the seconds until the set rate has room."""

    @abstractmethod
    async def log(self) -> tuple[float, Mark]:
        """Log one request, or return the seconds until the learned rate has room for it."""

    @abstractmethod
    async def refuse(self, mark: Mark, wait: float) -> None:
        """Learn that a request was one too many, and the seconds that the API asked to wait."""

    async def answered(self, mark: Mark) -> None:  # noqa: B027 - may stay as it is
        """Learn that a request was answered and not refused."""

    @abstractmethod
    async def paused(self) -> float:
        """Return how many seconds of a pause are left."""

    @abstractmethod
    async def pause(self, seconds: float) -> None:
        """Let no request through for so long, or for the rest of a longer pause."""


@dataclass(slots=True)
class Known:
    """What this process knows of one key, whichever thread or loop asks."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    buckets: dict[Rate, Any] = field(default_factory=dict)
    allowance: Allowance = field(default_factory=Allowance)
    pace: Pace = field(default_factory=Pace)
    resume: float = 0.0


_KNOWN: dict[str, Known] = {}
_KNOWN_LOCK = threading.Lock()


def known(key: str) -> Known:
    """Return what this process knows of a key, from now on."""
    with _KNOWN_LOCK:
        return _KNOWN.setdefault(key, Known())


def forget_limits() -> None:
    """Forget what this process knows of every key's requests, pauses and rates."""
    with _KNOWN_LOCK:
        _KNOWN.clear()


class LocalStore(Store):
    """The limits of this process."""

    def __init__(self, key: str, rate: Rate | None) -> None:
        self._known = known(key)
        self._rate = rate

    async def take(self) -> float:
        """Count one request against the set rate."""
        if self._rate is None:
            return 0.0
        from pyrate_limiter import RateItem

        with self._known.lock:
            bucket = self._bucket(self._rate)
            item = RateItem("request", bucket.now())
            bucket.leak(item.timestamp)
            return 0.0 if bucket.put(item) else max(SHORTEST, float(bucket.waiting(item)) / 1000)

    def _bucket(self, rate: Rate) -> Any:
        if rate not in self._known.buckets:
            self._known.buckets[rate] = pyrate().InMemoryBucket([pyrate_rate(rate)])
        return self._known.buckets[rate]

    async def log(self) -> tuple[float, Mark]:
        """Log one request against the learned rate."""
        with self._known.lock:
            now = time.monotonic()
            wait = self._known.pace.take(now)
        return (max(SHORTEST, wait) if wait else 0.0), now

    async def refuse(self, mark: Mark, wait: float) -> None:
        """Learn that a request was one too many."""
        with self._known.lock:
            self._known.pace.refuse(mark, wait)

    async def answered(self, mark: Mark) -> None:
        """Count a request from now on, when it has been counted for sure."""
        with self._known.lock:
            self._known.pace.answered(mark, time.monotonic())

    async def paused(self) -> float:
        """Return how many seconds of the pause are left."""
        return max(0.0, self._known.resume - time.monotonic())

    async def pause(self, seconds: float) -> None:
        """Let no request through for so long."""
        with self._known.lock:
            self._known.resume = max(self._known.resume, time.monotonic() + seconds)


def pyrate() -> Any:
    """Import pyrate-limiter.

    :raises MissingDependency: if it is not installed
    """
    try:
        import pyrate_limiter
    except ImportError as error:
        raise MissingDependency("pyrate-limiter", extra="http") from error
    return pyrate_limiter


def pyrate_rate(rate: Rate) -> Any:
    """Return a rate as pyrate-limiter has it."""
    return pyrate().Rate(rate.count, rate.milliseconds)
