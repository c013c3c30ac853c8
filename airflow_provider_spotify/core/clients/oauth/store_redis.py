"""Keeps tokens in Redis, for the workers of many machines."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.oauth.store import next_try
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    MissingDependency,
    TransientError,
)

PREFIX = "airflow_provider_spotify:token"
HELD = 30_000
"""Milliseconds after which a dead worker's lock ends; a living one prolongs its own."""
KEPT = 400 * 24 * 3600
"""Seconds after which Redis drops a value; longer than the longest refresh token lives."""
_MINE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call("
_RELEASE = f"{_MINE}'del', KEYS[1]) else return 0 end"
_PROLONG = f"{_MINE}'pexpire', KEYS[1], ARGV[2]) else return 0 end"


class RedisStore:
    """One string a key, and a lock that knows its owner.

    The lock is Redis' own pattern for one server: SET NX PX, given back by a script
    (https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/). Every call has a
    connection of its own: a token is renewed once an hour, by clients of any event loop. Redis
    keeps the tokens as durably as it is configured to: with ``appendonly yes`` and
    ``appendfsync always`` they survive its crash.
    """

    def __init__(self, url: SecretStr) -> None:
        self._url = url

    async def load(self, key: str) -> bytes | None:
        """Return the value; None where there is none."""
        async with self._connected() as redis:
            value: bytes | None = await redis.get(f"{PREFIX}:{key}")
            return value

    async def save(self, key: str, value: bytes) -> None:
        """Keep a value."""
        async with self._connected() as redis:
            await redis.set(f"{PREFIX}:{key}", value, ex=KEPT)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Hold the key's lock, and prolong it for as long as the work takes."""
        name, owner = f"{PREFIX}:{key}:lock", secrets.token_hex(16)
        since = time.monotonic()
        while not await self._taken(name, owner):
            await next_try(since)
        keeper = asyncio.create_task(self._keep(name, owner))
        try:
            yield
        finally:
            keeper.cancel()
            # A lock that cannot be given back ends by itself.
            with suppress(TransientError):
                await self._eval(_RELEASE, name, owner)
            await asyncio.wait({keeper})

    async def _taken(self, name: str, owner: str) -> bool:
        async with self._connected() as redis:
            return bool(await redis.set(name, owner, nx=True, px=HELD))

    async def _keep(self, name: str, owner: str) -> None:
        while True:
            await asyncio.sleep(HELD / 3000)
            with suppress(TransientError):
                await self._eval(_PROLONG, name, owner, HELD)

    async def _eval(self, script: str, name: str, *arguments: Any) -> None:
        async with self._connected() as redis:
            await redis.eval(script, 1, name, *arguments)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        client = _client(self._url)
        from redis.exceptions import AuthenticationError, RedisError

        try:
            async with client:
                yield client
        except AuthenticationError:
            raise ConfigurationError(
                "the token store's Redis refused its login; check the address's password"
            ) from None
        except (RedisError, OSError) as error:
            raise TransientError(
                f"the token store's Redis does not answer ({type(error).__name__}); a token is "
                "not renewed where the new one cannot be kept"
            ) from None


def _client(url: SecretStr) -> Any:
    try:
        import redis.asyncio
    except ImportError as error:
        raise MissingDependency("redis", extra="http") from error
    try:
        return redis.asyncio.from_url(
            url.get_secret_value(), socket_connect_timeout=5, socket_timeout=5
        )
    except ValueError:
        raise ConfigurationError(
            "the token store's address is malformed (it is not shown); write "
            "redis://[:password@]host:6379/0"
        ) from None
