"""The changes of a PostgreSQL table: the suite of streams, the snapshot, and what changes say."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.database._postgresql_changes import META
from airflow_provider_spotify.core.sources.database.postgresql import (
    PostgresqlConfig,
    PostgresqlSource,
)
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.core.sources.database.plays import PLAYS, Database, Make, Run, folded, rows

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"


class TestChanges(StreamConformance):
    """A thousand changes, in transactions of one row and of many, that a slot has kept."""

    expected_rows = 1000

    @pytest.fixture(autouse=True)
    def _changed(self, database: Database, run: Run) -> None:
        self.credentials, self.connection = database
        run("CREATE TABLE plays (id bigint PRIMARY KEY, track text);\nCREATE TABLE none (id int)")
        run("ALTER TABLE none REPLICA IDENTITY FULL")
        assert read(self._source("plays")) == []  # makes the slots
        assert read(self._source("none")) == []
        run("INSERT INTO plays SELECT i, 't' || i FROM generate_series(1, 500) i")
        for number in range(1, 101):
            run(f"UPDATE plays SET track = 'new' WHERE id = {number}")
        run("DELETE FROM plays WHERE id > 200")
        run("UPDATE plays SET id = -id WHERE id <= 50")

    def _source(self, table: str, credentials: Credentials | None = None) -> PostgresqlSource:
        config: dict[str, Any] = {"table": table, "mode": "cdc", "batch_size": 60}
        checked = PostgresqlConfig(**config, cdc={"snapshot": "never"})
        return PostgresqlSource(checked, credentials=credentials or self.credentials)

    def make_source(self) -> PostgresqlSource:
        return self._source("plays")

    def make_empty(self) -> PostgresqlSource:
        return self._source("none")

    def make_bad_credentials(self) -> PostgresqlSource:
        values = self.credentials.model_dump() | {"password": "wrong-but-unmistakable"}
        return self._source("plays", Credentials(**values))

    def add_more(self) -> int:
        self.connection.execute(b"INSERT INTO plays SELECT generate_series(2001, 2003)")
        return 3


# ── the snapshot, and what follows it ────────────────────────────────────────────────────────


@pytest.fixture
def changes(make: Make, run: Run) -> PostgresqlSource:
    """Give the changes of a table with ten rows."""
    run(f"{TABLE};\nINSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 10) i")
    return make(table="t", mode="cdc", batch_size=4)


def test_the_rows_come_first_and_then_every_change_once(
    changes: PostgresqlSource, run: Run
) -> None:
    """The snapshot is of the moment the slot begins; a change is in one of them, never in both."""
    first = read(changes)
    assert [row["_op"] for row in rows(first)] == ["snapshot"] * 10
    assert len(first) == 3
    run("INSERT INTO t VALUES (11, 'v11')")
    run("UPDATE t SET v = 'changed' WHERE id = 2")
    run("DELETE FROM t WHERE id = 3")
    second = rows(read(changes, first[-1].cursor))
    said = [(row["_op"], row["id"], row["v"], row["_deleted"]) for row in second]
    assert said == [
        ("insert", 11, "v11", False),
        ("update", 2, "changed", False),
        ("delete", 3, None, True),
    ]
    order = [(row["_lsn"], row["_index"]) for row in [*rows(first), *second]]
    assert order == sorted(order)
    assert len(set(order)) == 13
    xids = {row["_xid"] for row in second}
    assert len(xids) == 3
    for row in second:
        assert abs((datetime.now(UTC) - row["_commit_time"]).total_seconds()) < 60


async def test_nothing_is_missed_or_doubled_while_the_snapshot_is_read(
    changes: PostgresqlSource, run: Run
) -> None:
    """What commits while the rows are still being read comes as a change, and only as that."""
    found: list[Chunk] = []
    async with aclosing(changes.read(None)) as stream:  # type: ignore[type-var]
        async for chunk in stream:
            if not found:
                run("INSERT INTO t VALUES (11, 'late');\nDELETE FROM t WHERE id = 9")
            found.append(chunk)
    assert sorted(row["id"] for row in rows(found)) == list(range(1, 11))
    later = rows([*found, *await asyncio.to_thread(read, changes, found[-1].cursor)])
    assert [(r["_op"], r["id"]) for r in later[10:]] == [("insert", 11), ("delete", 9)]


def test_a_snapshot_that_was_cut_short_goes_on_and_ends_right(
    changes: PostgresqlSource, run: Run
) -> None:
    """Resumed behind any chunk, rows may come again with their changes; by key it ends right."""
    first = read(changes)
    run("UPDATE t SET v = 'moved' WHERE id IN (1, 10);\nDELETE FROM t WHERE id = 8")
    run("INSERT INTO t VALUES (12, 'new')")
    wanted = {row["id"]: row["v"] for row in rows(read(changes.narrowed(mode="table")))}
    for position in range(3):
        since = json.loads(json.dumps(first[position].cursor))
        rest = read(changes, since)
        while again := read(changes, rest[-1].cursor):
            rest += again
        assert folded([*first[: position + 1], *rest]) == wanted
        assert asyncio.run(changes.is_ready(since)) is True


def test_a_partitioned_table_is_one_table(make: Make, run: Run) -> None:
    """Rows and changes of every partition come under the name of the whole, also resumed."""
    run("CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)")
    run("CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (50)")
    run("CREATE TABLE high PARTITION OF t FOR VALUES FROM (50) TO (100)")
    run("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 99) i")
    source = make(table="t", mode="cdc", batch_size=20)
    first = read(source)
    for position in range(len(first) - 1):
        rest = rows(read(source, first[position].cursor))
        assert [row["id"] for row in rest] == [row["id"] for row in rows(first[position + 1 :])]
    run("UPDATE t SET id = 1000 - 910 - id + 100 WHERE id = 95")  # 95 becomes 95: nothing moves
    run("UPDATE t SET v = 'x' WHERE id IN (2, 98)")
    found = rows(read(source, first[-1].cursor))
    assert sorted(row["id"] for row in found) == [2, 95, 98]


def test_an_empty_table_waits_for_its_first_row(make: Make, run: Run) -> None:
    """Without a row there is no cursor, so the first rows come both as rows and as changes."""
    run(TABLE)
    source = make(table="t", mode="cdc")
    assert read(source) == []
    assert asyncio.run(source.is_ready(None)) is False
    run("INSERT INTO t VALUES (1, 'a'), (2, 'b');\nDELETE FROM t WHERE id = 1")
    assert asyncio.run(source.is_ready(None)) is True
    found = read(source)
    assert [row["_op"] for row in rows(found)] == ["snapshot", "insert", "insert", "delete"]
    assert folded(found) == {2: "b"}
    run("DELETE FROM t")
    assert asyncio.run(source.is_ready(None)) is True, "a first load that is run again"


def test_only_the_columns_that_are_asked_for_come(make: Make, run: Run) -> None:
    """``columns`` holds for rows and changes; generated columns have no changes and are refused."""
    run("CREATE TABLE t (id int PRIMARY KEY, a text, b text, g int GENERATED ALWAYS AS (1) STORED)")
    run("INSERT INTO t VALUES (1, 'a', 'b')")
    source = make(table="t", mode="cdc", columns=["b", "id"])
    first = read(source)
    run("UPDATE t SET b = 'c'")
    second = read(source, first[-1].cursor)
    assert first[0].batch.schema == second[0].batch.schema
    assert first[0].batch.schema.names == ["id", "b", *META.names]
    assert read(make(table="t", mode="cdc"))[0].batch.schema.names[:3] == ["id", "a", "b"]
    with pytest.raises(ConfigurationError, match="publishes no column g"):
        read(make(table="t", mode="cdc", columns=["id", "g"]))


# ── transactions ─────────────────────────────────────────────────────────────────────────────


def test_a_chunk_may_end_within_a_transaction(make: Make, run: Run) -> None:
    """A transaction much larger than a batch is given in order, and resumed from anywhere in it."""
    run(TABLE)
    source = make(table="t", mode="cdc", batch_size=70, cdc={"snapshot": "never"})
    read(source)
    run("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i")
    chunks = read(source)
    assert {chunk.batch.num_rows for chunk in chunks[:-1]} == {70}
    assert [row["_index"] for row in rows(chunks)] == list(range(1000))
    assert len({row["_lsn"] for row in rows(chunks)}) == 1
    for position in (0, 7, 13):
        rest = rows(read(source, chunks[position].cursor))
        assert rest == rows(chunks[position + 1 :])
    source.committed(chunks[7].cursor)
    assert rows(read(source, chunks[7].cursor)) == rows(chunks[8:])


def test_large_values_end_a_batch_early(make: Make, run: Run) -> None:
    """A batch is bounded in bytes too, so memory stays flat whatever the rows hold."""
    run(TABLE)
    source = make(table="t", mode="cdc", cdc={"snapshot": "never"})
    read(source)
    run("INSERT INTO t SELECT i, repeat(md5(i::text), 10000) FROM generate_series(1, 60) i")
    chunks = read(source)
    assert len(chunks) > 3
    assert max(chunk.batch.nbytes for chunk in chunks) < 6 << 20


def test_what_is_rolled_back_never_comes(changes: PostgresqlSource, database: Database) -> None:
    """Only commits are read, in their order, whichever transaction wrote first."""
    last = read(changes)[-1].cursor
    other = database[1]
    with pytest.raises(ZeroDivisionError), other.transaction():
        other.execute(b"INSERT INTO t VALUES (50, 'never')")
        raise ZeroDivisionError
    with other.transaction():
        other.execute(b"INSERT INTO t VALUES (51, 'first written, last committed')")
        from airflow_provider_spotify.core.clients.postgres import connect

        with connect(database[0]) as quick:
            quick.execute(b"INSERT INTO t VALUES (52, 'first committed')")
    assert [row["id"] for row in rows(read(changes, last))] == [52, 51]


def test_a_key_that_changes_is_a_delete_and_an_insert(make: Make, run: Run) -> None:
    """Also where a chunk ends between the two, and where the whole old row is known."""
    for table, full in (("t", False), ("f", True)):
        run(TABLE.replace("TABLE t", f"TABLE {table}"))
        if full:
            run("ALTER TABLE f REPLICA IDENTITY FULL")
        run(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')")
        source = make(table=table, mode="cdc", batch_size=1)
        first = read(source)
        run(f"UPDATE {table} SET id = id + 100, v = v || '!'")
        second = read(source, first[-1].cursor)
        old = ["a", "b"] if full else [None, None]
        assert [(row["_op"], row["id"], row["v"]) for row in rows(second)] == [
            ("delete", 1, old[0]),
            ("insert", 101, "a!"),
            ("delete", 2, old[1]),
            ("insert", 102, "b!"),
        ]
        assert rows(read(source, second[0].cursor)) == rows(second[1:])


def test_a_truncation_stops_the_import_or_comes_as_a_row(make: Make, run: Run) -> None:
    """No key can follow it; the error says to read fully again, which then works."""
    run(f"{TABLE};\nINSERT INTO t VALUES (1, 'a')")
    source = make(table="t", mode="cdc")
    last = read(source)[-1].cursor
    run("INSERT INTO t VALUES (2, 'b');\nTRUNCATE t;\nINSERT INTO t VALUES (3, 'c')")
    assert asyncio.run(source.is_ready(last)) is True
    with pytest.raises(DataError, match=r"public\.t was truncated at .*full refresh"):
        read(source, last)
    told = rows(read(source.narrowed(cdc={"truncate": "row"}), last))
    assert [(r["_op"], r["id"]) for r in told] == [("insert", 2), ("truncate", None), ("insert", 3)]
    again = read(source, limit=1)
    assert [(row["_op"], row["id"]) for row in rows(again)] == [("snapshot", 3)]
    assert [row["id"] for row in rows(read(source, again[-1].cursor))] == [2, 3]


# ── words that do not fit ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"mode": "cdc", "where": "id > 1"}, "take where: away"),
        ({"mode": "cdc", "cursor": {"column": "id"}}, "take cursor: away"),
        ({"mode": "cdc", "partition": {"by": "ctid"}}, "take partition: away"),
        ({"cdc": {"slot": "mine"}}, "needs mode: cdc"),
        ({"until": {"rows": 5}}, "needs mode: cdc"),
        ({"mode": "cdc", "cdc": {"slot": "With Spaces"}}, "slot"),
    ],
)
def test_words_of_the_other_mode_are_mistakes(config: dict[str, Any], says: str) -> None:
    """A key that would do nothing is refused."""
    with pytest.raises(ValidationError, match=says):
        PostgresqlConfig(table="t", **config)
    with pytest.raises(ValidationError, match="take query: away"):
        PostgresqlConfig(query="SELECT 1", mode="cdc")


def test_only_changes_can_be_followed(make: Make, run: Run) -> None:
    """A table ends, and changes have no windows."""
    run(PLAYS)
    with pytest.raises(ConfigurationError, match="mode: cdc"):
        make(table="plays").following()
    window = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(ConfigurationError, match="no window"):
        asyncio.run(make(table="plays", mode="cdc").is_ready(None, window))
    (part,) = asyncio.run(make(table="plays", mode="cdc").partitions(4))
    assert part.config.mode == "cdc"


def test_the_columns_of_a_change_have_fixed_types(changes: PostgresqlSource) -> None:
    """What a row says besides the table's columns has the same types in rows and changes."""
    schema = read(changes)[0].batch.schema
    assert pa.schema([schema.field(name) for name in META.names]) == META
