"""Receives from a WebSocket in a thread of its own: pings go on, and it connects again."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from airflow_provider_spotify.core.clients.websocket import Ended, Line, connected
from airflow_provider_spotify.core.errors import TransientError

log = logging.getLogger(__name__)

Payload = str | bytes
_OVERHEAD = 100  # bytes that a waiting message costs besides its payload, about
_LOOK = 0.01  # seconds between two looks whether the greeting is known


class Received(NamedTuple):
    """One message. ``at`` is seconds since 1970."""

    payload: Payload
    at: float


class Reconnected(NamedTuple):
    """The connection was lost and made again."""

    seconds: float
    reason: str


class Closed(NamedTuple):
    """Nothing more comes: the server has ended the stream, or there is an error."""

    error: Exception | None


Event = Received | Reconnected | Closed


class Patience(NamedTuple):
    """How a lost connection is made again: after delays in seconds that double, with jitter.

    :param attempts: in a row without a message between them
    """

    attempts: int
    delay: float
    max_delay: float

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        whole = min(self.max_delay, self.delay * 2.0 ** (failures - 1))
        return whole * random.uniform(0.5, 1)  # noqa: S311 - spreads clients out, no secret


class Receiver:
    """What was received and not taken yet, bounded in bytes; a context manager.

    While it is full the socket is not read, and TCP lets the server wait.

    :param greeting: the messages to send after connecting
    :param unread: asked with the number of messages received so far, before it connects again:
        whether the greeting depends on some that are not read yet
    :param ends: a normal closing by the server ends the stream; else it is connected to again
    """

    def __init__(
        self,
        line: Line,
        *,
        greeting: Callable[[], Sequence[Payload]],
        unread: Callable[[int], bool],
        patience: Patience,
        buffer_bytes: int,
        ends: bool,
    ) -> None:
        self._line = line
        self._greeting = greeting
        self._unread = unread
        self._patience = patience
        self._limit = buffer_bytes
        self._ends = ends
        self._events: deque[Event] = deque()
        self._held = 0
        self._received = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="websocket", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self.open_since: float | None = None
        """When the connection was made that is open now, of the monotonic clock; None: none is."""
        self.complaint = ""
        """Why the last connection ended, or could not be made."""
        self._met = False
        self._lost: tuple[float, str] | None = None

    def __enter__(self) -> Self:
        self._task = self._loop.create_task(self._receive())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)  # type: ignore[union-attr]
        self._thread.join()

    @property
    def met(self) -> bool:
        """A connection was made at least once."""
        return self._met

    def take(self, most: int, seconds: float) -> list[Event]:
        """Take events in order; wait for the first one, no longer than some seconds."""
        with self._changed:
            if not self._events:
                self._changed.wait(seconds)
            count = min(most, len(self._events))
            taken = [self._events.popleft() for _ in range(count)]
            self._held -= sum(map(_size, taken))
        with suppress(RuntimeError):  # the loop is closed: it reads no more
            if taken:
                self._loop.call_soon_threadsafe(self._room.set)
        return taken

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        error: Exception | None = None
        try:
            self._loop.run_until_complete(self._task)  # type: ignore[arg-type]
        except asyncio.CancelledError:
            pass
        except Exception as raised:  # whoever takes it raises it
            error = raised
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._put(Closed(error))

    async def _receive(self) -> None:
        """Receive until the stream ends or connecting fails too often."""
        while True:
            try:
                await self._connection()
            except Ended as ended:
                self.open_since, self.complaint = None, str(ended)
                if ended.normal and self._ends:
                    return
                await self._after(ended)
                while self._unread(self._received):  # noqa: ASYNC110 - another thread reads them
                    await asyncio.sleep(_LOOK)

    async def _connection(self) -> None:
        async with connected(self._line) as socket:
            for message in self._greeting():
                await socket.send(message)
            self._back()
            self.open_since = time.monotonic()
            while True:
                payload = await socket.recv()
                self._failures = 0
                self._received += 1
                self._put(Received(payload, time.time()))
                while self._held >= self._limit:
                    self._room.clear()
                    if self._held >= self._limit:
                        await self._room.wait()

    def _back(self) -> None:
        self._met = True
        if self._lost is not None:
            since, reason = self._lost
            self._lost = None
            self._put(Reconnected(time.monotonic() - since, reason))

    async def _after(self, ended: Ended) -> None:
        """Wait before connecting again.

        :raises TransientError: after too many attempts
        """
        self._failures += 1
        after = ended.retry_after or 0
        if self._failures >= self._patience.attempts or after > self._patience.max_delay:
            said = f"{ended}; given up at attempt {self._failures} without a message"
            raise TransientError(said, retry_after=ended.retry_after) from ended
        if self._lost is None and self._met:
            self._lost = time.monotonic(), str(ended)
        seconds = max(self._patience.wait(self._failures), after)
        log.warning("%s; connecting again in %.1f s", ended, seconds)
        await asyncio.sleep(seconds)

    def _put(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._held += _size(event)
            self._changed.notify()


def _size(event: Event) -> int:
    return len(event.payload) + _OVERHEAD if isinstance(event, Received) else 0
