"""The limits of every worker, in Redis, on Redis' own clock."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_spotify.core.clients.http.limits_store import (
    SHORTEST,
    Mark,
    Store,
    pyrate,
    pyrate_rate,
)
from airflow_provider_spotify.core.clients.http.pace import LOGGED, SHARE, Learned, learned
from airflow_provider_spotify.core.clients.http.settings import Rate
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    MissingDependency,
    TransientError,
)

if TYPE_CHECKING:
    from pydantic import SecretStr

PREFIX = "airflow_provider_spotify:limit"
_LEARNING = 1000
"""Milliseconds that one worker has to learn from a refusal while the others wait."""
_REMEMBERED = 24 * 3600 * 1000
"""Milliseconds that a learned rate is kept after its last change."""

_LOG = f"""
local log, rate, refused, learning = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + tonumber(clock[2]) / 1000
if redis.call('EXISTS', learning) == 1 then return {{'20', ''}} end
local refusal = redis.call('GET', refused)
if refusal then
  redis.call('DEL', refused)
  redis.call('SET', learning, 1, 'PX', {_LEARNING})
  return {{'-1', refusal}}
end
local known = redis.call('HMGET', rate, 'count', 'per', 'since')
if known[1] then
  local count, per, since = tonumber(known[1]), tonumber(known[2]), tonumber(known[3])
  local most = math.max(1, math.floor(count * {SHARE} + 0.5))
  local logged = redis.call('ZCARD', log)
  if logged >= most then
    local oldest = tonumber(redis.call('ZRANGE', log, -most, -most, 'WITHSCORES')[2])
    local wait = oldest + per + 20 - now
    if oldest > now - 1.5 * per and now - since > math.max(20 * per, 300000) then
      redis.call('HSET', rate, 'count', count * 1.03, 'since', now)
    end
    if wait > 0 then return {{tostring(wait), ''}} end
  end
