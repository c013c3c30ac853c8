"""A clock of their own for a client and a server in one event loop: their waits take no time."""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.http.client import HttpClient
from tests.services.http_server import HttpServer


@dataclass
class World:
    """Runs clients against a server, and sets the clock on whenever all of them wait.

    A request that is on its way, over a real socket, holds the clock; one that the server has
    lets it go on. So what is seen does not depend on the machine.

    :ivar now: monotonic seconds
    :ivar clients: those whose requests are looked after
    """

    server: HttpServer
    now: float = 1_000.0
    clients: list[HttpClient] = field(default_factory=list)

    def run(self, work: Callable[[], Awaitable[Any]], patch: pytest.MonkeyPatch) -> None:
        """Serve, and run something to its end; the waits drawn at random are the same each time."""

        async def served() -> None:
            async with self.server:
                await work()

        patch.setattr(time, "monotonic", lambda: self.now)
        patch.setattr(random, "uniform", random.Random(4).uniform)
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Clock(self))) as runner:
            runner.run(served())

    @property
    def waits(self) -> bool:
        """Whether every request under way is in the server's hands."""
        return sum(each._slots._taken for each in self.clients) == self.server.at_once


class _Clock(selectors.DefaultSelector):
    """Gives what the sockets have; in place of waiting for a timer it sets the clock on."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout is None or not self._world.waits:
            return found or super().select(None if timeout is None else min(timeout, 0.05))
        self._world.now += max(0.0, timeout)
        return found
