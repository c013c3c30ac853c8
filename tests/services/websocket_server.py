"""A real WebSocket server in a thread, which numbers its messages and misbehaves by plan."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import pytest
from pydantic import SecretStr
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from airflow_provider_spotify.core.model import Credentials

TOKEN = "the-token-of-the-feed"
_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)  # the library's own would show what clients send as secrets


class Feed:
    """Serves ``/feed``: what was published, and what is published while it is connected.

    A subscription ``{"op": "subscribe"}`` gives everything from the first message, with ``after``
    what comes behind that number; ``{"op": "live"}`` only what is published from then on.

    ``faults`` are used up one by one, each by one connection that subscribes: ``drop:n`` loses
    the connection after n messages, ``close:n:code:reason`` closes it properly, ``silent`` sends
    nothing, not even a pong. ``refusals`` are the statuses of the next handshakes; 101 is none.

    ``ends`` closes a connection properly, with 1000, as soon as it was sent all there is.
    """

    def __init__(self) -> None:
        self.faults: deque[str] = deque()
        self.refusals: deque[tuple[int, dict[str, str]]] = deque()
        self.ends = False
        self.token: str | None = TOKEN
        self.subprotocols: list[str] | None = None
        self.heard: list[Any] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sent = 0
        self.ping_interval: float | None = None
        self.pongs = 0
        """Pings of ``ping_interval`` that were answered."""
        self._messages: list[str | bytes] = []
        self._changed: asyncio.Event
        self._tasks: set[asyncio.Future[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    @property
    def credentials(self) -> Credentials:
        """How to reach it."""
        secret = SecretStr(self.token) if self.token else None
        return Credentials(host=f"ws://127.0.0.1:{self.port}", password=secret)

    def publish(self, *messages: str | bytes | dict[str, Any]) -> None:
        """Send messages to who is connected, and keep them; a dict is JSON, numbered as seq."""
        done = threading.Event()

        def add() -> None:
            for message in messages:
                number = len(self._messages) + 1
                text = json.dumps({"seq": number, **message}) if isinstance(message, dict) else None
                self._messages.append(text or message)  # type: ignore[arg-type]
            self._wake()
            done.set()

        self._loop.call_soon_threadsafe(add)
        assert done.wait(60)

    def wait_for(self, so: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not so():
            assert time.monotonic() < deadline, "it did not come to that"
            time.sleep(0.005)

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._changed = asyncio.Event()
        server: Server
        settings: dict[str, Any] = {"ping_interval": None, "close_timeout": 1, "logger": _log}
        async with serve(
            self._talk,
            "127.0.0.1",
            0,
            process_request=self._judge,
            select_subprotocol=self._choose,
            max_size=None,
            compression=None,
            **settings,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._stop.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _choose(self, connection: ServerConnection, offered: Any) -> Any:
        return next((name for name in self.subprotocols or () if name in offered), None)

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append((request.path, dict(request.headers.raw_items())))
        status, headers = self.refusals.popleft() if self.refusals else (101, {})
        if status != 101:
            response = connection.respond(HTTPStatus(status), "no\n")
            for name, value in headers.items():
                response.headers[name] = value
            return response
        given = request.headers.get("Authorization", "")
        if self.token and given != f"Bearer {self.token}" and self.token not in request.path:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            async for text in connection:
                request = json.loads(text)
                self.heard.append(request)
                if request.get("op") in ("subscribe", "live"):
                    await self._feed(connection, request)
        except ConnectionClosed:
            pass

    async def _ping(self, connection: ServerConnection, seconds: float) -> None:
        """Ping again once the last one was answered."""
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(seconds)
                await (await connection.ping())
                self.pongs += 1

    async def _feed(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        if self.ping_interval:
            self._tasks.add(asyncio.ensure_future(self._ping(connection, self.ping_interval)))
        fault = self.faults.popleft() if self.faults else ""
        at = len(self._messages) if request["op"] == "live" else int(request.get("after", 0))
        kind, _, rest = fault.partition(":")
        count, _, words = rest.partition(":")
        left = int(count) if count else None
        if kind == "silent":
            connection.transport.pause_reading()
            await self._stop.wait()
            connection.transport.abort()
            return
        while True:
            changed = self._changed
            while at < len(self._messages) and left != 0:
                await connection.send(self._messages[at])
                at, self.sent = at + 1, self.sent + 1
                left = None if left is None else left - 1
            if left == 0 and kind == "drop":
                connection.transport.abort()
                return
            if self.ends and not kind:
                await connection.close(1000, "that is all")
                return
            if left == 0 and kind == "close":
                code, _, reason = words.partition(":")
                await connection.close(int(code), reason)
                return
            waits = [asyncio.ensure_future(changed.wait())]
            gone = asyncio.ensure_future(connection.wait_closed())
            await asyncio.wait([*waits, gone], return_when=asyncio.FIRST_COMPLETED)
            waits[0].cancel()
            if gone.done():
                return
            gone.cancel()


@pytest.fixture
def websocket_server() -> Iterator[Feed]:
    """Give a WebSocket server of this test alone."""
    with Feed() as server:
        yield server
