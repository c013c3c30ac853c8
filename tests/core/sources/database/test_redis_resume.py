"""Redis read while its keys change, and gone on from where reading was cut short."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import aclosing
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.redis import Link, pairs
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.redis import RedisConfig, RedisSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.core.sources.database.redis_keys import Make, fill, linked, reading
from tests.services.redis import redis_process

link = pytest.fixture(linked)
make = pytest.fixture(reading)


def test_keys_that_vanish_or_change_are_left_out(link: Link, make: Make) -> None:
    """A key deleted, or of another type, after it was found is no row of nothing."""
    fill(link, [("SET", f"k{n}", n) for n in range(2_000)])

    async def changing() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with aclosing(make(batch_size=50).read(None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if not found:
                    fill(link, [("DEL", f"k{n}") for n in range(0, 2_000, 2)])
                    fill(link, [("SADD", f"k{n}", n) for n in range(0, 2_000, 4)])
                found += chunk.batch.to_pylist()
        return found

    found = Counter(row["_key"] for row in asyncio.run(changing()))
    assert set(found.values()) == {1}
    assert {f"k{n}" for n in range(1, 2_000, 2)} <= set(found)
    assert len(found) < 1_200


def test_a_table_that_shrinks_gives_no_key_twice(
    link: Link, make: Make, redis_database: Credentials
) -> None:
    """SCAN itself repeats keys when most of the others are deleted meanwhile."""
    fill(link, [("SET", f"k{n}", n) for n in range(20_000)])
    order = [key.decode() for key in scanned(link)]
    kept = set(order[500:850])

    async def shrinking() -> list[str]:
        found: list[str] = []
        async with aclosing(make(batch_size=500).read(None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if not found:
                    gone = [key for key in order if key not in kept]
                    fill(link, [("DEL", *gone[n : n + 500]) for n in range(0, len(gone), 500)])
                    await shrunk(link, f"db.{redis_database.database}")
                found += chunk.batch["_key"].to_pylist()
        return found

    found = Counter(asyncio.run(shrinking()))
    assert kept <= set(found)
    assert set(found.values()) == {1}


def scanned(link: Link) -> list[bytes]:
    cursor, found = b"", list[bytes]()
    while cursor != b"0":
        cursor, keys = link.do("SCAN", cursor or "0", "COUNT", 1_000)
        found += keys
    return found


async def shrunk(link: Link, database: str) -> None:
    """Wait until the server has made its table of keys smaller, which it does by the way."""
    for _ in range(1200):
        stats = pairs(link.do("MEMORY", "STATS"))
        if pairs(stats[database])["overhead.hashtable.main"] < 100_000:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the table does not shrink")


def test_a_read_cut_short_inside_of_a_large_set_goes_on_there(link: Link, make: Make) -> None:
    """The cursor names no key, and finds it again; other large ones follow."""
    fill(link, [("SADD", f"person:{n}", *range(8_000)) for n in range(3)])
    fill(link, [("SADD", f"few:{n}", n) for n in range(100)])
    source = make(data_type="set", batch_size=3_000)
    chunks = read(source)
    whole = Counter((row["_key"], row["member"]) for row in rows(chunks))
    assert set(whole.values()) == {1}
    assert len(whole) == 24_100
    for at in range(0, len(chunks) - 1, 4):
        since = json.loads(json.dumps(chunks[at].cursor))
        assert "person" not in json.dumps(since)
        found = rows(chunks[: at + 1]) + rows(read(source, since))
        assert Counter((row["_key"], row["member"]) for row in found) == whole


def test_another_process_of_the_server_cannot_go_on() -> None:
    """Its keys have another order, so a cursor of the one before is refused."""
    cursors: list[dict[str, Any]] = []
    for _ in range(2):
        with redis_process() as port:
            credentials = Credentials(host="127.0.0.1", port=port)
            with Link(credentials) as link:
                fill(link, [("SET", f"k{n}", n) for n in range(500)])
            source = RedisSource(RedisConfig(batch_size=50), credentials=credentials)
            cursor = cursors[0] | {"node": f"127.0.0.1:{port}"} if cursors else None
            if cursor:
                with pytest.raises(DataError, match=r"another process.*run the load again"):
                    read(source, cursor)
            else:
                cursors.append(dict(read(source, limit=1)[0].cursor))


def test_a_whole_read_begins_anew_from_its_last_cursor(link: Link, make: Make) -> None:
    """Nothing in Redis says what changed: the next load gives everything."""
    fill(link, [("SET", f"k{n}", n) for n in range(300)])
    chunks = read(make(batch_size=50))
    assert chunks[-1].cursor == {"more": False}
    assert len(rows(read(make(batch_size=50), chunks[-1].cursor))) == 300


def test_what_is_left_may_be_gone(link: Link, make: Make) -> None:
    """A read that goes on and finds nothing still says that the walk has ended."""
    fill(link, [("SET", f"k{n}", n) for n in range(300)])
    since = read(make(batch_size=50), limit=1)[0].cursor
    link.do("FLUSHDB")
    assert read(make(), since)[-1].cursor == {"more": False}
