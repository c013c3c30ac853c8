"""Redis streams that were trimmed, deleted or made anew before they were read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.streaming.redis_streams import (
    RedisStreamsConfig,
    RedisStreamsSource,
)
from airflow_provider_spotify.core.testing.sources import read

Make = Callable[..., RedisStreamsSource]


@pytest.fixture
def link(redis_database: Credentials) -> Iterator[Link]:
    with Link(redis_database) as link:
        yield link


@pytest.fixture(params=[None, "g"], ids=["by id", "in a group"])
def make(redis_database: Credentials, request: pytest.FixtureRequest) -> Make:
    """Give a function from a Config's keys to a source of the stream ``s``."""

    def source(**config: Any) -> RedisStreamsSource:
        keys = {"streams": ["s"], "group": request.param, "batch_size": 10, **config}
        return RedisStreamsSource(RedisStreamsConfig(**keys), credentials=redis_database)

    return source


def produce(link: Link, first: int, last: int) -> None:
    for n in range(first, last + 1):
        link.do("XADD", "s", f"{n}-0", "n", n)


def numbers(chunks: list[Chunk]) -> list[int]:
    return [int(n) for chunk in chunks for n in chunk.batch["n"].to_pylist()]


def test_a_gap_says_how_many_entries_are_gone(link: Link, make: Make) -> None:
    """The stream was trimmed beyond the last entry that was read."""
    produce(link, 1, 20)
    last = read(make())[-1].cursor
    make().committed(last)
    produce(link, 21, 60)
    link.do("XTRIM", "s", "MINID", "38-0")
    with pytest.raises(
        DataError, match=r"'s': 17 entries after id 20-0 are gone.*on_gap: continue"
    ):
        read(make(), last)
    link.do("XTRIM", "s", "MAXLEN", 0)
    with pytest.raises(DataError, match="40 entries after id 20-0 are gone"):
        read(make(), last)


def test_going_on_after_a_gap_is_logged_once(
    link: Link, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """``on_gap: continue`` gives what is left, and the next read finds no gap."""
    produce(link, 1, 20)
    last = read(make())[-1].cursor
    produce(link, 21, 60)
    link.do("XTRIM", "s", "MINID", "38-0")
    caplog.set_level(logging.WARNING)
    chunks = read(make(on_gap="continue"), last)
    assert numbers(chunks) == [*range(38, 61)]
    assert sum("17 entries after id 20-0 are gone" in r.getMessage() for r in caplog.records) == 1
    link.do("XTRIM", "s", "MAXLEN", 1)
    assert read(make(), chunks[-1].cursor) == []


def test_trimming_what_was_read_is_no_gap(link: Link, make: Make) -> None:
    """From the end, from the middle, with entries deleted among those read, at any length."""
    produce(link, 1, 50)
    link.do("XDEL", "s", "7-0", "33-0")
    chunks = read(make())
    make().committed(chunks[-1].cursor)
    link.do("XTRIM", "s", "MAXLEN", 0)
    assert read(make(), chunks[-1].cursor) == []
    produce(link, 51, 53)
    assert numbers(read(make(), chunks[-1].cursor)) == [51, 52, 53]


def test_trimming_up_to_a_cursor_in_the_middle_is_no_gap(link: Link, make: Make) -> None:
    """A cursor that a read was cut short at knows how many entries came before it."""
    produce(link, 1, 50)
    middle = read(make(), limit=2)[-1].cursor
    link.do("XTRIM", "s", "MINID", "21-0")
    assert numbers(read(make(), middle)) == [*range(21, 51)]


def test_trimming_beyond_a_cursor_in_the_middle_is_a_gap(link: Link, make: Make) -> None:
    """Entries that came after a cut-short read, delivered to a group or not, are counted."""
    produce(link, 1, 50)
    middle = read(make(), limit=2)[-1].cursor
    link.do("XTRIM", "s", "MINID", "46-0")
    with pytest.raises(DataError, match="25 entries after id 20-0 are gone"):
        read(make(), middle)


def test_a_stream_trimmed_before_the_first_read_has_no_gap(link: Link, make: Make) -> None:
    """What was gone when importing began is not missed."""
    produce(link, 1, 50)
    link.do("XTRIM", "s", "MAXLEN", 25)
    link.do("XDEL", "s", "40-0")
    chunks = read(make())
    assert numbers(chunks) == [n for n in range(26, 51) if n != 40]
    produce(link, 51, 60)
    link.do("XTRIM", "s", "MAXLEN", 5)
    with pytest.raises(DataError, match="5 entries after id 50-0 are gone"):
        read(make(), chunks[-1].cursor)


def test_trimming_while_reading_is_noticed(link: Link, make: Make) -> None:
    """A stream that is trimmed under the reader's hands ends with the error, not with less."""
    produce(link, 1, 3000)
    source = make(batch_size=1000)

    async def overtaken() -> None:
        async for chunk in source.read(None):
            if chunk.cursor:
                link.do("XTRIM", "s", "MAXLEN", 10)

    with pytest.raises(DataError, match=r"\d+ entries after id 1000-0 are gone"):
        asyncio.run(overtaken())


def test_a_deleted_stream_is_a_gap(link: Link, make: Make) -> None:
    """A stream that is not there any more took with it what nobody can count."""
    produce(link, 1, 20)
    last = read(make())[-1].cursor
    link.do("DEL", "s")
    with pytest.raises(DataError, match="the stream is gone"):
        read(make(), last)
    assert read(make(on_gap="continue"), last) == []
    assert read(make()) == []


def test_a_stream_made_anew_is_a_gap_and_is_read_from_its_beginning(link: Link, make: Make) -> None:
    """Its ids are lower than the last one read: ``continue`` does not pass over them."""
    produce(link, 1, 20)
    last = read(make())[-1].cursor
    link.do("DEL", "s")
    produce(link, 1, 5)
    with pytest.raises(DataError, match="made anew"):
        read(make(), last)
    assert numbers(read(make(on_gap="continue"), last)) == [1, 2, 3, 4, 5]
