"""Keeps requests under an API's rate, process-wide or, through Redis, over all workers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.clients.http.learning import Told
from airflow_provider_spotify.core.clients.http.limits_redis import Link, RedisStore
from airflow_provider_spotify.core.clients.http.limits_store import (
    LocalStore,
    Mark,
    Store,
    forget_limits,
    known,
)
from airflow_provider_spotify.core.clients.http.settings import Rate
from airflow_provider_spotify.core.errors import QuotaExhausted
from airflow_provider_spotify.core.usage import Usage

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["Limiter", "forget_limits"]


class Limiter:
    """Lets one client's requests through, in order, when rates, pauses and allowances permit.

    :param key: host and credential; clients of the same key share their limits
    :param rate: what the user set; it holds for all buckets together
    :param max_wait: seconds; a pause that is longer than that raises QuotaExhausted
    :param within: the limiter that this one is a bucket of
    """

    def __init__(
        self,
        key: str,
        *,
        rate: Rate | None,
        max_wait: float,
        usage: Usage,
        redis_url: SecretStr | None = None,
        within: Limiter | None = None,
    ) -> None:
        if within is not None:
            self._link: Link | None = within._link
        else:
            self._link = Link(redis_url) if redis_url else None
        self._store: Store = (
            RedisStore(key, rate, self._link) if self._link else LocalStore(key, rate)
        )
        self._whole: Store = within._store if within is not None else self._store
        self._known = known(key)
        self._key = key
        self._max_wait = max_wait
        self._usage = usage
        self._turn = asyncio.Lock()
        self._buckets: dict[str, Limiter] = {}

    async def open(self) -> None:
        """Connect to Redis, if there is one."""
        if self._link is not None:
            await self._link.open()

    async def close(self) -> None:
        """Disconnect."""
        if self._link is not None:
            await self._link.close()

    def bucket(self, name: str) -> Limiter:
        """Return the limiter of one of the API's limits; of the only one, for an empty name."""
        if not name:
            return self
        if name not in self._buckets:
            self._buckets[name] = Limiter(
                f"{self._key}:{name}",
                rate=None,
                max_wait=self._max_wait,
                usage=self._usage,
                within=self,
            )
        return self._buckets[name]

    async def acquire(self) -> Mark:
        """Wait until a request may be sent; return its mark in the log.

        :raises QuotaExhausted: if a pause is longer than ``max_wait``
        """
        async with self._turn:
            counted = False
            while True:
                wait = await self._held()
                if not wait and not counted:
                    wait = await self._whole.take()
                    counted = not wait
                if not wait:
                    wait, mark = await self._store.log()
                    if not wait:
                        return mark
                self._usage.waited += wait
                await asyncio.sleep(wait)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Mark]:
        """Hold one request's place from when it may be sent until it is answered."""
        mark = await self.acquire()
        with self._known.lock:
            self._known.allowance.sent()
        try:
            yield mark
        finally:
            with self._known.lock:
                self._known.allowance.answered()

    async def _held(self) -> float:
        pause = await self._store.paused()
        if pause:
            self._bound(pause)
            # Waking at random within a tenth keeps the workers from all asking at the same moment.
            return pause * random.uniform(1.0, 1.1)  # noqa: S311
        wait = self._known.allowance.wait(time.monotonic())
        if wait:
            self._bound(wait)
        return wait

    def _bound(self, wait: float) -> None:
        if wait > self._max_wait:
            raise QuotaExhausted(
                f"the API's limit is used up, or it asked for a pause; {wait:.0f} s are left",
                retry_after=wait,
            )

    async def learn(self, told: Told) -> None:
        """Take to heart what an answer said: hold back before the API has to refuse."""
        if not told.reset:
            return
        if told.remaining is not None:
            with self._known.lock:
                self._known.allowance.told(told.remaining, told.reset, time.monotonic())
        if told.spent:
            await self._store.pause(told.reset)

    async def refuse(self, mark: Mark, *, wait: float) -> None:
        """Learn that a request was one too many.

        :param wait: seconds that the API asked to wait; zero if it did not say
        """
        await self._store.refuse(mark, wait)

    async def answered(self, mark: Mark) -> None:
        """Learn that a request was answered and not one too many."""
        await self._store.answered(mark)

    async def pause(self, seconds: float) -> None:
        """Hold back every request of this key for so many seconds."""
        await self._store.pause(seconds)