end
redis.call('ZADD', log, string.format('%.3f', now), ARGV[1])
redis.call('ZREMRANGEBYRANK', log, 0, -{LOGGED + 1})
redis.call('PEXPIRE', log, 3600000)
return {{'0', string.format('%.3f', now)}}
"""
"""Log a request, or say how many milliseconds to wait; one caller is asked to learn (-1)."""


class Link:
    """One connection to the Redis that holds the limits; a client's buckets share it.

    :param url: with its password; never shown
    """

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self.redis: Any = None
        self.ahead = 0
        """Milliseconds that Redis' clock is ahead of this machine's."""

    async def open(self) -> None:
        """Connect.

        :raises ConfigurationError: if the URL is none
        :raises TransientError: if Redis does not answer
        """
        try:
            import redis.asyncio
        except ImportError as error:
            raise MissingDependency("redis", extra="http") from error
        try:
            self.redis = redis.asyncio.from_url(
                self._url.get_secret_value(), socket_connect_timeout=5, socket_timeout=5
            )
        except ValueError:
            raise ConfigurationError(
                "redis_url is malformed (it is not shown); write redis://[:password@]host:port/0"
            ) from None
        await self.guard(self.set_clock)

    async def set_clock(self) -> None:
        """Find how far Redis' clock is ahead: of three answers the fastest tells it best."""
        found = []
        for _ in range(3):
            before = time.time_ns()
            seconds, micros = await self.redis.time()
            after = time.time_ns()
            theirs = int(seconds) * 1000 + int(micros) // 1000
            found.append((after - before, theirs - (before + after) // 2_000_000))
        self.ahead = min(found)[1]

    async def close(self) -> None:
        """Disconnect."""
        if self.redis is not None:
            await self.redis.aclose()

    async def guard(
        self,
        action: Callable[[], Awaitable[Any]],
        *,
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> Any:
        """Run a Redis action; what it needs is prepared again if Redis was restarted meanwhile.

        :raises TransientError: if Redis does not answer
        """
        from redis.exceptions import NoScriptError, RedisError

        try:
            try:
                return await action()
            except NoScriptError:
                if prepare is None:
                    raise
                await prepare()
                return await action()
        except (RedisError, OSError) as error:
            raise TransientError(
                f"the shared rate limiter's Redis does not answer ({type(error).__name__}); "
                "check redis_url (or SPOTIFY_IMPORTS_REDIS_URL), or leave it out to limit each "
                "process alone"
            ) from None


class RedisStore(Store):
    """One key's limits, over a link that is open."""

    def __init__(self, key: str, rate: Rate | None, link: Link) -> None:
        self._key = f"{PREFIX}:{key}"
        self._keys = [f"{self._key}:{x}" for x in ("log", "rate", "refused", "learning")]
        self._rate = rate
        self._link = link
        self._bucket: Any = None
        self._script: Any = None

    async def take(self) -> float:
        """Count one request against the set rate."""
        if self._rate is None:
            return 0.0
        return float(await self._link.guard(self._take, prepare=self._prepare))

    async def _prepare(self) -> None:
        assert self._rate is not None
        await self._link.set_clock()
        limit = pyrate_rate(self._rate)
        key = f"{self._key}:{limit.limit}/{limit.interval}"
        self._bucket = await pyrate().RedisBucket.init([limit], self._link.redis, key)

    async def _take(self) -> float:
        from pyrate_limiter import RateItem

        assert self._rate is not None
        if self._bucket is None:
            await self._prepare()
        item = RateItem("request", time.time_ns() // 1_000_000 + self._link.ahead)
        if not await self._bucket.put(item):
            return max(SHORTEST, float(self._bucket.waiting(item)) / 1000)
        async with self._link.redis.pipeline(transaction=False) as pipe:
            self._bucket_upkeep(pipe, item.timestamp, period=self._rate.milliseconds)
            await pipe.execute()
        return 0.0

    def _bucket_upkeep(self, pipe: Any, now: int, *, period: int) -> None:
        """Drop what is older than the period, and let an unused key vanish."""
        pipe.zremrangebyscore(self._bucket.bucket_key, 0, now - period - 1000)
        pipe.pexpire(self._bucket.bucket_key, period + 60_000)

    async def log(self) -> tuple[float, Mark]:
        """Log one request against the learned rate."""
        if self._script is None:
            self._script = self._link.redis.register_script(_LOG)
        member = uuid.uuid4().hex
        while True:
            said, more = await self._link.guard(
                lambda: self._script(keys=self._keys, args=[member])
            )
            if float(said) >= 0:
                wait = float(said) / 1000
                return (max(SHORTEST, wait) if wait else 0.0), (member, more)
            await self._link.guard(partial(self._learn, orjson.loads(more)))

    async def _learn(self, refusal: dict[str, float]) -> None:
        log, rate, _, learning = self._keys
        scores = [
            score / 1000 for _, score in await self._redis.zrange(log, 0, -1, withscores=True)
        ]
        known = await self._redis.hgetall(rate)
        before = None
        if known:
            per, since = float(known[b"per"]) / 1000, float(known[b"since"]) / 1000
            before = Learned(float(known[b"count"]), per, since)
        if before is None or refusal["sent"] > before.since:
            found = learned(scores, refused=refusal["sent"], wait=refusal["wait"], before=before)
            if found is not None:
                figures = {
                    "count": found.count,
                    "per": found.per * 1000,
                    "since": found.since * 1000,
                }
                await self._redis.hset(rate, mapping=figures)
                await self._redis.pexpire(rate, _REMEMBERED)
        await self._redis.delete(learning)

    @property
    def _redis(self) -> Any:
        return self._link.redis

    async def refuse(self, mark: Mark, wait: float) -> None:
        """Learn that a request was one too many."""
        member, sent = mark
        await self._link.guard(lambda: self._redis.zrem(self._keys[0], member))
        if wait > 0:
            refusal = orjson.dumps({"sent": float(sent) / 1000, "wait": wait})
            await self._link.guard(
                # the first refusal tells; those of the requests that were under way do not
                lambda: self._redis.set(
                    self._keys[2], refusal, nx=True, px=round(wait * 1000) + 60_000
                )
            )

    async def paused(self) -> float:
        """Return how many seconds of the pause are left."""
        left = await self._link.guard(lambda: self._redis.pttl(f"{self._key}:pause"))
        return max(0.0, float(left) / 1000)

    async def pause(self, seconds: float) -> None:
        """Let no request through for so long."""
        if seconds > await self.paused():
            await self._link.guard(
                lambda: self._redis.set(f"{self._key}:pause", 1, px=max(1, round(seconds * 1000)))
            )
