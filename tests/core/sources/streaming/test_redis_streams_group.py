"""Consumer groups of Redis streams: who gave what, who acknowledged it, and what is taken over."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor
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


@pytest.fixture
def make(redis_database: Credentials) -> Make:
    """Give a function from a Config's keys to a source of the group ``g`` of the stream ``s``."""

    def source(**config: Any) -> RedisStreamsSource:
        keys = {"streams": ["s"], "group": "g", "batch_size": 10, "claim_after": "0s", **config}
        return RedisStreamsSource(RedisStreamsConfig(**keys), credentials=redis_database)

    return source


def produce(link: Link, first: int, last: int) -> None:
    for n in range(first, last + 1):
        link.do("XADD", "s", f"{n}-0", "n", n)


def numbers(chunks: list[Chunk]) -> list[int]:
    return [int(n) for chunk in chunks for n in chunk.batch["n"].to_pylist()]


def pending(link: Link) -> int:
    return int(link.do("XPENDING", "s", "g")[0])


def deliver(link: Link, consumer: str, count: int) -> list[int]:
    """Let another consumer of the group take entries."""
    found = link.do("XREADGROUP", "GROUP", "g", consumer, "COUNT", count, "STREAMS", "s", ">")
    return [int(fields[1]) for _, fields in found[0][1]] if found else []


def acknowledge(link: Link, ns: list[int]) -> None:
    if ns:
        link.do("XACK", "s", "g", *(f"{n}-0" for n in ns))


def test_entries_are_acknowledged_once_they_are_committed(link: Link, make: Make) -> None:
    """What was read stays pending until ``committed``, and then goes, up to that cursor."""
    produce(link, 1, 30)
    source = make()
    chunks = read(source)
    assert pending(link) == 30
    source.committed(chunks[1].cursor)
    assert pending(link) == 10
    source.committed(chunks[-1].cursor)
    assert pending(link) == 0
    assert read(make(), chunks[-1].cursor) == []


def test_a_crash_between_commit_and_acknowledgement_doubles_nothing(link: Link, make: Make) -> None:
    """What the cursor says was given is not given again, and is acknowledged with the next load."""
    produce(link, 1, 30)
    last = read(make())[-1].cursor
    assert asyncio.run(make().is_ready(last)) is False
    assert read(make(), last) == []
    produce(link, 31, 35)
    later = read(make(), last)
    assert numbers(later) == [31, 32, 33, 34, 35]
    make().committed(later[-1].cursor)
    assert pending(link) == 0


def test_what_a_dead_consumer_left_is_taken_over(link: Link, make: Make) -> None:
    """Entries with lower ids than those already given come once, and from any cursor."""
    produce(link, 1, 60)
    link.do("XGROUP", "CREATE", "s", "g", 0)
    assert deliver(link, "dead", 25) == [*range(1, 26)]
    patient = make(claim_after="1h")
    first = read(patient)
    assert numbers(first) == [*range(26, 61)]
    assert asyncio.run(patient.is_ready(first[-1].cursor)) is False
    assert asyncio.run(make().is_ready(first[-1].cursor)) is True
    produce(link, 61, 65)
    second = read(make(), first[-1].cursor)
    assert numbers(second) == [*range(1, 26), *range(61, 66)]
    for at, chunk in enumerate(second[:-1]):
        rest = sorted(numbers(read(make(), chunk.cursor)))
        assert rest == sorted(numbers(second[at + 1 :]))
    assert read(make(), second[-1].cursor) == []
    make().committed(second[-1].cursor)
    assert pending(link) == 0


def test_what_was_claimed_but_not_given_is_given(link: Link, make: Make) -> None:
    """A crash after the claim and before the rows are committed loses nothing."""
    produce(link, 1, 50)
    link.do("XGROUP", "CREATE", "s", "g", 0)
    deliver(link, "dead", 20)
    last = read(make(claim_after="1h"))[-1].cursor
    for _ in range(3):
        read(make(), last, limit=1)  # claims, gives ten, and is never heard of again
    assert sorted(numbers(read(make(), last))) == [*range(1, 21)]


