"""Carries one request over a pooled connection and reads the answer to its end, on aiohttp."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.clients.http_errors import NotSent
from airflow_provider_spotify.core.clients.http_messages import Request, Response
from airflow_provider_spotify.core.clients.http_settings import HttpSettings
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    DataError,
    MissingDependency,
    TransientError,
)

if TYPE_CHECKING:
    import aiohttp

CONNECT = 15.0
"""Seconds within which a connection must stand."""


class Transport:
    """A pool of connections. It follows no redirect, keeps no cookie and reads no environment.

    Its errors name what happened and where, never a query, a header or a body.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
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
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            trust_env=False,
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

    async def send(self, request: Request) -> Response:
        """Send one request.

        :raises NotSent: if no connection could be made
        :raises TransientError: if the connection, the time or the body ended early
        :raises ConfigurationError: if the certificate or the address is bad
        """
        import aiohttp

        try:
            return await self._exchange(request)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL) as error:
            raise ConfigurationError(f"{request.where}: {_name(error)}; check base_url") from None
        except aiohttp.ClientConnectorError as error:
            raise NotSent(f"{request.where}: cannot connect ({_name(error)})") from None
        except aiohttp.ConnectionTimeoutError:
            raise NotSent(f"{request.where}: no connection within {CONNECT:g} s") from None
        except TimeoutError:
            seconds = self._settings.timeout.total_seconds()
            raise TransientError(f"{request.where}: no whole answer within {seconds:g} s") from None
        except aiohttp.ClientPayloadError as error:
            raise TransientError(
                f"{request.where}: the body ended early or is damaged ({_name(error)})"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(f"{request.where}: connection lost ({_name(error)})") from None

    async def _exchange(self, request: Request) -> Response:
        from yarl import URL

        if self._session is None:
            raise ConfigurationError("an HttpClient is used inside `async with HttpClient(...)`")
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
        ) as answer:
            body = await self._read(request, answer)
            headers: dict[str, str] = {}
            for name, value in answer.headers.items():
                key = name.lower()
                headers[key] = f"{headers[key]}, {value}" if key in headers else value
            return Response(answer.status, headers, body, request.url)

    async def _read(self, request: Request, answer: aiohttp.ClientResponse) -> bytes:
        limit = self._settings.max_bytes
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_any():
            size += len(part)
            if size > limit:
                raise DataError(
                    f"{request.where}: the body is longer than max_bytes ({limit}); ask for "
                    "smaller pages"
                )
            parts.append(part)
        return b"".join(parts)


def _name(error: Exception) -> str:
    """Return an error's type and, for the system's own errors, its number; never its text."""
    number = getattr(error, "errno", None)
    return f"{type(error).__name__}, errno {number}" if number else type(error).__name__
