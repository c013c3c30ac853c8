"""Runs the contract server: checks tokens, counts calls and makes faults before answering."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Self

from aiohttp import web

from tests.services.spotify_api import me, spoken_api
from tests.services.spotify_api.accounts import token
from tests.services.spotify_api.replies import ApiError, reply
from tests.services.spotify_api.state import (
    QUOTA_WAIT,
    STATE,
    TOKEN,
    App,
    Call,
    Fault,
    Refusal,
    State,
)
from tests.services.spotify_api.web_api import ROUTES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DEVELOPMENT_APP = App("development-app", "development-app-secret", "development")
EXTENDED_APP = App("extended-app", "extended-app-secret", "extended", grandfathered=True)
_had: set[int] = set()
"""The ports of this process's servers so far."""


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not request.path.startswith("/v1/"):
        return await handler(request)
    state: State = request.app[STATE]
    async with state.under_way():
        if state.latency:
            await asyncio.sleep(state.latency)
        return await _answered(request, handler, state)


async def _answered(request: web.Request, handler: Handler, state: State) -> web.StreamResponse:
    fault, at = state.fault(request.path), time.monotonic()
    try:
        _authorise(request, state)
        response = await _broken(request, fault) if fault else None
        if response is None:
            _admit(request, state)
            response = await handler(request)
            if fault and fault.kind == "truncate":
                response = await _truncated(request, response)
    except ApiError as error:
        response = reply(error.body, status=error.status, headers=_wait(error))
    except web.HTTPNotFound:
        response = reply({"error": {"status": 404, "message": "Service not found"}}, status=404)
    known = request.get(TOKEN)
    client_id = known.app.client_id if known else None
    query = request.query_string
    state.calls.append(Call(request.method, request.path, query, response.status, client_id, at))
    return response


def _authorise(request: web.Request, state: State) -> None:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if not text:
        raise ApiError(401, "No token provided")
    if kind != "Bearer":
        raise ApiError(400, "Only valid bearer authentication supported")
    found = state.tokens.get(text)
    if found is None:
        raise ApiError(401, "Invalid access token")
    if found.ends <= time.monotonic():
        raise ApiError(401, "The access token expired")
    request[TOKEN] = found


def _admit(request: web.Request, state: State) -> None:
    refusal = state.admit(request[TOKEN].app)
    if refusal:
        raise _too_many(refusal)


def _too_many(refusal: Refusal) -> ApiError:
    more = {"reason": "QUOTA_EXCEEDED"} if refusal.quota else {}
    error = ApiError(429, "Quota exceeded" if refusal.quota else "API rate limit exceeded", **more)
    error.add_note(str(refusal.seconds))
    return error


def _wait(error: ApiError) -> dict[str, str]:
    return {"Retry-After": error.__notes__[0]} if error.status == 429 else {}


async def _broken(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    if fault.kind == "error":
        message = {"error": {"status": fault.status, "message": "Server error."}}
        return reply(message, status=fault.status)
    if fault.kind == "not_json":
        return web.Response(text="<html><body>upstream</body></html>", content_type="text/html")
    if fault.kind in ("rate", "quota"):
        quota = fault.kind == "quota"
        raise _too_many(Refusal(QUOTA_WAIT if quota else fault.retry_after, quota=quota))
    if fault.kind == "closed":
        return reply({"error": {"status": 429, "message": "Too many requests"}}, status=429)
    if fault.kind == "drop" and request.transport is not None:
        request.transport.abort()
        return web.Response()
    return None


async def _truncated(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    """Promise the whole body, send half of it and hang up."""
    assert isinstance(whole, web.Response)
    body = bytes(whole.body or b"")  # type: ignore[arg-type]
    half = web.StreamResponse(headers={"Content-Type": "application/json"})
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return half


def application(state: State) -> web.Application:
    """Return the web application over a state."""
    app = web.Application(middlewares=[_guard])
    app[STATE] = state
    app.router.add_post("/api/token", token)
    app.router.add_routes([*ROUTES, *spoken_api.ROUTES, *me.ROUTES])
    return app


class SpotifyServer:
    """The server in a thread of its own: ``with SpotifyServer(State([app])) as server``.

    ``server.state`` may be read and turned while it runs.
    """

    def __init__(self, state: State, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.state = state
        self._host = host
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="spotify-api", daemon=True)

    @property
    def url(self) -> str:
        """The base URL without ``/v1``."""
        return f"http://{self._host}:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._failure:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def wait(self) -> None:
        """Block until the server stops."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def _run(self) -> None:
        runner = web.AppRunner(application(self.state), access_log=None, shutdown_timeout=1.0)
        try:
            self._loop.run_until_complete(self._start(runner))
        except OSError as error:
            self._failure = error
        finally:
            self._started.set()
        if not self._failure:
            self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _start(self, runner: web.AppRunner) -> None:
        """Listen; a port that was not asked for is one that no server of this process had.

        A client remembers what it learned of an address: tokens, limits, an app's mode. The system
        gives a port again before long: a hundred servers are enough (Linux 6, 2026-11-23).
        """
        await runner.setup()
        while True:
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            port = int(runner.addresses[0][1])
            if self._port or port not in _had:
                break
            await site.stop()
        _had.add(port)
        self._port = port


@contextmanager
def running(*apps: App, **settings: object) -> Iterator[SpotifyServer]:
    """Run a server for these apps (by default one of each mode) with these settings of State."""
    known = apps or (DEVELOPMENT_APP, EXTENDED_APP)
    with SpotifyServer(State(apps=known, **settings)) as server:  # type: ignore[arg-type]
        yield server
