"""Every common type of PostgreSQL, and what becomes of values that Arrow has none for."""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.database.plays import Make, Run, rows

TYPES: list[tuple[str, str, Any, pa.DataType]] = [
    ("int2", "'-32768'", -32768, pa.int16()),
    ("int4", "2147483647", 2147483647, pa.int32()),
    ("int8", "9223372036854775807", 9223372036854775807, pa.int64()),
    ("oid", "4294967295", 4294967295, pa.int64()),
    ("float4", "1.5", 1.5, pa.float32()),
    ("float8", "0.1", 0.1, pa.float64()),
    ("numeric(10,2)", "'12345678.91'", Decimal("12345678.91"), pa.decimal128(10, 2)),
    (
        "numeric(38,10)",
        "'1234567890123456789012345678.0123456789'",
        Decimal("1234567890123456789012345678.0123456789"),
        pa.decimal128(38, 10),
    ),
    ("numeric(20,15)", "'12345.123456789012345'", Decimal("12345.123456789012345"), None),
    ("numeric(5)", "'-99999'", Decimal(-99999), pa.decimal128(5, 0)),
    ("numeric(50,2)", "'1e40'", f"1{'0' * 40}.00", pa.string()),
    ("numeric", "'0.12345678901234567890'", "0.12345678901234567890", pa.string()),
    ("money", "'1234.56'", "1234.56", pa.string()),
    ("boolean", "true", True, pa.bool_()),
    ("text", "'naïve \U0001f3b5 ''q'' \\'", "naïve \U0001f3b5 'q' \\", pa.string()),
    ("varchar(9)", "''", "", pa.string()),
    ("char(3)", "'a'", "a  ", pa.string()),
    ("bytea", "'\\x00ff'", b"\x00\xff", pa.binary()),
    ("date", "'2024-02-29'", date(2024, 2, 29), pa.date32()),
    ("time", "'12:34:56.789012'", time(12, 34, 56, 789012), pa.time64("us")),
    ("timetz", "'12:00:00+02'", "12:00:00+02", pa.string()),
    (
        "timestamp",
        "'0001-01-01 10:00:00.000001'",
        datetime(1, 1, 1, 10, 0, 0, 1),
        pa.timestamp("us"),
    ),
    (
        "timestamptz",
        "'2024-01-01 10:00:00.123456+02'",
        datetime(2024, 1, 1, 8, 0, 0, 123456, tzinfo=UTC),
        pa.timestamp("us", "UTC"),
    ),
    ("interval", "'1 mon 2 days 03:00:00.5'", "1 mon 2 days 03:00:00.5", pa.string()),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", None, pa.string()),
    ("json", """'{"a": 1.10,  "a": 2}'""", '{"a": 1.10,  "a": 2}', pa.string()),
    ("jsonb", """'{"b": 12345678901234567890.123}'""", None, pa.string()),
    ("mood", "'so so'", "so so", pa.string()),
    ("rating", "5", 5, pa.int32()),
    ("price", "'1.25'", Decimal("1.25"), pa.decimal128(8, 2)),
    ("inet", "'10.0.0.1/8'", "10.0.0.1/8", pa.string()),
    ("cidr", "'10.0.0.0/8'", "10.0.0.0/8", pa.string()),
    ("macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03", pa.string()),
    ("bit(3)", "'101'", "101", pa.string()),
    ("xml", "'<a/>'", "<a/>", pa.string()),
    ("point", "'(1,2)'", "(1,2)", pa.string()),
    ("int4range", "'[1,5)'", "[1,5)", pa.string()),
    ("tsvector", "'a b'", "'a' 'b'", pa.string()),
    ("int4[]", "'{1,NULL,3}'", [1, None, 3], None),
    ("text[]", """'{a,"b,c"}'""", ["a", "b,c"], None),
    ("numeric(10,2)[]", "'{1.10,2.22}'", ["1.10", "2.22"], None),
    ("timestamptz[]", "'{2024-01-01 00:00+00}'", [datetime(2024, 1, 1, tzinfo=UTC)], None),
    ("uuid[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", None, None),
    ("mood[]", "'{so so}'", ["so so"], None),
    ("pair", "(1, 'x')", {"a": 1, "b": "x"}, None),
    ("odd", "(1.5, '{1}')", '{"a":1.5,"b":[1]}', pa.string()),
]


@pytest.fixture
def typed(run: Run) -> None:
    run(
        """CREATE TYPE mood AS ENUM ('so so', 'fine');
        CREATE DOMAIN rating AS int CHECK (value > 0);
        CREATE DOMAIN price AS numeric(8,2);
        CREATE TYPE pair AS (a int, b text);
        CREATE TYPE odd AS (a numeric, b int[])"""
    )
    columns = ", ".join(f"c{i} {kind}" for i, (kind, *_) in enumerate(TYPES))
    values = ", ".join(f"{value}::{kind}" for kind, value, *_ in TYPES)
    run(f"CREATE TABLE typed ({columns});\nINSERT INTO typed VALUES ({values})")


