"""Keeps answers on disk as RFC 9111 allows, one SQLite file per tenant, through hishel.

A cached body is data of the tenant, unencrypted: the cache is off unless ``cache_ttl`` is set,
its folder is open to its owner only, and :func:`erase` removes what was kept of a tenant.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.http_messages import Request, Response
from airflow_provider_spotify.core.errors import ConfigurationError, MissingDependency

if TYPE_CHECKING:
    import hishel

Send = Callable[[Request], Awaitable[Response]]
MAX_SIZE = 512 * 1024 * 1024
"""Bytes that the cache of one tenant may take on disk."""
KEPT = 2
"""Times ``cache_ttl`` that an answer stays on disk, so that an ETag may confirm a stale one."""
_CODED = frozenset({"content-encoding", "content-length", "transfer-encoding", "set-cookie"})
_FRESHNESS = frozenset({"expires", "pragma", "age"})


class Cache:
    """Answers GET requests from disk while they are fresh, and asks again when they are not.

    :param ttl: seconds that an answer stays fresh, whatever it says itself; an answer marked
        ``no-store`` is never kept
    :param fingerprint: of the credentials; what one credential may see, another does not get
    """

    def __init__(self, *, ttl: float, folder: Path | None, tenant: str, fingerprint: str) -> None:
        self._ttl = ttl
        self._path = database(folder, tenant=tenant)
        self._scope = f"{tenant}\0{fingerprint}"
        self._storage: hishel.SqliteStorage | None = None

    async def open(self) -> None:
        """Open the file, and make it if it is not there.

        :raises MissingDependency: if hishel is not installed
        :raises ConfigurationError: if the folder cannot be written
        """
        try:
            import hishel
        except ImportError as error:
            raise MissingDependency("hishel", extra="http") from error
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cache_dir {self._path.parent} cannot be written ({error.strerror})"
            ) from error
        self._storage = hishel.SqliteStorage(
            database_path=self._path, default_ttl=self._ttl * KEPT, max_size=MAX_SIZE
        )

    async def close(self) -> None:
        """Close the file."""
        if self._storage is not None:
            await asyncio.to_thread(self._storage.close)

    async def answer(self, request: Request, send: Send) -> Response:
        """Return the kept answer, or what ``send`` returns, and keep that if it may be kept."""
        import hishel

        storage = self._storage
        if storage is None:
            raise ConfigurationError("an HttpClient is used inside `async with HttpClient(...)`")
        asked = hishel.Request("GET", request.url, hishel.Headers(dict(request.headers)))
        key = self._key(request)
        state, kept = await asyncio.to_thread(self._look_up, storage, asked, key)
        if kept is not None:
            return replace(kept, url=request.url)
        answer = await send(replace(request, headers=_headers(state.request.headers)))
        if answer.status == 304 and not isinstance(state, hishel.NeedRevalidation):
            return answer
        return await asyncio.to_thread(self._keep, storage, state, asked, answer, key)

    def _key(self, request: Request) -> str:
        return hashlib.sha256(f"{self._scope}\0{request.url}".encode()).hexdigest()

    def _look_up(
        self, storage: hishel.SqliteStorage, asked: hishel.Request, key: str
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
        storage: hishel.SqliteStorage,
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
        if "no-store" not in kept.get("cache-control", "").lower():
            kept["cache-control"] = f"private, max-age={max(1, round(self._ttl))}"
        return hishel.Response(answer.status, hishel.Headers(kept), iter([answer.body]))


def database(folder: Path | None, *, tenant: str) -> Path:
    """Return the file that keeps a tenant's answers; ``XDG_CACHE_HOME`` is the default's root."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.blake2b(tenant.encode(), digest_size=8).hexdigest()
    return (folder or root / "airflow-provider-spotify") / f"http-{name}.db"


def erase(folder: Path | None, *, tenant: str) -> None:
    """Remove every answer kept for a tenant."""
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
