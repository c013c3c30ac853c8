"""MongoDB read in parts: bounded, joined, and begun after a cursor."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.database.mongodb_plays import START, Make, collection, fill, ids, reading

make = pytest.fixture(reading)
plays = pytest.fixture(collection)


@pytest.mark.parametrize("config", [{}, {"cursor": {"field": "played_at"}}], ids=str)
def test_partitions_are_bounded_and_joined(make: Make, plays: Any, config: dict[str, Any]) -> None:
    """Partitions give every document once, some each; what comes later is after their cursor."""
    fill(plays)
    source = make(**config, batch_size=50)
    parts = asyncio.run(source.partitions(4))
    fill_late = {"_id": 9000, "played_at": START + timedelta(days=9)}
    plays.insert_one(fill_late)
    read_by = [read(part) for part in parts]
    assert len(parts) == 4
    assert all(read_by)
    assert sorted(i for chunks in read_by for i in ids(chunks)) == list(range(1, 421))
    cursor = source.joined([chunks[-1].cursor if chunks else None for chunks in read_by])
    if config:
        assert ids(read(source, cursor)) == [9000]
        assert source.joined([None, None]) is None


def test_partitions_begin_after_the_cursor(make: Make, plays: Any) -> None:
    """Partitions of what is new hold nothing of what was read."""
    fill(plays, 200)
    source = make(cursor={"field": "_id"})
    last = read(source)[-1].cursor
    fill_more = [{"_id": i} for i in range(201, 301)]
    plays.insert_many(fill_more)
    parts = asyncio.run(source.partitions(3, last))
    assert len(parts) == 3
    found = sorted(i for part in parts for i in ids(read(part, last)))
    assert found == list(range(201, 301))