@pytest.mark.usefixtures("typed")
def test_every_type_keeps_its_value(make: Make) -> None:
    """Each type arrives with the value that is in the table, and with the type we promise."""
    (chunk,) = read(make(table="typed"))
    assert chunk.rejected is None
    (row,) = chunk.batch.to_pylist()
    for i, (kind, text, value, arrow) in enumerate(TYPES):
        expected = _expected(kind, text) if value is None else value
        assert row[f"c{i}"] == expected, kind
        if arrow is not None:
            assert chunk.batch.schema.field(f"c{i}").type == arrow, kind


def _expected(kind: str, text: str) -> Any:
    plain = text.strip("'").lower()
    return [plain.strip("{}")] if kind.endswith("[]") else plain


@pytest.mark.usefixtures("typed")
def test_types_do_not_depend_on_the_values(make: Make, run: Run) -> None:
    """Columns that hold only NULL have the same types as those with values."""
    (full,) = read(make(table="typed"))
    run("DELETE FROM typed;\nINSERT INTO typed (c0) VALUES (NULL)")
    (nulls,) = read(make(table="typed"))
    assert nulls.batch.schema == full.batch.schema
    assert set(nulls.batch.to_pylist()[0].values()) == {None}


@pytest.mark.parametrize(
    ("numeric", "value", "kind"),
    [
        ("text", "1.50", pa.string()),
        ("double", 1.5, pa.float64()),
        ("decimal(10,2)", Decimal("1.50"), pa.decimal128(10, 2)),
    ],
)
def test_numeric_without_bounds(make: Make, numeric: str, value: Any, kind: pa.DataType) -> None:
    """``numeric:`` says what a numeric without precision becomes."""
    (chunk,) = read(make(query="SELECT '1.50'::numeric AS n", numeric=numeric))
    assert chunk.batch.to_pylist() == [{"n": value}]
    assert chunk.batch.schema.field("n").type == kind


def test_nan_in_a_decimal_is_rejected(make: Make) -> None:
    """A row whose decimal is NaN is rejected whole; a float keeps its NaN."""
    query = "SELECT i AS id, (CASE i WHEN 1 THEN 2.5 ELSE 'NaN' END)::numeric(4,2) AS n "
    query += "FROM generate_series(1, 2) i"
    (chunk,) = read(make(query=query))
    assert chunk.batch.to_pylist() == [{"id": 1, "n": Decimal("2.50")}]
    assert chunk.rejected is not None
    (refused,) = chunk.rejected.to_pylist()
    assert json.loads(refused["record"]) == {"id": 2, "n": "nan"}
    assert (refused["column_name"], refused["stage"]) == ("n", "source")
    (chunk,) = read(make(query="SELECT 'NaN'::float8 AS f"))
    assert math.isnan(chunk.batch.to_pylist()[0]["f"])


def test_infinity_becomes_null_with_a_warning(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Infinite dates and timestamps arrive as NULL, which the log says; old dates stay."""
    query = """SELECT 'infinity'::timestamptz AS a, '-infinity'::timestamp AS b,
        'infinity'::date AS c, '-infinity'::date AS d, '0044-03-15 BC'::date AS e"""
    with caplog.at_level(logging.WARNING):
        (chunk,) = read(make(query=query))
    assert [chunk.batch.column(name).null_count for name in "abcde"] == [1, 1, 1, 1, 0]
    assert "a holds infinity" in caplog.text


def test_arrays_of_several_dimensions_are_rejected(make: Make) -> None:
    """An array that no list type holds is rejected with its content, its neighbours are read."""
    query = "SELECT * FROM (VALUES (1, '{1,2}'::int[]), (2, '{{1,2},{3,4}}')) AS v (id, a)"
    (chunk,) = read(make(query=query))
    assert chunk.batch.to_pylist() == [{"id": 1, "a": [1, 2]}]
    assert chunk.rejected is not None
    (refused,) = chunk.rejected.to_pylist()
    assert json.loads(refused["record"]) == {"id": 2, "a": "[[1,2],[3,4]]"}


def test_a_rejected_row_may_hold_days_before_year_1(make: Make) -> None:
    """Its record shows them as text, because Python has no such dates."""
    query = "SELECT 'NaN'::numeric(4,2) AS n, '0044-03-15 BC'::date AS d, now() AS t"
    (chunk,) = read(make(query=query))
    assert chunk.rejected is not None
    (refused,) = chunk.rejected.to_pylist()
    assert json.loads(refused["record"])["d"] == "-0043-03-15"


def test_odd_names_are_quoted(make: Make, run: Run) -> None:
    """Schema, table and columns may be any text."""
    run("""CREATE SCHEMA "My ""S";\nCREATE TABLE "My ""S"."Tab 'le" ("Se;lect" int, "ü" int)""")
    run("""INSERT INTO "My ""S"."Tab 'le" VALUES (1, 2)""")
    source = make(schema='My "S', table="Tab 'le", columns=["Se;lect"], cursor={"column": "ü"})
    chunks = read(source)
    assert rows(chunks) == [{"Se;lect": 1}]
    assert read(source, chunks[-1].cursor) == []
