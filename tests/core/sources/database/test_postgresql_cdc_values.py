"""What the changes of a PostgreSQL table hold: types, large values, identities, new columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sources.database._postgresql_changes import META
from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.database.plays import Database, Make, Run, folded, rows
from tests.core.sources.database.test_postgresql_types import TYPES, typed

__all__ = ["typed"]
ODD = [
    ("date", "'infinity'"),
    ("date", "'0044-03-15 BC'"),
    ("timestamptz", "'-infinity'"),
    ("timestamp", "'12345-01-01 00:00:00.5'"),
    ("time", "'24:00:00'"),
    ("float8", "'-Infinity'"),
    ("float4", "'1e-30'"),
    ("bytea", "''"),
    ("text", "'{\"a\\,b\"}'"),
    ("text[]", """'{"a\\"b","",NULL,"NULL","c\\\\d"}'"""),
    ("char(3)[]", "'{a}'"),
    ("bit varying(5)", "B'101'"),
    ("int8range", "'[1,5)'"),
    ("timestamptz", "'1800-01-01 00:00:00.000001+00'"),
]


def both(
    make: Make, run: Run, columns: list[tuple[str, str]], **config: Any
) -> tuple[list[Any], list[Any]]:
    """Put values into a table while its changes are read; return them, and a read of the table."""
    named = ", ".join(f"c{i} {kind}" for i, (kind, _) in enumerate(columns))
    run(f"CREATE TABLE t (id int PRIMARY KEY, {named})")
    changes = make(table="t", mode="cdc", cdc={"snapshot": "never"}, **config)
    read(changes)
    values = ", ".join(f"{value}::{kind}" for kind, value in columns)
    run(f"INSERT INTO t VALUES (1, {values});\nINSERT INTO t (id) VALUES (2)")
    return read(changes), read(make(table="t", **config))


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("numeric", ["text", "double", "decimal(38,20)"])
def test_a_change_has_the_values_and_types_of_the_table(make: Make, run: Run, numeric: str) -> None:
    """Whatever the type, a change holds what reading the row from the table gives."""
    columns = [(kind, value) for kind, value, *_ in TYPES if kind != "numeric(50,2)"] + ODD
    (change,), (table,) = both(make, run, columns, numeric=numeric)
    names = table.batch.schema.names
    assert change.rejected is None
    assert change.batch.select(names).schema == table.batch.schema
    assert change.batch.select(names).equals(table.batch)
    assert change.batch.schema.names == [*names, *META.names]


def test_what_a_table_read_rejects_is_rejected_of_a_change(make: Make, run: Run) -> None:
    """A NaN in a decimal and an array of two dimensions are rejected with all that is known."""
    kinds = [("numeric(8,2)", "'NaN'"), ("int[]", "'{{1,2},{3,4}}'")]
    (change,), (table,) = both(make, run, kinds)
    assert change.rejected is not None
    assert [row["id"] for row in rows([change])] == [row["id"] for row in rows([table])] == [2]
    (refused,) = change.rejected.to_pylist()
    record = json.loads(refused["record"])
    assert (record["id"], record["_op"]) == (1, "insert")


# ── large values that an update leaves out ───────────────────────────────────────────────────

LARGE = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i)"
"""64 kB that hardly compress, so that they are stored apart from their row."""


@pytest.fixture
def large(make: Make, run: Run) -> tuple[PostgresqlSource, Any]:
    """Give the changes of a table with large values, and where reading stands."""
    run("CREATE TABLE t (a char(4), b timestamptz, v text, n int, PRIMARY KEY (a, b))")
    run(
        f"INSERT INTO t SELECT 'k' || i, '2026-01-01', {LARGE} || i, 0 FROM generate_series(1, 3) i"
    )
    source = make(table="t", mode="cdc", linger="1h")  # what is there comes as one chunk
    return source, read(source)[-1].cursor


def test_an_unchanged_large_value_is_looked_up(
    large: tuple[PostgresqlSource, Any], run: Run
) -> None:
    """It is never null: not for an update of another column, nor for one of the key."""
    source, last = large
    run("UPDATE t SET n = 1 WHERE a = 'k1';\nUPDATE t SET a = 'm' WHERE a = 'k2'")
    run("UPDATE t SET v = NULL WHERE a = 'k3'")
    found = [(r["_op"], r["a"], r["v"] and r["v"][-1]) for r in rows(read(source, last))]
    assert found == [
        ("update", "k1  ", "1"),
        ("delete", "k2  ", None),
        ("insert", "m   ", "2"),
        ("update", "k3  ", None),
    ]


def test_a_large_value_whose_row_is_gone_is_rejected(
    large: tuple[PostgresqlSource, Any], run: Run
) -> None:
    """The update cannot be told any more; the delete that follows is."""
    source, last = large
    run("UPDATE t SET n = 1;\nDELETE FROM t WHERE a = 'k2'")
    (chunk,) = read(source, last)
    assert [(r["_op"], r["a"]) for r in rows([chunk])] == [
        ("update", "k1  "),
        ("update", "k3  "),
        ("delete", "k2  "),
    ]
    assert chunk.rejected is not None
    (refused,) = chunk.rejected.to_pylist()
    assert "REPLICA IDENTITY FULL" in refused["reason"]
    assert json.loads(refused["record"])["n"] == "1"


def test_the_whole_row_is_told_where_the_identity_is_full(make: Make, run: Run) -> None:
    """Nothing is looked up: also what has changed or gone since has its value of then."""
    run("CREATE TABLE t (id int PRIMARY KEY, v text, n int);\nALTER TABLE t REPLICA IDENTITY FULL")
    run(f"INSERT INTO t SELECT i, {LARGE} || i, 0 FROM generate_series(1, 2) i")
    source = make(table="t", mode="cdc")
    last = read(source)[-1].cursor
    run("UPDATE t SET n = 1;\nUPDATE t SET v = 'short' WHERE id = 1;\nDELETE FROM t WHERE id = 2")
    found = [(r["_op"], r["id"], r["v"][-5:], r["n"]) for r in rows(read(source, last))]
    assert [(op, id, v[-1], n) for op, id, v, n in found] == [
        ("update", 1, "1", 1),
        ("update", 2, "2", 1),
        ("update", 1, "t", 1),
        ("delete", 2, "2", 1),
    ]


# ── identities ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("identity", ["no key", "NOTHING"])
def test_a_table_without_identity_is_not_published(
    make: Make, run: Run, database: Database, identity: str
) -> None:
    """Publishing it would break its own updates, so it is refused before, and told what to do."""
    run(
        "CREATE TABLE t (id int)" if identity == "no key" else "CREATE TABLE t (id int PRIMARY KEY)"
    )
    if identity != "no key":
        run("ALTER TABLE t REPLICA IDENTITY NOTHING")
    run("INSERT INTO t VALUES (1)")
    with pytest.raises(ConfigurationError, match="REPLICA IDENTITY FULL"):
        read(make(table="t", mode="cdc"))
    run("UPDATE t SET id = 2")
    assert database[1].execute(b"SELECT count(*) FROM pg_publication").fetchone() == (0,)


def test_an_index_can_be_the_identity(make: Make, run: Run) -> None:
    """Deletes then hold the columns of that index, and an update of them is two changes."""
    run("CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, v int)")
    run("ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key;\nINSERT INTO t VALUES (1, 'a', 0)")
    source = make(table="t", mode="cdc")
    last = read(source)[-1].cursor
    run("UPDATE t SET code = 'b';\nUPDATE t SET id = 2;\nDELETE FROM t")
    assert [(row["_op"], row["id"], row["code"]) for row in rows(read(source, last))] == [
        ("delete", None, "a"),
        ("insert", 1, "b"),
        ("update", 2, "b"),
        ("delete", None, "b"),
    ]


def test_without_a_key_the_whole_row_is_its_identity(make: Make, run: Run) -> None:
    """Any update is a delete and an insert, so any columns can be merged by."""
    run("CREATE TABLE t (id int, v text);\nALTER TABLE t REPLICA IDENTITY FULL")
    run("INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    source = make(table="t", mode="cdc")
    first = read(source)
    run("UPDATE t SET v = 'b' WHERE id = 1;\nUPDATE t SET id = 3 WHERE id = 2")
    second = read(source, first[-1].cursor)
    assert [row["_op"] for row in rows(second)] == ["delete", "insert"] * 2
    assert folded([*first, *second]) == {1: "b", 3: None}


# ── a table that changes its shape ───────────────────────────────────────────────────────────


def test_columns_that_come_and_go_are_followed(make: Make, run: Run) -> None:
    """Each change has the columns and types that the table had when it was made."""
    run("CREATE TABLE t (id int PRIMARY KEY, v text);\nINSERT INTO t VALUES (1, 'a')")
    source = make(table="t", mode="cdc")
    last = read(source)[-1].cursor
    run("INSERT INTO t VALUES (2, 'b')")
    run("ALTER TABLE t ADD COLUMN w numeric(6,2) DEFAULT 1;\nINSERT INTO t VALUES (3, 'c', 2.5)")
    run("ALTER TABLE t DROP COLUMN v;\nUPDATE t SET w = 3 WHERE id = 1")
    run("ALTER TABLE t ALTER COLUMN w TYPE text;\nINSERT INTO t VALUES (4, 'w')")
    run("ALTER TABLE t RENAME COLUMN w TO x;\nDELETE FROM t WHERE id = 4")
    chunks = read(source, last)
    kept = len(META.names)
    shapes = [[f"{f.name} {f.type}" for f in list(chunk.batch.schema)[:-kept]] for chunk in chunks]
    assert shapes == [
        ["id int32", "v string"],
        ["id int32", "v string", "w decimal128(6, 2)"],
        ["id int32", "w decimal128(6, 2)"],
        ["id int32", "w string"],
        ["id int32", "x string"],
    ]
    for position in range(len(chunks) - 1):
        assert rows(read(source, chunks[position].cursor)) == rows(chunks[position + 1 :])


def test_a_type_that_is_gone_is_said(make: Make, run: Run) -> None:
    """Values of an enum that was dropped since cannot be read; the message says what then."""
    run("CREATE TYPE mood AS ENUM ('fine');\nCREATE TABLE t (id int PRIMARY KEY, v mood)")
    source = make(table="t", mode="cdc", cdc={"snapshot": "never"})
    read(source)
    run("INSERT INTO t VALUES (1, 'fine');\nALTER TABLE t DROP COLUMN v;\nDROP TYPE mood")
    with pytest.raises(ConfigurationError, match=r"type of column v was dropped.*full refresh"):
        read(source)
