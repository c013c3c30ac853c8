"""PostgreSQL read in parts: by ranges of a key, by pages, and while the table changes."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor
from airflow_provider_spotify.core.sources.database.postgresql import (
    PostgresqlConfig,
    PostgresqlSource,
)
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.database.plays import PLAYS, Make, Run, rows


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "i * 3"),
        ("date", "date '2026-01-01' + i"),
        ("timestamptz", "timestamptz '2026-01-01' + i * interval '7 minutes'"),
    ],
)
def test_partitions_lose_and_double_nothing(make: Make, run: Run, kind: str, value: str) -> None:
    """Ranges of any such key, with NULLs among them, give each row once; several give some."""
    run(f"CREATE TABLE t (id int, k {kind})")
    run(
        f"INSERT INTO t SELECT i, CASE WHEN i % 10 = 0 THEN NULL ELSE {value} END "
        "FROM generate_series(1, 100) i"
    )
    parts = asyncio.run(make(table="t", partition={"column": "k"}).partitions(4))
    found = [[row["id"] for row in rows(read(part))] for part in parts]
    assert len(found) == 4
    assert all(found)
    assert sorted(id for part in found for id in part) == list(range(1, 101))


def test_partitions_stay_inside_given_bounds(make: Make, run: Run) -> None:
    """Bounds in the configuration hold for the partitions together."""
    run(PLAYS)
    source = make(table="plays", partition={"column": "id", "lower": 100, "upper": 200})
    parts = asyncio.run(source.partitions(3))
    assert sorted(r["id"] for p in parts for r in rows(read(p))) == list(range(100, 200))


def test_a_text_key_cannot_be_cut(make: Make, run: Run) -> None:
    """A partition column that has no ranges says which would."""
    run(PLAYS)
    with pytest.raises(ConfigurationError, match="integers, dates or timestamps"):
        asyncio.run(make(table="plays", partition={"column": "track"}).partitions(2))


# ── by pages ─────────────────────────────────────────────────────────────────────────────────

WIDE = "CREATE TABLE t (name text, at timestamptz, pad text)"
FILL = (
    "INSERT INTO t SELECT 'n' || i, timestamptz '2026-01-01' + i * interval '1 min', "
    "repeat('x', 200) FROM generate_series(1, 2000) i"
)


def names(source: PostgresqlSource, since: Cursor | None = None) -> list[str]:
    return [row["name"] for row in rows(read(source, since))]


def test_a_table_without_a_key_is_cut_by_its_pages(make: Make, run: Run) -> None:
    """Where no key can be cut, parts are ranges of pages, and give each row once."""
    run(f"{WIDE};\n{FILL}")
    parts = asyncio.run(make(table="t").partitions(4))
    assert [part.config.partition.by for part in parts if part.config.partition] == ["ctid"] * 4
    found = [names(part) for part in parts]
    assert all(len(part) > 300 for part in found)
    assert sorted(name for part in found for name in part) == sorted(names(make(table="t")))


@pytest.mark.parametrize("kind", ["PARTITION BY HASH (name)", "materialized"])
def test_other_relations_with_pages_are_cut_too(make: Make, run: Run, kind: str) -> None:
    """A partitioned table is cut in each of its partitions; a materialized view is a table."""
    if kind == "materialized":
        run(f"{WIDE};\n{FILL};\nCREATE MATERIALIZED VIEW v AS SELECT * FROM t")
    else:
        run(f"{WIDE.replace('TABLE t', 'TABLE v')} {kind}")
        for number in range(3):
            values = f"WITH (MODULUS 3, REMAINDER {number})"
            run(f"CREATE TABLE v{number} PARTITION OF v FOR VALUES {values}")
        run(FILL.replace("INTO t", "INTO v"))
    parts = asyncio.run(make(table="v", partition={"by": "ctid"}).partitions(3))
    assert len(parts) == 3
    found = [name for part in parts for name in names(part)]
    assert sorted(found) == sorted(names(make(table="v")))
    assert len(found) == 2000


def test_pages_are_refused_where_there_are_none(make: Make, run: Run) -> None:
    """A view and a query have no pages, and a range of pages is not cut again."""
    run(f"{WIDE};\n{FILL};\nCREATE VIEW v AS SELECT * FROM t")
    for what in ({"table": "v"}, {"query": "SELECT * FROM t"}):
        with pytest.raises(ConfigurationError, match="has no pages"):
            asyncio.run(make(**what, partition={"by": "ctid"}).partitions(2))
        assert len(asyncio.run(make(**what).partitions(2))) == 1
        assert len(asyncio.run(make(**what, cursor={"column": "at"}).partitions(2))) == 2
    part = asyncio.run(make(table="t", partition={"by": "ctid"}).partitions(2))[1]
    with pytest.raises(ConfigurationError, match="cannot be cut again"):
        asyncio.run(part.partitions(2))


@pytest.mark.parametrize(
    "partition", [{"by": "ctid", "column": "id"}, {"lower": 1}, {"by": "page"}]
)
def test_a_partition_of_two_kinds_is_a_mistake(partition: dict[str, Any]) -> None:
    """Pages have no column, and bounds need one."""
    with pytest.raises(ValueError, match=r"partition"):
        PostgresqlConfig(table="t", partition=partition)


# ── while the table changes ──────────────────────────────────────────────────────────────────

LIVELY = """
    CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz, v int, pad text);
    INSERT INTO t SELECT i, CASE WHEN i % 50 = 0 THEN NULL WHEN i % 61 = 0 THEN 'infinity' ELSE
    timestamptz '2026-01-01' + (i / 3) * interval '1 second' END, 0, repeat('x', 150)
    FROM generate_series(1, 3000) i