def test_a_live_consumer_keeps_its_share(link: Link, make: Make) -> None:
    """What another consumer acknowledges, or holds for less than ``claim_after``, is not given."""
    produce(link, 1, 40)
    link.do("XGROUP", "CREATE", "s", "g", 0)
    acknowledge(link, deliver(link, "other", 10))
    deliver(link, "other", 10)
    assert numbers(read(make(claim_after="1h"))) == [*range(21, 41)]


def test_a_load_that_is_repeated_gives_the_same_again(link: Link, make: Make) -> None:
    """From the cursor before it, also what was acknowledged, wholly or in part, comes once."""
    produce(link, 1, 20)
    source = make()
    before = read(source)[-1].cursor
    source.committed(before)
    produce(link, 21, 50)
    chunks = read(source, before)
    source.committed(chunks[1].cursor)
    produce(link, 51, 55)
    assert asyncio.run(make().is_ready(before)) is True
    assert numbers(read(make(), before)) == [*range(21, 56)]
    source.committed(chunks[-1].cursor)
    again = read(make(), before)
    assert numbers(again) == [*range(21, 56)]
    for at, chunk in enumerate(again[:-1]):
        assert numbers(read(make(), chunk.cursor)) == numbers(again[at + 1 :])
    make().committed(again[-1].cursor)
    assert pending(link) == 0
    assert numbers(read(make())) == [*range(1, 56)], "a full refresh"


def test_a_load_of_a_group_that_began_later_is_repeated_from_there(link: Link, make: Make) -> None:
    """A first load that is repeated does not reach behind where the group began."""
    produce(link, 1, 20)
    assert read(make(start="latest")) == []
    produce(link, 21, 30)
    source = make(start="latest")
    chunks = read(source)
    source.committed(chunks[-1].cursor)
    assert numbers(chunks) == numbers(read(make(start="latest"))) == [*range(21, 31)]


def test_a_load_of_a_shared_group_is_not_repeated(link: Link, make: Make) -> None:
    """Nobody can say whose the acknowledged entries were: an error says what to do."""
    produce(link, 1, 20)
    link.do("XGROUP", "CREATE", "s", "g", 0)
    acknowledge(link, deliver(link, "other", 10))
    source = make()
    source.committed(read(source)[-1].cursor)
    with pytest.raises(DataError, match=r"shared with 'other'.*mark its task"):
        read(make())


def test_a_group_that_is_set_back_gives_nothing_twice(link: Link, make: Make) -> None:
    """XGROUP SETID makes Redis deliver again what the cursor says was given."""
    produce(link, 1, 20)
    last = read(make())[-1].cursor
    make().committed(last)
    link.do("XGROUP", "SETID", "s", "g", 0)
    produce(link, 21, 25)
    chunks = read(make(), last)
    assert numbers(chunks) == [*range(21, 26)]
    make().committed(chunks[-1].cursor)
    assert pending(link) == 0


def test_a_group_that_is_gone_begins_where_the_cursor_ends(link: Link, make: Make) -> None:
    """XGROUP DESTROY loses what Redis knew; the cursor knows how far reading had come."""
    produce(link, 1, 20)
    chunks = read(make())
    link.do("XGROUP", "DESTROY", "s", "g")
    assert numbers(read(make(), chunks[0].cursor)) == [*range(11, 21)]


def test_changing_to_a_group_and_back_goes_on(link: Link, make: Make) -> None:
    """A cursor without a group says where a group begins, and the other way round."""
    produce(link, 1, 20)
    plain = read(make(group=None))[0].cursor
    assert numbers(read(make(), plain)) == [*range(11, 21)]
    grouped = read(make(group="h"))[0].cursor
    assert numbers(read(make(group=None), grouped)) == [*range(11, 21)]
    assert numbers(read(make(group="i"), grouped)) == [*range(11, 21)]


