"""PostgreSQL's tables: what is stored how, and what a user made stays."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from airflow_provider_spotify.core.clients.postgres_copy import copy_arrow
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sinks.postgres import PostgresSink
from airflow_provider_spotify.core.testing.loads import batch, load, rows_of, spec
from tests.core.sinks.postgres_acme import acme, inside

pytestmark = pytest.mark.service("postgres")
sink = pytest.fixture(acme)
server = pytest.fixture(inside)


def test_a_nul_is_rejected_with_its_column(sink: PostgresSink) -> None:
    """Rows with a NUL in text, in a dictionary or deep inside JSON are rejected, others stay."""
    rows = batch(
        id=[1, 2, 3, 4],
        said=["a", "b\0", None, "d"],
        deep=[{"x": ["y"]}, {"x": ["y"]}, {"x": ["z\0"]}, {"x": ["\\u0000"]}],
    )
    load(sink, spec(sink), [rows])
    assert {row["id"] for row in rows_of(sink, "plays")} == {1, 4}
    (records,) = sink.rejected("plays")
    assert records.column("column_name").to_pylist() == ["said", "deep"]
    assert records.column("stage").to_pylist() == ["destination"] * 2
    assert json.loads(records.column("record")[1].as_py())["deep"] == {"x": ["z\0"]}


def test_numbers_that_json_does_not_have_are_text(sink: PostgresSink) -> None:
    """NaN and infinity inside a nested value are stored under their names."""
    deep = [{"v": [float("nan"), float("-inf"), 1.5], "s": "NaN and Infinity"}]
    load(sink, spec(sink), [batch(deep=deep)])
    (row,) = rows_of(sink, "plays")
    assert json.loads(row["deep"]) == {"v": ["NaN", "-Infinity", 1.5], "s": "NaN and Infinity"}


def test_nested_columns_are_jsonb(sink: PostgresSink) -> None:
    """A nested value can be asked with the operators of jsonb."""
    load(sink, spec(sink), [batch(s=[{"a": {"b": 5}}])])
    assert sink.query("SELECT (s->'a'->>'b')::int AS b FROM plays").to_pylist() == [{"b": 5}]


def test_a_view_on_a_replaced_table_goes_on(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """A table with a view, an index or a trigger is refilled instead of swapped."""
    load(sink, spec(sink, mode="replace", run="1"), [batch(id=[1], old=["x"])])
    server.execute(b"CREATE VIEW seen AS SELECT id FROM plays")
    load(sink, spec(sink, mode="replace", run="2"), [batch(id=[2], new=[1])])
    assert server.execute(b"SELECT id FROM seen").fetchall() == [(2,)]
    assert rows_of(sink, "plays") == [{"id": 2, "old": None, "new": 1}]


def test_grants_on_a_replaced_table_stay(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """Who may read a table may still read the one that is swapped in."""
    load(sink, spec(sink, mode="replace", run="1"), [batch(id=[1])])
    server.execute(b"GRANT SELECT ON plays TO PUBLIC")
    oid = server.execute(b"SELECT 'plays'::regclass::oid").fetchall()
    load(sink, spec(sink, mode="replace", run="2"), [batch(id=[2])])
    assert server.execute(b"SELECT 'plays'::regclass::oid").fetchall() != oid
    (granted,) = server.execute(b"SELECT relacl::text FROM pg_class WHERE relname = 'plays'")
    assert "=r/" in granted[0]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_table_that_the_user_made_keeps_its_types(
    sink: PostgresSink, server: psycopg.Connection[Any], mode: str
) -> None:
    """Types that this package never creates are filled from text."""
    server.execute(
        b"CREATE TABLE plays (id uuid, at timestamptz(0), j json, n numeric, v varchar(3), "
        b"_load_id bigint)"
    )
    key = "7b1c0000-0000-4000-8000-000000000001"
    for said in ("abc", "xyz"):
        rows = batch(id=[key], at=["2026-01-01T12:00:00Z"], j=['{"a": 1}'], n=[5], v=[said])
        load(sink, spec(sink, mode=mode, run=said), [rows] * (1 if said == "abc" else 2))
    found = sink.query("SELECT id::text, at::text, j->>'a' AS a, n, v FROM plays ORDER BY v")
    assert found.num_rows == (2 if mode == "append" else 1)
    assert found.to_pylist()[-1]["v"] == "xyz"
    assert found.to_pylist()[-1]["id"] == key
    with pytest.raises(DataError, match="too long"):
        load(sink, spec(sink, mode=mode, run="long"), [rows] * 2 + [batch(id=[key], v=["abcd"])])


def test_no_index_no_merge_scans_twice(sink: PostgresSink, server: psycopg.Connection[Any]) -> None:
    """A merged table has an index on its key."""
    load(sink, spec(sink, mode="merge"), [batch(id=[1], v=[1])])
    (found,) = server.execute(b"SELECT indexdef FROM pg_indexes WHERE tablename = 'plays'")
    assert found[0].endswith("(id)")


def test_query_gives_types_also_without_rows(sink: PostgresSink) -> None:
    """The columns of an empty result have the types of a full one."""
    sql = (
        "SELECT 1::bigint AS a, 1.5::numeric(5,2) AS b, 'x'::text AS c, now() AS d, true AS e, "
        "'1 day'::interval AS f, '{\"k\": 1}'::jsonb AS g, 1.5::float8 AS h, '\\x00'::bytea AS i, "
        "date '2026-01-01' AS j, ARRAY[1, 2] AS k, time '12:00' AS l"
    )
    full, empty = sink.query(sql), sink.query(f"{sql} WHERE false")
    kinds = {field.name: field.type for field in full.schema}
    assert {n: t for n, t in kinds.items() if n not in "bk"} == {
        f.name: f.type for f in empty.schema if f.name not in "bk"
    }
    assert full.column("f").to_pylist() == [timedelta(days=1)]
    assert full.column("k").to_pylist() == [[1, 2]]


@pytest.mark.parametrize("as_text", [False, True])
def test_copy_as_text_stores_what_binary_does(
    server: psycopg.Connection[Any], as_text: bool
) -> None:
    """The fallback writes the same values as the fast way."""
    rows = batch(
        a=pa.array([1, None]),
        b=pa.array(['né "\n,', ""]),
        c=pa.array([b"\x00\xff", None]),
        d=pa.array([1_700_000_000_000_001, None], pa.timestamp("us", "UTC")),
        e=pa.array([1.5, float("nan")]),
        f=pa.array([timedelta(days=1, microseconds=3), None], pa.duration("us")),
        g=pa.array([True, None]),
    )
    server.execute(
        b"CREATE TABLE t (a bigint, b text, c bytea, d timestamptz, e float8, f interval, g bool)"
    )
    copy_arrow(server, into="t (a, b, c, d, e, f, g)", batches=[rows], as_text=as_text)
    first, second = server.execute(b"SELECT * FROM t ORDER BY a").fetchall()
    expected = rows.to_pylist()[0]
    assert first == tuple(expected.values())
    assert second[:4] == (None, "", None, None)
    assert str(second[4]) == "nan"