"""
MEANWHILE = """
    INSERT INTO t SELECT i, timestamptz '2026-02-01' + i * interval '1 second', 1, 'new'
    FROM generate_series(5001, 5200) i;
    UPDATE t SET at = timestamptz '2026-03-01' + id * interval '1 second', v = 1 WHERE id % 7 = 0;
    INSERT INTO t SELECT i, timestamptz '2026-01-31', 2, 'late' FROM generate_series(9001, 9003) i
"""


@pytest.mark.parametrize("by", [{"by": "ctid"}, {"column": "id"}, {"column": "at"}, None])
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_that_change_between_planning_and_reading_come_exactly_once(
    make: Make, run: Run, by: dict[str, Any] | None, seed: int
) -> None:
    """The parts, in any order, and the next incremental run together give every row once.

    That holds by key and final state: also where a value is NULL or infinite, for rows that were
    inserted, and for rows that were updated onto another page or into another range.
    """
    run(LIVELY)
    config = {"table": "t", "cursor": {"column": "at"}, "batch_size": 100, "partition": by}
    whole = make(**config)
    parts = asyncio.run(whole.partitions(4))
    assert len(parts) == 4
    order = random.Random(seed).sample(range(4), 4)
    chunks = {}
    for step, number in enumerate(order):
        if step == 2:
            run(MEANWHILE)
        chunks[number] = read(parts[number])
    first = [row for number in order for row in rows(chunks[number])]
    assert max(row["id"] for row in first) <= 3000
    ends = [chunks[n][-1].cursor if chunks[n] else None for n in range(4)]
    second = rows(read(whole, whole.joined(ends)))
    assert len({row["id"] for row in second}) == len(second)
    moved = {row["id"] for row in second}
    kept = [row["id"] for row in first if row["id"] not in moved]
    assert len(set(kept)) == len(kept)
    final = {row["id"]: row["v"] for row in [*first, *second]}
    assert final == {row["id"]: row["v"] for row in rows(read(make(table="t")))}


def test_a_later_incremental_read_is_cut_from_its_cursor_on(make: Make, run: Run) -> None:
    """Each part begins at the cursor, also with a lookback; what is joined goes on behind all."""
    run(LIVELY)
    source = make(table="t", cursor={"column": "at", "lookback": "10s"})
    since = read(source)[-1].cursor
    run(MEANWHILE.split(";\n")[0])
    parts = asyncio.run(source.partitions(3, since))
    found = [read(part, since) for part in parts]
    ids = [row["id"] for chunks in found for row in rows(chunks)]
    assert len(set(ids)) == len(ids)
    assert set(range(5001, 5201)) < set(ids)
    assert len(ids) < 250, "only the lookback comes again"
    ends = [chunks[-1].cursor if chunks else None for chunks in found]
    joined = source.joined(ends)
    assert joined is not None
    assert {row["id"] for row in rows(read(source, joined))} <= set(range(5191, 5201))


def test_a_part_is_the_same_after_a_round_trip_through_json(make: Make, run: Run) -> None:
    """The bounds of a part, its cursor's too, are in its configuration."""
    run(LIVELY)
    for part in asyncio.run(make(table="t", cursor={"column": "at"}).partitions(2)):
        config = PostgresqlConfig.model_validate_json(part.config.model_dump_json())
        assert config == part.config
        assert config.cursor is not None
        assert str(config.cursor.upto).startswith("2026-01-01 00:16:39")


def test_parts_without_rows_join_to_what_the_others_say(make: Make, run: Run) -> None:
    """None stands for no rows; all None means that nothing was there."""
    run(LIVELY)
    source = make(table="t", cursor={"column": "id"})
    parts = asyncio.run(source.partitions(2))
    cursor = read(parts[1])[-1].cursor
    assert source.joined([None, cursor, None]) == cursor
    assert source.joined([None, None]) is None
    assert read(source, source.joined([None, cursor])) == []
    whole = make(table="t")
    counted = [read(part)[-1].cursor for part in asyncio.run(whole.partitions(2))]
    assert whole.joined(counted) == {"rows": 3000, "more": False}


def test_only_rows_without_a_value_are_not_cut(make: Make, run: Run) -> None:
    """Without a greatest value there is no bound for parts, so the whole is read at once."""
    run("CREATE TABLE t (id int PRIMARY KEY, at date);\nINSERT INTO t VALUES (1), (2), (3)")
    source = make(table="t", cursor={"column": "at"})
    (part,) = asyncio.run(source.partitions(3))
    assert part.config == source.config
