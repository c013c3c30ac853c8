"""What the answers of one client hold together while they are read."""

from __future__ import annotations

import asyncio
import gzip
import random
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator

import pytest

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.http.room import Room
from tests.services.raw_http import RawHttp, Script, head, whole

MIB = 1024 * 1024
MANY = 12


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_limits()


def bomb(size: int) -> bytes:
    """Return gzip of so many MiB of nothing."""
    coder = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(coder.compress(bytes(MIB)) for _ in range(size)) + coder.flush()


def together(body: bytes, *headers: str) -> Script:
    """Return a script that sends the half of all its bodies before the rest of any."""
    met, half = threading.Barrier(MANY, timeout=60), len(body) // 2

    def script(_: dict[str, str]) -> Iterator[bytes]:
        met.wait()
        yield head(f"Content-Length: {len(body)}", *headers)
        yield body[:half]
        met.wait()
        yield body[half:]

    return script


CHILD = """
import asyncio, re, sys
from pathlib import Path
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings

MIB = 1024 * 1024


def memory(name):
    status = Path("/proc/self/status").read_text()
    return int(re.search(name + r":\\s+(\\d+) kB", status)[1]) / 1024


async def main(*, most, shared, many):
    settings = HttpSettings(
        base_url=sys.argv[1], max_bytes=most * MIB, max_shared_bytes=shared * MIB, timeout="240s"
    )
    async with HttpClient(settings) as http, HttpClient(settings) as other:
        await other.request("GET", "small")
        before = memory("VmRSS")
        asked = [asyncio.create_task(http.request("GET", "bomb")) for _ in range(many)]
        async with asyncio.timeout(200):
            while http._transport._room.waiting < many - 1:
                await asyncio.sleep(0.01)
        await other.request("GET", "go")
        found = await asyncio.gather(*asked, return_exceptions=True)
    for each in found:
        error = isinstance(each, Exception)
        print(type(each).__name__, "max_bytes" in str(each) if error else len(each.body) // MIB)
    print(round(memory("VmHWM") - before))


asyncio.run(main(most=int(sys.argv[2]), shared=int(sys.argv[3]), many=int(sys.argv[4])))
"""


def held(size: int, *, most: int, shared: int, many: int = 1) -> tuple[list[str], int]:
    """Let a process of its own read bodies at once, and the half of all before any rest.

    :param size: MiB of each, and of the bounds
    :return: how each ended, and the most MiB that they took together
    """
    body, go = bomb(size), threading.Event()

    def script(asked: dict[str, str]) -> Iterator[bytes]:
        if "/bomb" not in asked[""]:
            if "/go" in asked[""]:
                go.set()
            yield from whole(b"{}")(asked)
            return
        yield head(f"Content-Length: {len(body)}", "Content-Encoding: gzip")
        yield body[: len(body) // 2]
        go.wait(240)
        yield body[len(body) // 2 :]

    words = [sys.executable, "-c", CHILD]
    with RawHttp(script, at_once=True) as api:
        done = subprocess.run(
            [*words, api.url, str(most), str(shared), str(many)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    *found, peak = done.stdout.splitlines()
    return found, int(peak)


def test_bombs_that_come_at_once_hold_little_more_than_one() -> None:
    """Of twelve the half comes, 40 MiB each: 48 MiB and the shared 16 are held, and not 480."""
    found, peak = held(80, most=48, shared=16, many=MANY)
    assert found == ["DataError True"] * MANY
    assert peak < 48 + 16 + 32


def test_a_long_body_is_held_once() -> None:
    """At its end, too, where it becomes one piece."""
    found, peak = held(160, most=200, shared=16)
    assert found == ["Response 160"]
    assert 160 <= peak < 160 * 1.125 + 32


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("shared", [1, MIB, 5 * MIB, 64 * MIB])
async def test_long_answers_that_come_at_once_all_come(shared: int, coding: str) -> None:
    """Whatever the room: where none fits in, one after the other."""
    body = random.Random(7).randbytes(2 * MIB)
    sent = gzip.compress(body, 1) if coding else body
    headers = [f"Content-Encoding: {coding}"] if coding else []
    with RawHttp(together(sent, *headers), at_once=True) as api:
        async with HttpClient(HttpSettings(base_url=api.url, max_shared_bytes=shared)) as http:
            found = await asyncio.gather(*[http.request("GET", "long") for _ in range(MANY)])
            assert {each.body for each in found} == {body}
            assert http._transport._room.free == shared
    assert len(api.seen) == MANY


async def test_an_answer_that_ends_lets_those_in_that_fit() -> None:
    """One goes on alone; another one, which waits for less than the end gives back, is held."""
    room = Room(10)
    long, short, other = room.held(), room.held(), room.held()
    assert long.add(6)
    assert other.add(4)
    assert not long.add(1)
    await long.wait()
    assert long.alone
    assert room.free == 6
    assert not short.add(7)
    waiting = asyncio.create_task(short.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    other.end()
    await waiting
    assert (short.size, short.alone, room.free) == (7, False, 3)
    assert long.add(1000)
    long.end()
    short.end()
    assert room.free == 10


async def test_those_who_are_cancelled_hold_up_nobody() -> None:
    """While they wait, and in the moment in which they may go on."""
    room = Room(1)
    first, second, third, last = (room.held() for _ in range(4))
    assert not first.add(2)
    await first.wait()
    tasks = []
    for held in (second, third, last):
        assert not held.add(2)
        tasks.append(asyncio.create_task(held.wait()))
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    second.end()
    first.end()
    assert third.alone
    tasks[1].cancel()
    assert isinstance((await asyncio.gather(tasks[1], return_exceptions=True))[0], BaseException)
    third.end()
    await tasks[2]
    assert last.alone
    last.end()
    assert room.free == 1
