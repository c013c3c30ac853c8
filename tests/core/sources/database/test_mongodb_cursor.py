"""MongoDB read by a cursor field and in windows: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.sources.database.mongodb import MongodbSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.core.sources.database.mongodb_plays import START, Make, collection, fill, ids, reading

make = pytest.fixture(reading)
plays = pytest.fixture(collection)


def test_ids_of_any_type_are_gone_on_from(make: Make, plays: Any) -> None:
    """A sort goes through all types, a comparison through one: resuming after any id is exact."""
    values: list[Any] = [None, 1.5, 2**60, -7, "", "a", {"a": 1}, {"a": 1, "b": 2}, b"xx"]
    values += [True, False, ObjectId(), ObjectId(), START, START + timedelta(1)]
    plays.insert_many({"_id": value, "n": n} for n, value in enumerate(values))
    source = make(cursor={"field": "_id"}, batch_size=1)
    chunks = read(source)
    assert sorted(row["n"] for row in rows(chunks)) == list(range(len(values)))
    for position, chunk in enumerate(chunks):
        rest = [row["n"] for row in rows(read(source, json.loads(json.dumps(chunk.cursor))))]
        assert rest == [row["n"] for row in rows(chunks[position + 1 :])]


def test_documents_without_the_field_come_once_at_the_beginning(make: Make, plays: Any) -> None:
    """Null and absent are read first, together; later reads do not see them again."""
    plays.insert_many(
        {"_id": n} | ({"at": n // 4} if n % 5 else {"at": None} if n % 2 else {}) for n in range(50)
    )
    source = make(cursor={"field": "at"}, batch_size=7)
    chunks = read(source)
    assert sorted(ids(chunks)) == list(range(50))
    assert {*ids(chunks[:1])} >= {0, 5, 10, 45}
    resumed = ids(read(source, chunks[0].cursor))
    assert sorted(resumed) == sorted(ids(chunks[1:]))
    plays.insert_one({"_id": 99})
    assert read(source, chunks[-1].cursor) == []


def test_one_value_shared_by_more_than_a_batch_is_not_parted(make: Make, plays: Any) -> None:
    """However many documents share a value, a cursor never stands among them."""
    plays.insert_many({"_id": n, "at": (n >= 5) + (n >= 95)} for n in range(100))
    chunks = read(make(cursor={"field": "at"}, batch_size=10))
    assert [len(ids([chunk])) for chunk in chunks] == [5, 90, 5]


@pytest.mark.parametrize(
    ("field", "lookback", "value", "again"),
    [
        ("at", "2h", lambda n: START + timedelta(hours=n), [7, 8, 9]),
        ("at", 3, lambda n: n, [6, 7, 8, 9]),
        ("at", 0.5, None, None),
        ("_id", "2h", lambda n: ObjectId.from_datetime(START + timedelta(hours=n)), [7, 8, 9]),
    ],
)
def test_lookback_reads_again_what_may_have_come_late(
    make: Make, plays: Any, field: str, lookback: Any, value: Any, again: Any
) -> None:
    """A new read goes back by the lookback; a read cut short does not."""
    if value is None:
        with pytest.raises(ValidationError):
            make(cursor={"field": field, "lookback": "nonsense"})
        return
    plays.insert_many({"_id": n, "n": n, field: value(n)} for n in range(10))
    source = make(cursor={"field": field, "lookback": lookback}, batch_size=4)
    chunks = read(source)
    assert [row["n"] for row in rows(read(source, chunks[-1].cursor))] == again
    assert rows(read(source, chunks[0].cursor)) == rows(chunks[1:])


def test_a_lookback_must_suit_its_field(make: Make, plays: Any) -> None:
    """A lookback that cannot be subtracted is a mistake in the configuration."""
    fill(plays, 10)
    source = make(cursor={"field": "_id", "lookback": "1h"})
    with pytest.raises(ConfigurationError, match="a duration for dates"):
        read(source, read(source)[-1].cursor)


def test_the_cursor_of_another_field_is_refused(make: Make, plays: Any) -> None:
    """Going by another field than before needs a full refresh."""
    fill(plays, 10)
    last = read(make(cursor={"field": "_id"}))[-1].cursor
    with pytest.raises(ConfigurationError, match=r"of _id, .* played_at; .* full refresh"):
        read(make(cursor={"field": "played_at"}), last)


def test_an_array_is_no_cursor(make: Make, plays: Any) -> None:
    """A document that stands at several places of an order has none."""
    plays.insert_many({"_id": n, "at": [n, n + 1]} for n in range(3))
    with pytest.raises(DataError, match="an array in some documents"):
        read(make(cursor={"field": "at"}))


def test_windows(make: Make, plays: Any) -> None:
    """A window gives start included to end excluded, whatever the cursor; it needs a time."""
    fill(plays)
    window = Window(start=START + timedelta(seconds=10), end=START + timedelta(seconds=12))
    source = make(cursor={"field": "played_at"})
    last = read(source)[-1].cursor

    async def found(source: MongodbSource) -> list[int]:
        return [r["_id"] async for c in source.read(last, window) for r in c.batch.to_pylist()]

    assert asyncio.run(found(source)) == list(range(70, 84))
    assert asyncio.run(source.is_ready(last, window)) is True
    with pytest.raises(ConfigurationError, match="needs a time"):
        asyncio.run(found(make()))
    with pytest.raises(ConfigurationError, match="dates or ObjectIds; _id holds"):
        asyncio.run(found(make(cursor={"field": "_id"})))


def test_windows_of_object_ids(make: Make, plays: Any) -> None:
    """An ObjectId holds the second it was made in; a window of fractions takes whole ones."""
    plays.insert_many(
        {"_id": ObjectId.from_datetime(START + timedelta(seconds=n)), "n": n} for n in range(20)
    )
    source = make(cursor={"field": "_id"})
    start = START + timedelta(seconds=4, milliseconds=500)
    window = Window(start=start, end=start + timedelta(seconds=3))

    async def found() -> list[int]:
        return [r["n"] async for c in source.read(None, window) for r in c.batch.to_pylist()]

    assert asyncio.run(found()) == [5, 6, 7]
