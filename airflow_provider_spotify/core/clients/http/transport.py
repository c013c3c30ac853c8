"""Carries one request over a pooled connection and hands over the answer, on aiohttp."""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.clients.http.body import ACCEPTED, Incoming, page
from airflow_provider_spotify.core.clients.http.errors import NotSent
from airflow_provider_spotify.core.clients.http.messages import Request, Response
from airflow_provider_spotify.core.clients.http.room import Room
from airflow_provider_spotify.core.clients.http.settings import HttpSettings
from airflow_provider_spotify.core.clients.http.tape import tape
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ImporterError,
    MissingDependency,
    TransientError,
)
from airflow_provider_spotify.core.usage import Usage

if TYPE_CHECKING:
    import aiohttp

CONNECT = 15.0
"""Seconds within which a connection must stand."""


def _no_secrets() -> tuple[str, ...]:
    return ()


class Transport:
    """A pool of connections. It follows no redirect, keeps no cookie and reads no environment.

    Its errors name what happened and where, never a query, a header or a body. A tape that runs
    in this process (:mod:`.tape`) hears every exchange, or answers in the system's place.

    :param secrets: gives what a tape must not keep
    :param usage: counts every request that goes out, and stops where the run's budget ends
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        secrets: Callable[[], tuple[str, ...]] = _no_secrets,
        usage: Usage | None = None,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._usage = usage or Usage()
        self._room = Room(settings.max_shared_bytes)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the pool.

        :raises MissingDependency: if aiohttp is not installed
        """
        try:
            import aiohttp
        except ImportError as error:
            raise MissingDependency("aiohttp", extra="http") from error
        total = self._settings.timeout.total_seconds()
        self._session = aiohttp.ClientSession(
            # The client's own slots bound the concurrency, so nothing ever queues in the pool,
            # where waiting would count against the timeout.
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, ssl=self._trust()),
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=min(CONNECT, total)),
            headers={"Accept-Encoding": ACCEPTED},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            middlewares=(self._counted,),
        )

    def _trust(self) -> ssl.SSLContext | bool:
        trusted = self._settings.ca_certs
        if trusted is None:
            return True
        try:
            return ssl.create_default_context(cafile=trusted)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"ca_certs: {trusted} is no file of certificates") from error

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _counted(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Count a request. aiohttp sends an idempotent one again if a kept connection was dropped.

        Only a middleware or a trace sees the second one, and a trace costs five times as much: 21
        and 4 us of CPU for each request (aiohttp 3.14, 2026-11-23).
        """
        import aiohttp

        self._usage.ask()
        try:
            return await handler(request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            self._usage.unsent()
            raise

    async def send(self, request: Request) -> Response:
        """Send one request and read the answer to its end, unless the request has a taker for it.

        :raises NotSent: if no connection could be made
        :raises TransientError: if the connection, the time or the body ended early
        :raises ConfigurationError: if the certificate or the address is bad
        :raises DataError: if the body is longer than ``max_bytes``
        :raises BudgetSpent: if there may be no more requests
        """
        answer = await self.begin(request, patient=request.taker is not None)
        if request.taker is not None and 200 <= answer.status < 300:
            request.taker(answer)
            return Response(answer.status, answer.headers, b"", request.url)
        body = await answer.whole(most=self._settings.max_bytes, room=self._room)
        return Response(answer.status, answer.headers, body, request.url)

    async def begin(self, request: Request, *, patient: bool = False) -> Incoming:
        """Send one request; return once the head of the answer is there. The caller closes it.

        :param patient: bound each silence by ``timeout``, not the whole answer
        :raises ImporterError: as ``send``
        """
        running = tape()
        if running is None:
            return await self._begin(request, patient=patient)
        if running.answers:
            self._usage.ask()
        return await running.exchange(
            request, lambda: self._begin(request, patient=patient), secrets=self._secrets()
        )

    async def _begin(self, request: Request, *, patient: bool) -> Incoming:
        import aiohttp
        from yarl import URL

        if self._session is None:
            raise ConfigurationError("an HttpClient is used inside `async with HttpClient(...)`")
        seconds = self._settings.timeout.total_seconds()
        timeout = (
            aiohttp.ClientTimeout(sock_connect=min(CONNECT, seconds), sock_read=seconds)
            if patient
            else self._session.timeout
        )
        with _Translated(request.where, seconds=seconds, patient=patient):
            answer = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=timeout,
            )
        return _Answer(answer, where=request.where, seconds=seconds, patient=patient)


class _Answer(Incoming):
    """An answer from the network."""

    def __init__(
        self, answer: aiohttp.ClientResponse, *, where: str, seconds: float, patient: bool
    ) -> None:
        super().__init__(answer.status, _merged(answer.headers), where=where)
        self._answer = answer
        self._reading = _Translated(where, seconds=seconds, patient=patient)

    async def sent(self) -> AsyncIterator[bytes]:
        """Yield the body as the network gave it."""
        content = self._answer.content
        while True:
            with self._reading:
                data = await content.readany()
            if not data:
                return
            yield data

    async def whole(self, *, most: int, room: Room) -> bytes:
        """Read the body to its end and close; without a coding, by the shortest way."""
        if "content-encoding" in self.headers:
            return await super().whole(most=most, room=room)
        content, tally = self._answer.content, page(self, most=most)
        held, body = room.held(), io.BytesIO()
        try:
            with self._reading:
                while data := await content.readany():
                    tally.sent(data)
                    if not held.add(len(data)):
                        await held.wait()
                    body.write(data)
            return body.getvalue()
        finally:
            body.close()  # an error's traceback keeps this frame
            held.end()
            await self.close()

    async def close(self) -> None:
        """Give the connection back to the pool if the body was read to its end."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _merged(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name; one that came several times is a list in one."""
    merged: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        merged[key] = f"{merged[key]}, {value}" if key in merged else value
    return merged


class _Translated:
    """Turns what aiohttp raises into the house's errors; a class, as it stands on the hot path.

    :param seconds: the timeout
    :param patient: it bounds a silence, not the whole answer
    """

    __slots__ = ("_patient", "_seconds", "_where")

    def __init__(self, where: str, *, seconds: float, patient: bool) -> None:
        self._where = where
        self._seconds = seconds
        self._patient = patient

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            meant = self._meaning(error)
            if meant is not None:
                raise meant from None

    def _meaning(self, error: Exception) -> ImporterError | None:
        import aiohttp

        where, name = self._where, _name(error)
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL):
            return ConfigurationError(f"{where}: {name}; check base_url")
        if isinstance(error, aiohttp.ClientConnectorError):
            return NotSent(f"{where}: cannot connect ({name})")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return NotSent(f"{where}: no connection within {CONNECT:g} s")
        if isinstance(error, TimeoutError):
            what = "nothing came for" if self._patient else "no whole answer within"
            return TransientError(f"{where}: {what} {self._seconds:g} s")
        if isinstance(error, aiohttp.ClientPayloadError):
            return TransientError(f"{where}: the body ended early or is damaged ({name})")
        if isinstance(error, aiohttp.ClientError | OSError):
            return TransientError(f"{where}: connection lost ({name})")
        return None


def _name(error: Exception) -> str:
    """Return an error's type and, for the system's own errors, its number; never its text."""
    number = getattr(error, "errno", None)
    return f"{type(error).__name__}, errno {number}" if number else type(error).__name__
