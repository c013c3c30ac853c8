"""The half of an HTTP client that holds no body in memory: ``download`` and ``stream``."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from airflow_provider_spotify.core.clients.http.download import (
    Body,
    Download,
    Downloaded,
    opened,
    placed,
)
from airflow_provider_spotify.core.clients.http.messages import Params, Request, Response
from airflow_provider_spotify.core.clients.http.settings import HttpSettings

T = TypeVar("T")
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_ANY = {"Accept": "*/*"}


class Streaming(ABC):
    """Bodies of any length at flat memory, with all else that ``request`` does.

    An answer of 2xx reaches ``classify`` without its body; another one is read and judged as ever.
    ``timeout`` bounds the silence between two reads, not the whole. At most ``concurrency`` bodies
    are open at once, beside the requests under way.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self._bodies = asyncio.Semaphore(settings.concurrency)

    async def download(
        self,
        url: str,
        *,
        to: Path | BinaryIO,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        missing_ok: bool = False,
    ) -> Downloaded:
        """Get a body of any length into a file, at flat memory; raises what ``request`` raises.

        A lost connection is resumed where the server can do that; else the file begins again.

        :param to: a path, which appears whole or not at all; or a seekable file
        :param max_bytes: bound of the body; ``max_download_bytes`` of the settings if not given
        """
        request = self._build("GET", url, params=params, headers={**_ANY, **(headers or {})})
        attempt = partial(self._attempt, missing_ok=missing_ok, is_json=False)
        with placed(to) as (file, place):
            body = Download(file, most=max_bytes or self.settings.max_download_bytes)
            async with self._bodies:
                done = await self._lasting(
                    lambda: body.once(request, attempt), idempotent=True, bucket=request.bucket
                )
            if done.status < 300:
                place()
        return done

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        idempotent: bool | None = None,
        max_bytes: int | None = None,
        missing_ok: bool = False,
    ) -> AsyncIterator[Body]:
        """Send a request and give the answer while its body comes; raises what ``request`` raises.

        It is repeated only until the body begins; what is lost later is a TransientError.

        :param max_bytes: bound of the body; ``max_download_bytes`` of the settings if not given
        """
        given = {**_ANY, **(headers or {})}
        request = self._build(method, url, params=params, headers=given, json=json, body=body)
        attempt = partial(self._attempt, missing_ok=missing_ok, is_json=False)
        most = max_bytes or self.settings.max_download_bytes
        async with self._bodies:
            opening = await self._lasting(
                lambda: opened(request, attempt, most=most),
                idempotent=method in IDEMPOTENT if idempotent is None else idempotent,
                bucket=request.bucket,
            )
            async with aclosing(opening):
                yield opening

    @abstractmethod
    def _build(
        self,
        method: str,
        url: str,
        *,
        params: Params | None,
        headers: Mapping[str, str] | None,
        json: Any = None,
        body: bytes | None = None,
    ) -> Request: ...

    @abstractmethod
    async def _attempt(self, request: Request, *, missing_ok: bool, is_json: bool) -> Response: ...

    @abstractmethod
    async def _lasting(
        self, attempt: Callable[[], Awaitable[T]], *, idempotent: bool, bucket: str
    ) -> T: ...
