"""Keeps requests under an API's rate, process-wide or, through Redis, over all workers."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.http_settings import Rate
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    MissingDependency,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.usage import Usage

if TYPE_CHECKING:
    from pydantic import SecretStr

PREFIX = "airflow_provider_spotify:limit"
_SHORTEST = 0.005
"""Seconds; a shorter sleep only burns time, since Redis' clock ticks in milliseconds."""


class _Store(ABC):
    """What is known of one key: the requests of the last period, and a pause."""

    @abstractmethod
    async def open(self) -> None:
        """Connect, where there is something to connect to."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def take(self) -> float:
        """Count one request and return 0, or return the seconds until there is room."""

    @abstractmethod
    async def paused(self) -> float:
        """Return how many seconds of a pause are left."""

    @abstractmethod
    async def pause(self, seconds: float) -> None:
        """Let no request through for so long, or for the rest of a longer pause."""


@dataclass(slots=True)
class _Known:
    """What this process knows of one key, whichever thread or loop asks."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    buckets: dict[Rate, Any] = field(default_factory=dict)
    resume: float = 0.0


_KNOWN: dict[str, _Known] = {}
_KNOWN_LOCK = threading.Lock()


class _Local(_Store):
    """The limits of this process."""

    def __init__(self, key: str, rate: Rate | None) -> None:
        with _KNOWN_LOCK:
            self._known = _KNOWN.setdefault(key, _Known())
        self._rate = rate

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def take(self) -> float:
        if self._rate is None:
            return 0.0
        from pyrate_limiter import RateItem

        with self._known.lock:
            bucket = self._bucket(self._rate)
            item = RateItem("request", bucket.now())
            bucket.leak(item.timestamp)
            return 0.0 if bucket.put(item) else max(_SHORTEST, float(bucket.waiting(item)) / 1000)

    def _bucket(self, rate: Rate) -> Any:
        if rate not in self._known.buckets:
            self._known.buckets[rate] = _pyrate().InMemoryBucket([_limit(rate)])
        return self._known.buckets[rate]

    async def paused(self) -> float:
        return max(0.0, self._known.resume - time.monotonic())

    async def pause(self, seconds: float) -> None:
        with self._known.lock:
            self._known.resume = max(self._known.resume, time.monotonic() + seconds)


class _Shared(_Store):
    """The limits of every worker, in Redis, on Redis' own clock."""

    def __init__(self, key: str, rate: Rate | None, url: SecretStr) -> None:
        self._key = f"{PREFIX}:{key}"
        self._rate = rate
        self._url = url
        self._redis: Any = None
        self._bucket: Any = None
        self._ahead = 0

    async def open(self) -> None:
        try:
            import redis.asyncio
        except ImportError as error:
            raise MissingDependency("redis", extra="http") from error
        try:
            self._redis = redis.asyncio.from_url(
                self._url.get_secret_value(), socket_connect_timeout=5, socket_timeout=5
            )
        except ValueError:
            raise ConfigurationError(
                "redis_url is malformed (it is not shown); write redis://[:password@]host:port/0"
            ) from None
        await self._guard(self._prepare)

    async def _prepare(self) -> None:
        seconds, micros = await self._redis.time()
        self._ahead = int(seconds) * 1000 + int(micros) // 1000 - time.time_ns() // 1_000_000
        if self._rate is not None:
            limit = _limit(self._rate)
            key = f"{self._key}:{limit.limit}/{limit.interval}"
            self._bucket = await _pyrate().RedisBucket.init([limit], self._redis, key)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    async def _guard(self, action: Any) -> Any:
        """Run a Redis action; its script is loaded again if Redis was restarted meanwhile."""
        from redis.exceptions import NoScriptError, RedisError

        try:
            try:
                return await action()
            except NoScriptError:
                await self._prepare()
                return await action()
        except (RedisError, OSError) as error:
            raise TransientError(
                f"the shared rate limiter's Redis does not answer ({type(error).__name__}); "
                "check redis_url, or leave it out to limit each process alone"
            ) from None

    async def take(self) -> float:
        return 0.0 if self._rate is None else float(await self._guard(self._take))

    async def _take(self) -> float:
        from pyrate_limiter import RateItem

        item = RateItem("request", time.time_ns() // 1_000_000 + self._ahead)
        if not await self._bucket.put(item):
            return max(_SHORTEST, float(self._bucket.waiting(item)) / 1000)
        assert self._rate is not None
        async with self._redis.pipeline(transaction=False) as pipe:
            self._bucket_upkeep(pipe, item.timestamp, period=self._rate.milliseconds)
            await pipe.execute()
        return 0.0

    def _bucket_upkeep(self, pipe: Any, now: int, *, period: int) -> None:
        """Drop what is older than the period, and let an unused key vanish."""
        pipe.zremrangebyscore(self._bucket.bucket_key, 0, now - period - 1000)
        pipe.pexpire(self._bucket.bucket_key, period + 60_000)

    async def paused(self) -> float:
        left = await self._guard(lambda: self._redis.pttl(f"{self._key}:pause"))
        return max(0.0, float(left) / 1000)

    async def pause(self, seconds: float) -> None:
        if seconds > await self.paused():
            await self._guard(
                lambda: self._redis.set(f"{self._key}:pause", 1, px=max(1, round(seconds * 1000)))
            )


class Limiter:
    """Lets one client's requests through, in order, when rate and pauses allow it.

    :param key: host and credential; clients of the same key share their limits
    :param max_wait: seconds; a pause that is longer than that raises QuotaExhausted
    """

    def __init__(
        self,
        key: str,
        *,
        rate: Rate | None,
        max_wait: float,
        usage: Usage,
        redis_url: SecretStr | None = None,
    ) -> None:
        self._store = _Shared(key, rate, redis_url) if redis_url else _Local(key, rate)
        self._max_wait = max_wait
        self._usage = usage
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Connect to Redis, if there is one."""
        await self._store.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._store.close()

    async def acquire(self) -> None:
        """Return when the next request may be sent.

        :raises QuotaExhausted: if a pause is under way that lasts longer than ``max_wait``
        """
        async with self._turn:
            while wait := await self._left():
                self._usage.waited += wait
                await asyncio.sleep(wait)

    async def _left(self) -> float:
        pause = await self._store.paused()
        if pause > self._max_wait:
            raise QuotaExhausted(
                f"the API asked for a pause; {pause:.0f} s of it are left", retry_after=pause
            )
        # Waking at random within a tenth keeps the workers from all asking at the same moment.
        return pause * random.uniform(1.0, 1.1) if pause else await self._store.take()  # noqa: S311

    async def pause(self, seconds: float) -> None:
        """Hold back every request of this key for so many seconds."""
        await self._store.pause(seconds)


def _pyrate() -> Any:
    try:
        import pyrate_limiter
    except ImportError as error:
        raise MissingDependency("pyrate-limiter", extra="http") from error
    return pyrate_limiter


def _limit(rate: Rate) -> Any:
    return _pyrate().Rate(rate.count, rate.milliseconds)


def forget_limits() -> None:
    """Forget what this process knows of every key's requests and pauses."""
    with _KNOWN_LOCK:
        _KNOWN.clear()
