"""Keeps answers as RFC 9111 allows, through hishel: one SQLite file per tenant, or Redis.

A cached body is data of the tenant, unencrypted: the cache is off unless ``cache_ttl`` is set, its
folder is open to its owner only, and :func:`erase` removes what was kept of a tenant. Errors, 404
among them, are never kept. A cache that breaks is left with a warning, and the import goes on
without it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.messages import Request, Response
from airflow_provider_spotify.core.errors import ConfigurationError, MissingDependency

if TYPE_CHECKING:
    import hishel

T = TypeVar("T")
Send = Callable[[Request], Awaitable[Response]]
MAX_SIZE = 512 * 1024 * 1024
"""Bytes that the answers of one tenant may take together."""
KEPT = 2
"""Times ``cache_ttl`` that an answer is kept, so that an ETag may confirm a stale one."""
_CODED = frozenset({"content-encoding", "content-length", "transfer-encoding", "set-cookie"})
_FRESHNESS = frozenset({"expires", "pragma", "age"})
_BROKEN = (sqlite3.Error, OSError, RuntimeError, ValueError, LookupError, zlib.error)
"""What a damaged file, or a Redis that does not answer, raises."""
_log = logging.getLogger(__name__)


class Cache:
    """Answers GET requests from what was kept while that is fresh, and asks again when not.

    :param ttl: seconds that an answer stays fresh, whatever it says itself; an answer marked
        ``no-store`` is never kept
    :param folder: of the SQLite files; None: below the user's cache folder
    :param redis_url: keep answers in this Redis instead
    :param fingerprint: of the credentials; what one credential may see, another does not get
    """

    def __init__(
        self,
        *,
        ttl: float,
        folder: Path | None,
        tenant: str,
        fingerprint: str,
        redis_url: SecretStr | None = None,
    ) -> None:
        self._ttl = ttl
        self._path = database(folder, tenant=tenant)
        self._redis_url = redis_url
        self._tenant = tenant
        self._scope = f"{tenant}\0{fingerprint}"
        self._storage: hishel.BaseStorage | None = None
        self._broken: tuple[type[Exception], ...] = _BROKEN
        self._place = "in Redis" if redis_url else str(self._path)
        self._opened = False

    async def open(self) -> None:
        """Open the store, and make its file if it is not there.

        :raises MissingDependency: if hishel, or redis, is not installed
        :raises ConfigurationError: if the folder cannot be written, or Redis' URL is malformed
        """
        try:
            import hishel  # noqa: F401 - so that a missing one is said here
        except ImportError as error:
            raise MissingDependency("hishel", extra="http") from error
        self._opened = True
        if self._redis_url is not None:
            self._storage = self._in_redis(self._redis_url)
        else:
            self._storage = await self._tried(self._in_file)

    def _in_redis(self, url: SecretStr) -> hishel.BaseStorage:
        from airflow_provider_spotify.core.clients.http.cache_redis import FAILURES, RedisStorage

        self._broken = (*_BROKEN, *FAILURES)
        return RedisStorage(url, tenant=self._tenant, ttl=self._ttl * KEPT, most=MAX_SIZE)

    def _in_file(self) -> hishel.BaseStorage:
        import hishel

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cache_dir {self._path.parent} cannot be written ({error.strerror})"
            ) from error
        storage = hishel.SqliteStorage(
            database_path=self._path, default_ttl=self._ttl * KEPT, max_size=MAX_SIZE
        )
        # hishel reads a damaged file as an empty one, with a traceback for every request.
        try:
            storage._ensure_connection().execute("SELECT count(*) FROM entries").fetchone()
        except _BROKEN:
            storage.close()
            raise
        return storage

    async def close(self) -> None:
        """Close the store."""
        self._opened = False
        if self._storage is not None:
            await asyncio.to_thread(self._storage.close)

    async def answer(self, request: Request, send: Send) -> Response:
        """Return the kept answer, or what ``send`` returns, and keep that if it may be kept."""
        import hishel

        if not self._opened:
            raise ConfigurationError("an HttpClient is used inside `async with HttpClient(...)`")
        storage = self._storage
        asked = hishel.Request("GET", request.url, hishel.Headers(dict(request.headers)))
        key = self._key(request)
        found = await self._tried(self._look_up, storage, asked, key) if storage else None
        if storage is None or found is None:
            return await send(request)
        state, kept = found
        if kept is not None:
            return replace(kept, url=request.url)
        answer = await send(replace(request, headers=_headers(state.request.headers)))
        confirmed = answer.status == 304
        if confirmed and not isinstance(state, hishel.NeedRevalidation):
            return answer
        given = await self._tried(self._keep, storage, state, asked, answer, key)
        if given is None:
            return await send(request) if confirmed else answer
        return replace(given, revalidated=confirmed)

    async def _tried(self, action: Callable[..., T], *arguments: Any) -> T | None:
        """Run something of the store in a thread; None, with one warning, where it is broken."""
        try:
            return await asyncio.to_thread(action, *arguments)
        except self._broken as error:
            self._storage = None
            hint = "" if self._redis_url else "; delete the file if it stays so"
            _log.warning(
                "the HTTP cache %s is broken (%s): going on without it%s",
                self._place,
                type(error).__name__,
                hint,
            )
            return None

    def _key(self, request: Request) -> str:
        return hashlib.sha256(f"{self._scope}\0{request.url}".encode()).hexdigest()

    def _look_up(
        self, storage: hishel.BaseStorage, asked: hishel.Request, key: str
    ) -> tuple[Any, Response | None]:
        """Return the state to go on from, and the kept answer if it is fresh."""
        import hishel

        idle = hishel.IdleClient(options=hishel.CacheOptions(shared=False))
        state: Any = idle.next(asked, storage.get_entries(key))
        if isinstance(state, hishel.FromCache):
            return state, _read(state.entry.response, asked.url)
        return state, None

    def _keep(
        self,
        storage: hishel.BaseStorage,
        state: Any,
        asked: hishel.Request,
        answer: Response,
        key: str,
    ) -> Response:
        """Take the state machine to its end with the server's answer."""
        import hishel

        state = state.next(self._as_hishel(answer))
        while True:
            if isinstance(state, hishel.StoreAndUse):
                entry = storage.create_entry(asked, state.response, key)
                _drain(entry.response)
                return answer
            if isinstance(state, hishel.FromCache):
                return _read(state.entry.response, answer.url)
            if isinstance(state, hishel.NeedToBeUpdated):
                for entry in state.updating_entries:
                    storage.update_headers(entry.id, entry.response.headers)
                state = state.next()
            elif isinstance(state, hishel.InvalidateEntries):
                for entry_id in state.entry_ids:
                    storage.remove_entry(entry_id)
                state = state.next()
            else:
                return answer

    def _as_hishel(self, answer: Response) -> hishel.Response:
        import hishel

        kept = {k: v for k, v in answer.headers.items() if k not in _CODED | _FRESHNESS}
        if answer.status >= 400:
            # RFC 9111 would keep a 404; what is missing now may be there for the next run.
            kept["cache-control"] = "no-store"
        elif "no-store" not in kept.get("cache-control", "").lower():
            kept["cache-control"] = f"private, max-age={max(1, round(self._ttl))}"
        return hishel.Response(answer.status, hishel.Headers(kept), iter([answer.body]))


def database(folder: Path | None, *, tenant: str) -> Path:
    """Return the file that keeps a tenant's answers; ``XDG_CACHE_HOME`` is the default's root."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.blake2b(tenant.encode(), digest_size=8).hexdigest()
    return (folder or root / "airflow-provider-spotify") / f"http-{name}.db"


def erase(folder: Path | None, *, tenant: str, redis_url: SecretStr | None = None) -> None:
    """Remove every answer kept for a tenant, in the folder and, if one is given, in Redis.

    :raises redis.RedisError: if Redis does not answer
    """
    if redis_url is not None:
        from airflow_provider_spotify.core.clients.http import cache_redis

        cache_redis.erase(redis_url, tenant=tenant)
    path = database(folder, tenant=tenant)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _headers(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in headers}


def _read(kept: hishel.Response, url: str) -> Response:
    headers = {name.lower(): value for name, value in _headers(kept.headers).items()}
    return Response(kept.status_code, headers, _drain(kept), url, from_cache=True)


def _drain(kept: hishel.Response) -> bytes:
    stream = kept.stream
    assert stream is None or isinstance(stream, Iterator)
    return b"".join(stream or ())
