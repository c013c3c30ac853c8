"""ClickHouse read by a cursor, in windows, and after a read that was cut short."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Chunk, Window
from airflow_provider_spotify.core.sources.database.clickhouse import ClickhouseSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.core.sources.database.clickhouse_plays import FILL, PLAYS, Run, reading, running

pytestmark = pytest.mark.service("clickhouse")
run = pytest.fixture(running)
make = pytest.fixture(reading)


def test_final_merges_rows(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """With ``final`` a replaced row comes once, as it is now."""
    run("CREATE TABLE t (id Int8, v Int8) ENGINE = ReplacingMergeTree ORDER BY id")
    run("SYSTEM STOP MERGES t")
    for value in (1, 2):
        run(f"INSERT INTO t VALUES (7, {value})")
    assert len(rows(read(make(table="t")))) == 2
    assert rows(read(make(table="t", final=True))) == [{"id": 7, "v": 2}]


def test_a_window_reads_its_span(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """A window gives the rows from its start to before its end, whatever the column's zone."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": "played_at"})
    start = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    window = Window(start=start, end=start + timedelta(seconds=2))

    async def collect() -> list[Chunk]:
        return [chunk async for chunk in source.read(None, window)]

    assert sorted(row["id"] for row in rows(asyncio.run(collect()))) == list(range(71, 85))
    assert asyncio.run(source.is_ready(None, window))
    with pytest.raises(ConfigurationError, match="dates or times"):
        asyncio.run(make(table="plays", cursor={"column": "id"}).is_ready(None, window))


@pytest.mark.parametrize(
    ("column", "lookback", "again"), [("id", 2, 2), ("played_at", "1500ms", 13)]
)
def test_lookback_reads_late_rows_again(
    make: Callable[..., ClickhouseSource], run: Run, column: str, lookback: Any, again: int
) -> None:
    """After a whole read, the last so much is read once more."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": column, "lookback": lookback})
    last = read(source)[-1].cursor
    assert len(rows(read(source, last))) == again


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("Int128", ["'9'", "'10'", f"'{10**30}'"]),
        ("Decimal(20, 4)", ["'9.5'", "'10.25'", "'100'"]),
        ("UUID", [f"'{n}1f0c404-5cb3-11e7-907b-a6006ad3dba{n}'" for n in range(3)]),
        ("Date", ["'2026-01-01'", "'2026-01-02'", "'2026-02-01'"]),
        ("DateTime", ["'2026-01-01 00:00:00'", "'2026-01-01 00:00:01'", "'2026-01-02 00:00:00'"]),
        ("Nullable(LowCardinality(String))", ["'a'", "'ab'", "NULL"]),
        ("Nullable(DateTime64(9, 'Asia/Tokyo'))", ["'2026-01-01 00:00:00.000000001'", "NULL"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_cursor_of_any_ordered_type_resumes(
    make: Callable[..., ClickhouseSource], run: Run, type_: str, values: list[str]
) -> None:
    """One row at a time, each read from the cursor of the one before, gives every row once."""
    type_ = "LowCardinality(Nullable(String))" if "Low" in type_ else type_
    run(f"CREATE TABLE t (v {type_}, n Int8) ENGINE = MergeTree ORDER BY n")
    run(f"INSERT INTO t VALUES {', '.join(f'({v}, {n})' for n, v in enumerate(values))}")
    found, since = [], None
    for _ in range(len(values) + 1):
        chunks = read(make(table="t", cursor={"column": "v"}, max_block_size=1), since, limit=1)
        found += [row["n"] for row in rows(chunks)]
        since = json.loads(json.dumps(chunks[0].cursor)) if chunks else since
    assert sorted(found) == list(range(len(values)))


def test_a_column_without_an_order_is_no_cursor(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """An array orders nothing that a cursor can rely on."""
    run("CREATE TABLE t (a Array(Int8)) ENGINE = MergeTree ORDER BY tuple()")
    with pytest.raises(ConfigurationError, match="cursor column a is Array"):
        read(make(table="t", cursor={"column": "a"}))


def test_a_read_cut_short_refuses_a_table_that_changed(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Counting rows means nothing once the table's parts are others."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", max_block_size=100)
    (first,) = read(source, limit=1)
    run("OPTIMIZE TABLE plays FINAL")
    with pytest.raises(ConfigurationError, match="full refresh"):
        read(source, first.cursor)
