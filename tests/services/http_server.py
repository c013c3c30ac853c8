"""A real HTTP server on a free port, in a thread, that misbehaves by plan."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

Answer = Callable[[web.Request], Any]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived, and when (monotonic seconds)."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Fault:
    """One answer that is not what was asked for.

    :param status: with ``headers`` and ``body``, the whole answer
    :param how: or a way to break off: truncated, drop, drip, hang, gzip
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = b""
    how: str = "whole"

    @property
    def payload(self) -> bytes:
        """The body as bytes; anything but bytes is sent as JSON."""
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


def too_many(retry_after: float | str | None = None, body: Any = b"") -> Fault:
    """Answer 429, with Retry-After if given."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Fault(429, headers, body)


def redirect(to: str, status: int = 302) -> Fault:
    """Send the client somewhere else."""
    return Fault(status, {"Location": to})


class HttpServer:
    """Serves ``answers`` by path; ``faults`` of a path are served first, one each.

    An answer is JSON, a Response, or a function of the request that returns either.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.protected: set[str] = set()
        self.seen: list[Seen] = []
        self.tokens: list[str] = []
        self.valid: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.rotate = False
        self.token_life: float = 3600
        self.delay = 0.0
        self.at_once = 0
        self.most_at_once = 0
        self._meeting = 0
        self._gathered = asyncio.Event()
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def other_url(self) -> str:
        """The same server under another host name."""
        return f"http://localhost:{self.port}"

    def plan(self, path: str, *faults: Fault) -> None:
        """Let the next requests of a path fail this way, in this order."""
        self.faults[path].extend(faults)

    def meet(self, count: int) -> None:
        """Let no further request be answered before so many are under way at once."""
        self._gathered = asyncio.Event()
        self._meeting = count

    async def arrived(self, path: str) -> None:
        """Wait until a path is asked for, if it has not been yet."""
        async with asyncio.timeout(60):
            while not self.asked(path):  # noqa: ASYNC110  (the server lives in another thread)
                await asyncio.sleep(0.01)

    def asked(self, path: str) -> list[Seen]:
        """Return the requests that a path got."""
        return [s for s in self.seen if s.path == path]

    def expire_tokens(self) -> None:
        """Refuse every token given so far."""
        self.valid.clear()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60), "the test server did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def __aenter__(self) -> Self:
        """Serve in the caller's event loop."""
        self._serving = asyncio.create_task(self._serve())
        while not self._ready.is_set() and not self._serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stop.set()
        await self._serving

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self._meeting:
                await self._others()
            return await self._answer(request)
        finally:
            self.at_once -= 1

    async def _others(self) -> None:
        """Wait until as many requests as are to meet have been under way at once."""
        if self.at_once >= self._meeting:
            self._gathered.set()
        await self._gathered.wait()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(
            Seen(request.method, request.path, dict(request.query), dict(request.headers), body)
        )
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.faults[request.path]:
            return await self._fail(request, self.faults[request.path].popleft())
        if request.path == "/token":
            return await self._token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path in self.protected and token not in self.valid:
            return _json({"error": {"message": "The access token expired"}}, status=401)
        answer = self.answers.get(request.path)
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, web.StreamResponse):
            return answer
        return _json({"message": "nothing here"}, status=404) if answer is None else _json(answer)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        fresh: dict[str, Any] = {"token_type": "Bearer", "expires_in": self.token_life}
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refresh_tokens:
                return _json({"error": "invalid_grant"}, status=400)
            if self.rotate:
                self.refresh_tokens = {f"refresh-{len(self.tokens) + 1}"}
                fresh["refresh_token"] = next(iter(self.refresh_tokens))
        token = f"token-{len(self.tokens) + 1}"
        self.tokens.append(token)
        self.valid.add(token)
        return _json({**fresh, "access_token": token})

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.how == "whole":
            headers = {"Content-Type": "application/json", **fault.headers}
            return web.Response(status=fault.status, headers=headers, body=fault.payload)
        if fault.how == "gzip":
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            return web.Response(headers=headers, body=gzip.compress(fault.payload))
        if fault.how == "hang":
            await asyncio.sleep(30)
        if fault.how in ("drop", "hang"):
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return await self._break_off(request, fault)

    async def _break_off(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """Announce a whole body, and send half of it, or all of it very slowly."""
        answer = web.StreamResponse(headers={"Content-Type": "application/json", **fault.headers})
        answer.content_length = len(fault.payload)
        await answer.prepare(request)
        if fault.how == "truncated":
            await answer.write(fault.payload[: len(fault.payload) // 2])
            assert request.transport is not None
            request.transport.close()
            return answer
        for byte in fault.payload:
            await answer.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return answer


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(body), headers={"Content-Type": "application/json"}
    )
