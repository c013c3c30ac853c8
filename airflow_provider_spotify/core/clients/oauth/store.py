"""Where tokens live that several workers share: what a store is, and which one is meant.

A store keeps bytes and knows nothing of tokens: what it is given is sealed (:mod:`.seal`).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.settings import REDIS_SETTING
from airflow_provider_spotify.core.clients.http.tape import replaying
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError

STORE_SETTING = "SPOTIFY_IMPORTS_TOKEN_STORE"
"""The environment variable that names the store of connections which name none."""
PATIENCE = 90.0
"""Seconds that a worker waits for another one's renewal; longer than one takes."""


class TokenStore(Protocol):
    """Keeps one value a key, and lets one worker at a time renew it."""

    async def load(self, key: str) -> bytes | None:
        """Return the value; None where there is none.

        :raises TransientError: if the store does not answer
        """

    async def save(self, key: str, value: bytes) -> None:
        """Keep a value; when this returns, another worker can load it.

        :raises TransientError: if the store does not answer
        """

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold what no other worker holds meanwhile.

        :raises TransientError: if another one keeps it longer than ``PATIENCE``
        """


def token_store(
    extra: Mapping[str, Any] | None = None, *, environment: Mapping[str, str] = os.environ
) -> TokenStore | None:
    """Return the store that a connection's extra names, else the environment; None: the process.

    ``token_store`` in extra, then ``SPOTIFY_IMPORTS_TOKEN_STORE``: ``redis://host:6379/0`` or
    ``file:///folder``; then ``SPOTIFY_IMPORTS_REDIS_URL``.

    :raises ConfigurationError: if it is neither; the address is not repeated, as it may hold a
        password
    """
    named = (extra or {}).get("token_store") or environment.get(STORE_SETTING)
    url = str(named or environment.get(REDIS_SETTING) or "").strip()
    if not url or replaying():  # a token from a recording is none
        return None
    scheme = url.partition(":")[0].lower()
    if scheme in ("redis", "rediss", "unix"):
        from airflow_provider_spotify.core.clients.oauth.store_redis import RedisStore

        return RedisStore(SecretStr(url))
    path = unquote(urlsplit(url).path) if url.startswith("file:///") else ""
    if path.strip("/"):
        from airflow_provider_spotify.core.clients.oauth.store_files import FileStore

        return FileStore(path)
    raise ConfigurationError(
        "token_store is neither redis://host:6379/0 nor file:///folder (it is not shown)"
    )


async def next_try(since: float) -> None:
    """Wait a moment before a lock is tried again.

    :param since: when the first try was (monotonic seconds)
    :raises TransientError: if that is longer ago than ``PATIENCE``
    """
    if time.monotonic() - since > PATIENCE:
        raise TransientError(
            f"another worker has been renewing the token for {PATIENCE:.0f} s", retry_after=30
        )
    await asyncio.sleep(random.uniform(0.02, 0.08))  # noqa: S311
