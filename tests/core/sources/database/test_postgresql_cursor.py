"""Reading PostgreSQL from a cursor column on: where it cuts, what comes again, what is refused."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.database.plays import PLAYS, Make, Run, rows


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamp", "timestamp '2026-01-01' + (i / 9) * interval '1 hour'"),
        ("date", "date '2026-01-01' + i / 9"),
        ("int2", "i / 9"),
        ("numeric", "(i / 9) * 1.10 + (i % 2) * 0.000"),
        ("text", "'k''' || lpad((i / 9)::text, 5, '0')"),
        ("uuid", "md5((i / 9)::text)::uuid"),
    ],
)
def test_any_sortable_type_can_be_the_cursor(make: Make, run: Run, kind: str, values: str) -> None:
    """Cuts never part rows of one value, so that resuming after any cut gives the rest."""
    run(f"CREATE TABLE t (id int, k {kind})")
    run(f"INSERT INTO t SELECT i, {values} FROM generate_series(1, 200) i")
    source = make(table="t", cursor={"column": "k"}, batch_size=11)
    chunks = read(source)
    assert len(chunks) > 5
    for position, chunk in enumerate(chunks):
        rest = [row["id"] for row in rows(read(source, json.loads(json.dumps(chunk.cursor))))]
        assert sorted(rest) == sorted(row["id"] for row in rows(chunks[position + 1 :]))


def test_rows_without_a_cursor_value_come_once_at_the_end(make: Make, run: Run) -> None:
    """NULL and infinity are read at the end of the first read, also when it was cut short."""
    run("CREATE TABLE t (id int, at timestamptz)")
    run(
        "INSERT INTO t SELECT i, CASE WHEN i % 5 = 0 THEN NULL WHEN i = 7 THEN 'infinity' "
        "ELSE timestamptz '2026-01-01' + i * interval '1h' END FROM generate_series(1, 50) i"
    )
    source = make(table="t", cursor={"column": "at"}, batch_size=10)
    chunks = read(source)
    assert sorted(row["id"] for row in rows(chunks)) == list(range(1, 51))
    assert {row["id"] for row in rows(chunks[-1:])} >= {5, 50, 7}
    resumed = rows(read(source, chunks[1].cursor))
    assert sorted(row["id"] for row in resumed) == sorted(r["id"] for r in rows(chunks[2:]))
    assert read(source, chunks[-1].cursor) == []


def test_a_table_of_nulls_is_read_once(make: Make, run: Run) -> None:
    """Where no row has a cursor value, all come once; the first value then is new."""
    run("CREATE TABLE t (id int, at date);\nINSERT INTO t VALUES (1), (2)")
    source = make(table="t", cursor={"column": "at"})
    (chunk,) = read(source)
    assert read(source, chunk.cursor) == []
    run("INSERT INTO t VALUES (3, '2026-01-01')")
    assert [row["id"] for row in rows(read(source, chunk.cursor))] == [3]


@pytest.mark.parametrize(
    ("column", "lookback", "again"), [("at", "2h", [8, 9, 10]), ("id", 3, [8, 9, 10])]
)
def test_lookback_reads_again_what_may_have_come_late(
    make: Make,
    run: Run,
    column: str,
    lookback: str | int,
    again: list[int],
) -> None:
    """A new read goes back by the lookback; a read cut short does not."""
    run("CREATE TABLE t (id int, at timestamp)")
    run(
        "INSERT INTO t SELECT i, timestamp '2026-01-01' + i * interval '1h' "
        "FROM generate_series(1, 10) i"
    )
    source = make(table="t", cursor={"column": column, "lookback": lookback}, batch_size=4)
    chunks = read(source)
    found = [row["id"] for row in rows(read(source, chunks[-1].cursor))]
    assert found == again[-len(found) :]
    assert len(found) in (2, 3)
    assert rows(read(source, chunks[0].cursor)) == rows(chunks[1:])


@pytest.mark.parametrize(
    ("cursor", "says"),
    [
        ({"column": "track", "lookback": 5}, "lookback must be none"),
        ({"column": "id", "lookback": "1h"}, "a number of steps"),
        ({"column": "played_at", "lookback": 5}, "a duration"),
    ],
)
def test_a_lookback_must_suit_its_column(
    make: Make,
    run: Run,
    cursor: dict[str, Any],
    says: str,
) -> None:
    """A lookback that cannot be subtracted is a mistake in the configuration."""
    run(PLAYS)
    source = make(table="plays", cursor=cursor)
    last = read(source)[-1].cursor
    with pytest.raises(ConfigurationError, match=says):
        read(source, last)


def test_the_cursor_of_another_column_is_refused(make: Make, run: Run) -> None:
    """Going by another column than before needs a full refresh."""
    run(PLAYS)
    last = read(make(table="plays", cursor={"column": "id"}))[-1].cursor
    with pytest.raises(ConfigurationError, match=r"of column id \(int8\).*full refresh"):
        read(make(table="plays", cursor={"column": "played_at"}), last)


def test_windows(make: Make, run: Run) -> None:
    """A window gives start included to end excluded, whatever the cursor; it needs a time."""
    run(PLAYS)
    start = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    window = Window(start=start, end=start + timedelta(seconds=2))
    source = make(table="plays", cursor={"column": "played_at"})
    last = read(source)[-1].cursor

    async def ids(source: PostgresqlSource) -> list[int]:
        return [r["id"] async for c in source.read(last, window) for r in c.batch.to_pylist()]

    assert asyncio.run(ids(source)) == list(range(70, 84))
    assert asyncio.run(source.is_ready(last, window)) is True
    for cursor in (None, {"column": "id"}):
        with pytest.raises(ConfigurationError, match="window needs"):
            asyncio.run(ids(make(table="plays", cursor=cursor)))
