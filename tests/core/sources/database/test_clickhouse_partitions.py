"""ClickHouse read in parts: together they give what the whole gives."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from airflow_provider_spotify.core.sources.database.clickhouse import ClickhouseSource
from airflow_provider_spotify.core.testing.sources import read, rows_of
from tests.core.chunks import rows
from tests.core.sources.database.clickhouse_plays import FILL, PLAYS, Run, reading, running

pytestmark = pytest.mark.service("clickhouse")
run = pytest.fixture(running)
make = pytest.fixture(reading)


def test_partitions_follow_those_of_the_table(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Where the table has as many partitions, each reader takes some of them."""
    run("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id PARTITION BY id % 5")
    run("INSERT INTO t SELECT number FROM numbers(100)")
    parts = asyncio.run(make(table="t").partitions(3))
    slices = [part.config.partition for part in parts]
    assert sorted(len(each.ids) for each in slices if each) == [1, 2, 2]
    assert sum((rows_of(read(part)) for part in parts), Counter()) == rows_of(read(make(table="t")))


@pytest.mark.parametrize("column", ["id", "played_at"])
def test_what_arrives_while_partitions_are_read_is_read_next(
    make: Callable[..., ClickhouseSource], run: Run, column: str
) -> None:
    """The joined cursor ends where the partitions were bounded, so that nothing falls between."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": column})
    parts = asyncio.run(source.partitions(3))
    run("INSERT INTO plays VALUES (5000, '2026-03-01 00:00:00', 'late')")
    read_ = [read(part) for part in parts]
    joined = source.joined([chunks[-1].cursor if chunks else None for chunks in read_])
    assert sum(len(rows(chunks)) for chunks in read_) == 1000
    assert [row["id"] for row in rows(read(source, joined))] == [5000]
    assert source.joined([None, None]) is None


def test_partitions_go_on_after_a_cursor(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """Partitions of a later load read what is new, and an empty one gives no cursor."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": "id"})
    since = read(source)[-1].cursor
    run("INSERT INTO plays VALUES (5000, '2026-03-01 00:00:00', 'new')")
    parts = asyncio.run(source.partitions(2, since))
    read_ = [read(part, since) for part in parts]
    joined = source.joined([chunks[-1].cursor if chunks else None for chunks in read_])
    assert [row["id"] for chunks in read_ for row in rows(chunks)] == [5000]
    assert read(source, joined) == []
