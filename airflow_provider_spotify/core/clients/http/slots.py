"""The requests of one client that are under way, as many as the API bears at the moment."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import TracebackType

from airflow_provider_spotify.core.clients.http.pace import Width

OVERLOADED = frozenset({429, 503, 504})


class Slots:
    """A semaphore whose width follows the answers; those who wait get their turn in order.

    ``async with slots as since`` holds one slot; ``since`` is when it was given (monotonic
    seconds).

    :param most: the most that are under way at once
    """

    def __init__(self, most: int) -> None:
        self._width = Width(most)
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def width(self) -> int:
        """How many may be under way now."""
        return int(self._width)

    def heard(self, status: int, *, since: float) -> None:
        """Learn from the status of an answer to a request that was sent at ``since``."""
        if status in OVERLOADED:
            self.shrink(since=since)
        elif status < 500:
            self._width.grow()

    def shrink(self, *, since: float) -> None:
        """Learn that a request which was sent at ``since`` was too much."""
        self._width.shrink(since, time.monotonic())

    async def __aenter__(self) -> float:
        if self._taken < self.width and not self._waiting:
            self._taken += 1
            return time.monotonic()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given just as its waiter was cancelled
                self._leave()
            else:
                self._waiting.remove(turn)
            raise
        return time.monotonic()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        while self._waiting and self._taken < self.width:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