def test_another_name_for_the_consumer_loses_nothing(link: Link, make: Make) -> None:
    """What the old name has pending and was not given is given under the new one, at once."""
    produce(link, 1, 30)
    first = read(make(consumer="one"))
    produce(link, 31, 35)
    later = read(make(consumer="two", claim_after="1h"), first[0].cursor)
    assert numbers(later) == [*range(11, 36)]
    make(consumer="two").committed(later[-1].cursor)
    assert pending(link) == 0


def test_abandoned_entries_are_found_while_following(link: Link, make: Make) -> None:
    """A stream that is followed takes over what is abandoned after it began."""
    produce(link, 1, 5)
    source = make(claim_after="300ms")
    last = read(source)[-1].cursor

    async def follow() -> list[Chunk]:
        found = []
        async with asyncio.timeout(10):
            async for chunk in source.following().read(last):
                found.append(chunk)
                if len(numbers(found)) == 3:
                    return found
        return found

    async def both() -> list[Chunk]:
        following = asyncio.create_task(follow())
        await asyncio.sleep(0.3)
        await asyncio.to_thread(_take_three, link)
        return await following

    assert numbers(asyncio.run(both())) == [6, 7, 8]


def _take_three(link: Link) -> None:
    """Let another consumer get the entries first: they are added and taken in one transaction."""
    adds = [("XADD", "s", f"{n}-0", "n", n) for n in (6, 7, 8)]
    take = ("XREADGROUP", "GROUP", "g", "dead", "STREAMS", "s", ">")
    assert len(link.atomic([*adds, take])[-1][0][1]) == 3


class Destination:
    """Keeps rows and cursor together, as a sink does."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.cursor: Cursor | None = None
        self.states: list[tuple[int, Cursor | None]] = [(0, None)]

    def load(self, source: RedisStreamsSource, dice: random.Random) -> None:
        """Read, commit some of it or none, acknowledge some of it or none."""
        crash = dice.random()
        chunks = read(source, self.cursor, limit=dice.randint(1, 4) if crash < 0.6 else None)
        if not chunks or crash < 0.2:
            return
        before = self.cursor
        self.rows += numbers(chunks)
        self.cursor = chunks[-1].cursor
        if crash > 0.4:
            source.committed(self.cursor)
        if crash > 0.8 and before is not None:
            source.committed(before)
        self.states.append((len(self.rows), self.cursor))

    def rewind(self, dice: random.Random) -> None:
        """Go back to an earlier state, as when a load is repeated."""
        del self.states[dice.randrange(len(self.states)) + 1 :]
        count, self.cursor = self.states[-1]
        del self.rows[count:]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_repeated_every_entry_comes_exactly_once(
    link: Link, make: Make, seed: int
) -> None:
    """Random loads of a group of our own that crash anywhere, or are run again."""
    dice, here, made = random.Random(seed), Destination(), 0
    for _ in range(30):
        more = dice.randint(0, 25)
        produce(link, made + 1, made + more)
        made += more
        if dice.random() < 0.2:
            here.rewind(dice)
        here.load(make(batch_size=dice.randint(1, 12)), dice)
    here.rows += numbers(read(make(), here.cursor))
    assert Counter(here.rows) == Counter(range(1, made + 1))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_every_entry_comes_exactly_once(link: Link, make: Make, seed: int) -> None:
    """Random loads that crash anywhere, beside consumers that die or acknowledge."""
    dice, here, theirs, made = random.Random(seed), Destination(), list[int](), 0
    link.do("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM")
    for _ in range(30):
        more = dice.randint(0, 25)
        produce(link, made + 1, made + more)
        made += more
        if dice.random() < 0.5:
            taken = deliver(link, dice.choice(["alive", "dead"]), dice.randint(1, 12))
            kept = dice.sample(taken, dice.randint(0, len(taken)))
            acknowledge(link, kept)
            theirs += kept
        patience = dice.choice(["0s", "1h"])
        here.load(make(claim_after=patience, batch_size=dice.randint(1, 12)), dice)
    chunks = read(make(), here.cursor)
    here.rows += numbers(chunks)
    make().committed(chunks[-1].cursor if chunks else here.cursor or {})
    assert Counter(here.rows + theirs) == Counter(range(1, made + 1))
    assert pending(link) == 0
