"""One HTTP client for every API: pooled, signed, limited, retried and cached, on aiohttp."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import orjson

from airflow_provider_spotify.core.clients.http.auth import Auth
from airflow_provider_spotify.core.clients.http.cache import Cache
from airflow_provider_spotify.core.clients.http.download import Body, Downloaded
from airflow_provider_spotify.core.clients.http.errors import (
    Classify,
    NotFound,
    NotSent,
    RateLimited,
    ServerError,
    dated,
    judge,
    require_json,
)
from airflow_provider_spotify.core.clients.http.learning import Bucket, Learn, Told, rate_headers
from airflow_provider_spotify.core.clients.http.limits import Limiter
from airflow_provider_spotify.core.clients.http.messages import (
    Params,
    Request,
    Response,
    for_stranger,
    join,
    origin,
    redirect,
    with_params,
    without,
)
from airflow_provider_spotify.core.clients.http.retry import before_sending, persistently
from airflow_provider_spotify.core.clients.http.settings import HttpSettings
from airflow_provider_spotify.core.clients.http.slots import Slots
from airflow_provider_spotify.core.clients.http.streaming import IDEMPOTENT, Streaming
from airflow_provider_spotify.core.clients.http.tape import replaying, tape
from airflow_provider_spotify.core.clients.http.transport import Transport
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ImporterError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.usage import Usage

__all__ = [
    "Body",
    "Downloaded",
    "HttpClient",
    "HttpSettings",
    "NotFound",
    "NotSent",
    "RateLimited",
    "Request",
    "Response",
    "ServerError",
    "Told",
    "rate_headers",
]

T = TypeVar("T")
MAX_REDIRECTS = 5
_BUSY = 0.9
"""The share of a limit from which on fewer requests are sent at once."""


class HttpClient(Streaming):
    """Sends requests to one API; an async context manager, used from one event loop.

    :param auth: how to prove who we are; None: anonymous
    :param tenant: whose data it is; part of the cache's key
    :param classify: sees every answer first and may name its error, where statuses mislead
    :param usage: counts what is asked for, and stops where the run's budget ends
    :param learn: reads what an answer tells of its limit; None: learn from refusals alone
    :param bucket: names the limit that a request counts against, for an API with several: all that
        is learned, or asked for, holds for requests of the same bucket
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        auth: Auth | None = None,
        tenant: str = "default",
        classify: Classify | None = None,
        usage: Usage | None = None,
        learn: Learn | None = rate_headers,
        bucket: Bucket | None = None,
    ) -> None:
        super().__init__(settings)
        self.usage = usage or Usage()
        self._auth = auth
        self._tenant = tenant
        self._classify = classify
        self._transport = Transport(settings, secrets=lambda: self._secrets, usage=self.usage)
        self._learn = learn
        self._bucket = bucket
        self._slots = Slots(settings.concurrency)
        self._max_wait = settings.max_wait.total_seconds()
        fingerprint = auth.fingerprint if auth else "anonymous"
        self._limiter = Limiter(
            f"{urlsplit(settings.base_url).netloc}:{settings.quota_group or fingerprint}",
            rate=settings.rate_limit,
            max_wait=self._max_wait,
            usage=self.usage,
            redis_url=None if replaying() else settings.redis_url,
        )
        self._cache: Cache | None = None
        if settings.cache_ttl and tape() is None:
            self._cache = Cache(
                ttl=settings.cache_ttl.total_seconds(),
                folder=settings.cache_dir,
                tenant=tenant,
                fingerprint=fingerprint,
                redis_url=settings.cache_redis(),
            )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for part in (self._transport, self._limiter, self._cache):
                if part is not None:
                    stack.push_async_callback(part.close)
                    await part.open()
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    async def get_json(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        missing_ok: bool = False,
        bucket: str | None = None,
    ) -> Any:
        """Get a path below ``base_url``, or an absolute URL, and read it as JSON.

        :param missing_ok: return None where the system answers 404 or 410
        :param bucket: as ``request``
        :raises TransientError: if it could not answer after all attempts
        :raises QuotaExhausted: if it asks for a wait above ``max_wait``
        :raises AuthenticationError: on 401; ForbiddenError on 403; NotFound on 404
        :raises DataError: if the answer is not JSON
        """
        response = await self.request(
            "GET",
            url,
            params=params,
            headers=headers,
            missing_ok=missing_ok,
            is_json=True,
            bucket=bucket,
        )
        return None if response.status in (404, 410) else response.json()

    async def post_json(
        self, url: str, *, json: Any, params: Params | None = None, idempotent: bool = False
    ) -> Any:
        """Post JSON and read the answer as JSON; raises what ``get_json`` raises.

        :param idempotent: the request only reads, so it may be repeated after a lost connection
        """
        response = await self.request(
            "POST", url, params=params, json=json, idempotent=idempotent, is_json=True
        )
        return response.json()

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        idempotent: bool | None = None,
        missing_ok: bool = False,
        is_json: bool = False,
        bucket: str | None = None,
    ) -> Response:
        """Send a request and return the answer, its body read to the end.

        :param idempotent: may be sent again when it is unknown whether it arrived; by method
        :param is_json: the body must be JSON; a broken one is asked for again
        :param bucket: the limit it counts against; by default the client's ``bucket`` says it
        """
        request = self._build(
            method, url, params=params, headers=headers, json=json, body=body, bucket=bucket
        )

        async def send(request: Request) -> Response:
            return await self._lasting(
                lambda: self._attempt(request, missing_ok=missing_ok, is_json=is_json),
                idempotent=method in IDEMPOTENT if idempotent is None else idempotent,
                bucket=request.bucket,
            )

        if self._cache is None or method != "GET" or body is not None:
            return await send(request)
        response = await self._cache.answer(request, send)
        self.usage.revalidated += response.revalidated
        self.usage.cache_hits += response.from_cache and not response.revalidated
        return response

    async def _lasting(
        self, attempt: Callable[[], Awaitable[T]], *, idempotent: bool, bucket: str
    ) -> T:
        return await persistently(
            attempt,
            attempts=self.settings.retry_attempts,
            server_error_attempts=self.settings.server_error_attempts,
            max_wait=self._max_wait,
            idempotent=idempotent,
            usage=self.usage,
            pause=self._limiter.bucket(bucket).pause,
        )

    def _build(
        self,
        method: str,
        url: str,
        *,
        params: Params | None,
        headers: Mapping[str, str] | None,
        json: Any = None,
        body: bytes | None = None,
        bucket: str | None = None,
    ) -> Request:
        address = with_params(join(self.settings.base_url, url), params)
        given = {"Accept": "application/json", "User-Agent": self.settings.user_agent}
        if json is not None:
            body = orjson.dumps(json)
            given["Content-Type"] = "application/json"
        request = Request(method, address, {**given, **(headers or {})}, body)
        if bucket is None and self._bucket is not None:
            bucket = self._bucket(request)
        return replace(request, bucket=bucket) if bucket else request

    async def _attempt(self, request: Request, *, missing_ok: bool, is_json: bool) -> Response:
        limiter = self._limiter.bucket(request.bucket)
        async with limiter.turn() as mark:
            response = await self._follow(request)
        told = await self._told(response, limiter)
        error = self._judged(request, response, told=told, missing_ok=missing_ok)
        if isinstance(error, RateLimited | QuotaExhausted):
            if error.retry_after:
                await limiter.pause(error.retry_after)
            if isinstance(error, RateLimited) and response.status != 503:
                await limiter.refuse(mark, wait=error.retry_after or 0.0)
        else:
            await limiter.answered(mark)
        if error is not None:
            raise dated(error, wait=self.settings.quota_wait.total_seconds())
        if is_json and response.status < 400:
            require_json(request, response, secrets=self._secrets)
        return response

    async def _told(self, response: Response, limiter: Limiter) -> Told | None:
        """Learn what an answer tells of its limit, if it comes from the API itself."""
        told = self._learn(response) if self._learn and self.trusts(response.url) else None
        if told is not None:
            await limiter.learn(told)
            if told.busy is not None and told.busy >= _BUSY:
                self._slots.shrink(since=time.monotonic())
        return told

    def _judged(
        self, request: Request, response: Response, *, told: Told | None, missing_ok: bool
    ) -> ImporterError | None:
        error = self._classify(response) if self._classify else None
        if error is not None or (missing_ok and response.status in (404, 410)):
            return error
        return judge(request, response, max_wait=self._max_wait, secrets=self._secrets, told=told)

    async def _follow(self, request: Request) -> Response:
        """Send, and go where redirects lead; each hop is signed, or not, for its own origin."""
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._signed(request)
            onward = redirect(request, response, secrets=self._secrets)
            if onward is None:
                return response
            request = onward
        raise ConfigurationError(
            f"{request.where}: more than {MAX_REDIRECTS} redirects; check base_url and path"
        )

    async def _signed(self, request: Request) -> Response:
        """Send with credentials; once more with new ones if these were refused."""
        if not self.trusts(request.url):
            return await self._send(for_stranger(request))
        if self._auth is None:
            return await self._send(request)
        signed = await self._sign(request, self._auth)
        response = await self._send(signed)
        if response.status == 401 and await self._renewed(signed, self._auth):
            response = await self._send(await self._sign(request, self._auth))
        return response

    async def _sign(self, request: Request, auth: Auth) -> Request:
        with before_sending():
            return await auth.sign(request, self._send)

    async def _renewed(self, refused: Request, auth: Auth) -> bool:
        with before_sending():
            return await auth.renew(refused, self._send)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._auth.secrets if self._auth else ()

    def unsigned(self, url: str) -> str:
        """Return a URL without our secrets, in case the system repeats them in its links."""
        return without(url, values=self._auth.secrets) if self._auth else url

    def trusts(self, url: str) -> bool:
        """Say whether a URL's host may see our credentials."""
        base = self.settings.base_url
        if url.startswith(f"{base}/") or (to := origin(url)) == (home := origin(base)):
            return True
        names = {to.host, urlsplit(url).netloc, f"{to.host}:{to.port}"}
        safe = to.scheme == "https" or home.scheme == "http"
        return safe and not names.isdisjoint(self.settings.allowed_hosts)

    async def _send(self, request: Request) -> Response:
        async with self._slots as since:
            try:
                response = await self._transport.send(request)
            except TransientError:
                self._slots.shrink(since=since)
                raise
            self._slots.heard(response.status, since=since)
            return response
