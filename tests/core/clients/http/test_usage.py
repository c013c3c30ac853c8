"""What is counted is what went out, with the requests that aiohttp repeats by itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.http.record import Recorder
from airflow_provider_spotify.core.clients.http.replay import Player
from airflow_provider_spotify.core.clients.http.tape import running
from airflow_provider_spotify.core.errors import BudgetSpent, TransientError
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.services.raw_http import KeptHttp, RawHttp, whole


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_limits()


def client(url: str, usage: Usage, *, retry_attempts: int = 5) -> HttpClient:
    settings = HttpSettings(base_url=url, retry_attempts=retry_attempts)
    return HttpClient(settings, usage=usage)


def second(number: int) -> bool:
    """Say whether a request is the second of its connection."""
    return number == 2


async def test_a_request_that_was_repeated_on_a_new_connection_counts_twice() -> None:
    """Each kept connection is dropped at its second request, which no retry of ours sees."""
    usage = Usage()
    with KeptHttp(second) as server:
        async with client(server.url, usage) as http:
            for _ in range(6):
                assert await http.get_json("items") == {}
        assert usage.requests == server.requests == 11
    assert usage.retries == 0


@pytest.mark.parametrize("most", [3, 4, 5, 6])
async def test_a_budget_ends_between_a_request_and_its_hidden_repetition(most: int) -> None:
    """The server never gets more than may be asked, wherever in a pair the budget ends."""
    usage = Usage(budget=Budget(requests=most))
    with KeptHttp(second) as server:
        async with client(server.url, usage) as http:
            with pytest.raises(BudgetSpent, match=f"budget of {most} requests"):
                for _ in range(6):
                    await http.get_json("items")
        assert usage.requests == server.requests == most


@pytest.mark.parametrize("drop", [second, lambda number: number % 3 == 0, lambda _: True])
async def test_many_at_once_keep_to_the_budget(drop: Callable[[int], bool]) -> None:
    """Sixteen workers on connections that drop, with our own retries on top."""
    usage = Usage(budget=Budget(requests=50))
    with KeptHttp(drop) as server:
        async with client(server.url, usage, retry_attempts=2) as http:

            async def work() -> None:
                while True:
                    try:
                        await http.get_json("items")
                    except BudgetSpent:
                        return
                    except TransientError:
                        pass

            await asyncio.gather(*[work() for _ in range(16)])
        assert usage.requests == server.requests == 50


async def test_a_post_is_counted_once_where_its_connection_drops() -> None:
    """It may have been carried out, so nobody repeats it."""
    usage = Usage()
    with KeptHttp(second) as server:
        async with client(server.url, usage) as http:
            await http.get_json("items")
            with pytest.raises(TransientError, match="connection lost"):
                await http.post_json("items", json={"name": "x" * 5000})
        assert usage.requests == server.requests == 2


async def test_what_found_no_connection_was_not_asked() -> None:
    """The budget of a run is for what the API sees."""
    usage = Usage(budget=Budget(requests=1))
    with socket.socket() as taken:  # who has a port and does not listen refuses
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with client(url, usage, retry_attempts=2) as http:
            with pytest.raises(TransientError, match="cannot connect"):
                await http.get_json("items")
    assert (usage.requests, usage.retries) == (0, 1)


async def test_a_replay_counts_and_bounds_what_it_asks_for(tmp_path: Path) -> None:
    """So a recorded run ends where it ended, though nothing is sent."""
    recorded, replayed = Usage(), Usage(budget=Budget(requests=1))
    with RawHttp(whole(b"{}", "Connection: close")) as server:
        with running(Recorder(tmp_path / "tape")):
            async with client(server.url, recorded) as http:
                await http.get_json("items", params={"page": 1})
                await http.get_json("items", params={"page": 2})
        assert len(server.seen) == recorded.requests == 2
    with running(Player(tmp_path / "tape")):
        async with client(server.url, replayed) as http:
            await http.get_json("items", params={"page": 1})
            with pytest.raises(BudgetSpent):
                await http.get_json("items", params={"page": 2})
    assert replayed.requests == 1
