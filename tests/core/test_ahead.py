"""The read-ahead keeps the order, the byte bound and the errors of the stage it runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Generator
from contextlib import closing

import pytest

from airflow_provider_spotify.core.ahead import ahead, drain
from airflow_provider_spotify.core.errors import Cancelled


def numbers(count: int, *, made: list[int], ended: list[str] | None = None) -> Generator[int]:
    try:
        for number in range(count):
            made.append(number)
            yield number
    finally:
        if ended is not None:
            ended.append("closed")


def test_items_arrive_in_their_order() -> None:
    items = ahead(numbers(500, made=[]), size=lambda _: 1, limit=7, name="t")
    assert list(items) == list(range(500))


def test_no_more_waits_between_the_stages_than_the_limit_allows() -> None:
    made: list[int] = []
    with closing(ahead(numbers(100, made=made), size=lambda _: 10, limit=30, name="t")) as items:
        assert next(items) == 0
        time.sleep(0.2)
        # one taken, three waiting, one made and waiting for room
        assert len(made) <= 5


def test_an_item_larger_than_the_limit_still_passes() -> None:
    assert list(ahead(numbers(3, made=[]), size=lambda _: 999, limit=10, name="t")) == [0, 1, 2]


def test_an_error_comes_after_the_items_before_it() -> None:
    def broken() -> Generator[int]:
        yield 1
        yield 2
        raise ValueError("the third")

    seen = []
    with pytest.raises(ValueError, match="the third"):
        for item in ahead(broken(), size=lambda _: 1, limit=100, name="t"):
            seen.append(item)
    assert seen == [1, 2]


def test_closing_early_closes_the_stage_before_and_ends_its_thread() -> None:
    ended: list[str] = []
    items = ahead(numbers(1000, made=[], ended=ended), size=lambda _: 1, limit=2, name="closed")
    next(items)
    assert "closed" in [thread.name for thread in threading.enumerate()]
    items.close()
    assert ended == ["closed"]
    assert "closed" not in [thread.name for thread in threading.enumerate()]


async def ticking(*, closed: list[bool]) -> AsyncIterator[int]:
    try:
        for number in range(3):
            await asyncio.sleep(0)
            yield number
        await asyncio.sleep(3600)
    finally:
        closed.append(True)


def test_a_waiting_source_stops_within_a_second_of_the_cancel() -> None:
    cancel, closed = threading.Event(), []
    threading.Timer(0.1, cancel.set).start()
    began, seen = time.monotonic(), []
    with pytest.raises(Cancelled):
        for number in drain(ticking(closed=closed), cancel=cancel):
            seen.append(number)
    assert seen == [0, 1, 2]
    assert time.monotonic() - began < 1
    assert closed == [True]


def test_an_abandoned_source_is_closed() -> None:
    closed: list[bool] = []
    with closing(drain(ticking(closed=closed))) as items:
        assert next(items) == 0
    assert closed == [True]
