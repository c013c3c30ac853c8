"""ClickHouse's types as Arrow: each arrives as documented, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sources.database.clickhouse import ClickhouseSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.core.sources.database.clickhouse_plays import Run, reading, running

pytestmark = pytest.mark.service("clickhouse")
run = pytest.fixture(running)
make = pytest.fixture(reading)
TYPES: dict[str, tuple[str, pa.DataType, Any]] = {
    "UInt8": ("255", pa.uint8(), 255),
    "UInt16": ("65535", pa.uint16(), 65535),
    "UInt32": ("4294967295", pa.uint32(), 2**32 - 1),
    "UInt64": ("18446744073709551615", pa.uint64(), 2**64 - 1),
    "UInt128": ("'340282366920938463463374607431768211455'", pa.string(), str(2**128 - 1)),
    "UInt256": (f"'{2**256 - 1}'", pa.string(), str(2**256 - 1)),
    "Int8": ("-128", pa.int8(), -128),
    "Int64": ("-9223372036854775808", pa.int64(), -(2**63)),
    "Int128": (f"'{-(2**127)}'", pa.string(), str(-(2**127))),
    "Int256": (f"'{-(2**255)}'", pa.string(), str(-(2**255))),
    "Float32": ("1.5", pa.float32(), 1.5),
    "Float64": ("-1.1", pa.float64(), -1.1),
    "BFloat16": ("1.5", pa.float32(), 1.5),
    "Bool": ("true", pa.bool_(), True),
    "Decimal(9, 2)": ("-1.5", pa.decimal128(9, 2), Decimal("-1.50")),
    "Decimal(38, 10)": ("'0.0000000001'", pa.decimal128(38, 10), Decimal("1e-10")),
    "Decimal(76, 10)": (f"'{10**60}'", pa.decimal256(76, 10), Decimal(10**60)),
    "String": ("'né'", pa.string(), "né"),
    "FixedString(4)": ("'ab'", pa.string(), "ab"),
    "LowCardinality(String)": ("'low'", pa.string(), "low"),
    "UUID": (
        "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
        pa.string(),
        "61f0c404-5cb3-11e7-907b-a6006ad3dba0",
    ),
    "IPv4": ("'1.2.3.4'", pa.string(), "1.2.3.4"),
    "IPv6": ("'2001:db8::1'", pa.string(), "2001:db8::1"),
    "Enum8('a, b' = 1, 'c' = -2)": ("'c'", pa.string(), "c"),
    "Enum16('x(' = 300)": ("'x('", pa.string(), "x("),
    "Date": ("'2149-06-06'", pa.date32(), date(2149, 6, 6)),
    "Date32": ("'1925-01-02'", pa.date32(), date(1925, 1, 2)),
    "DateTime('Europe/Stockholm')": (
        "'2026-07-01 12:00:00'",
        pa.timestamp("s", "Europe/Stockholm"),
        datetime(2026, 7, 1, 10, tzinfo=UTC),
    ),
    "DateTime64(1, 'UTC')": (
        "'2026-01-01 00:00:00.5'",
        pa.timestamp("ms", "UTC"),
        datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
    ),
    "DateTime64(6, 'Asia/Tokyo')": (
        "'2026-01-01 09:00:00.000001'",
        pa.timestamp("us", "Asia/Tokyo"),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ),
    "Time": ("'12:34:56'", pa.time32("s"), time(12, 34, 56)),
    "Time64(6)": ("'12:34:56.000001'", pa.time64("us"), time(12, 34, 56, 1)),
    "Array(Nullable(String))": ("['x', NULL]", pa.list_(pa.string()), ["x", None]),
    "Array(Enum8('a' = 1))": ("['a']", pa.list_(pa.string()), ["a"]),
    "Array(Array(IPv4))": ("[['1.2.3.4']]", pa.list_(pa.list_(pa.string())), [["1.2.3.4"]]),
    "Map(LowCardinality(String), UInt64)": (
        "map('k', 1)",
        pa.map_(pa.string(), pa.uint64()),
        [("k", 1)],
    ),
    "Tuple(a Int8, `b c` Nullable(UUID))": (
        "(1, NULL)",
        pa.struct({"a": pa.int8(), "b c": pa.string()}),
        {"a": 1, "b c": None},
    ),
    "Tuple(Int8, String)": (
        "(1, 'x')",
        pa.struct({"1": pa.int8(), "2": pa.string()}),
        {"1": 1, "2": "x"},
    ),
    "Point": ("(1, 2)", pa.struct({"1": pa.float64(), "2": pa.float64()}), {"1": 1.0, "2": 2.0}),
    "JSON": ('\'{"a": {"b": 1}}\'', pa.string(), '{"a":{"b":1}}'),
    "Dynamic": ("'text'", pa.string(), '"text"'),
    "Variant(String, UInt64)": ("42::UInt64", pa.string(), "42"),
    "Array(JSON)": ("['{\"a\": 1}']", pa.string(), '[{"a":1}]'),
    "SimpleAggregateFunction(sum, UInt64)": ("5", pa.uint64(), 5),
}


@pytest.mark.parametrize("type_", TYPES)
def test_a_type_arrives_as_documented(
    make: Callable[..., ClickhouseSource], run: Run, type_: str
) -> None:
    """A value of each of ClickHouse's types comes as one type, with the value it had."""
    value, arrow, expected = TYPES[type_]
    run(f"CREATE TABLE t (id Int8, v {type_}) ENGINE = MergeTree ORDER BY id")
    run(f"INSERT INTO t SELECT 1, CAST({value} AS {type_})")
    (chunk,) = read(make(table="t"))
    found = chunk.batch.column("v")
    assert found.type.equals(arrow) or str(found.type).replace(" not null", "") == str(arrow)
    assert found.to_pylist() == [expected]


@pytest.mark.parametrize(
    "type_", ["UUID", "IPv6", "Enum8('a' = 1)", "DateTime", "Int256", "Date32"]
)
def test_null_stays_null(make: Callable[..., ClickhouseSource], run: Run, type_: str) -> None:
    """A Nullable column of a type that the server casts keeps its nulls."""
    run(f"CREATE TABLE t (id Int8, v Nullable({type_})) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, NULL)")
    assert rows(read(make(table="t"))) == [{"id": 1, "v": None}]


def test_nested_columns_are_lists(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """A Nested column comes as the arrays that it consists of."""
    run(
        "CREATE TABLE t (id Int8, n Nested(a UUID, b Enum8('x' = 1))) "
        "ENGINE = MergeTree ORDER BY id"
    )
    run("INSERT INTO t VALUES (1, [toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')], ['x'])")
    (row,) = rows(read(make(table="t")))
    assert row["n.a"] == ["61f0c404-5cb3-11e7-907b-a6006ad3dba0"]
    assert row["n.b"] == ["x"]


def test_json_says_that_it_is_json(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """A sink may keep JSON as such: the field is marked as contracts mark it."""
    run("CREATE TABLE t (id Int8, j JSON) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, '{}')")
    (chunk,) = read(make(table="t"))
    assert chunk.batch.schema.field("j").metadata == {b"type": b"json"}


def test_a_state_of_an_aggregate_is_an_error(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """The bytes of an aggregate's state are refused with what to do instead."""
    run("CREATE TABLE t (id Int8, s AggregateFunction(sum, UInt64)) ENGINE = MergeTree ORDER BY id")
    with pytest.raises(ConfigurationError, match=r"finalizeAggregation"):
        read(make(table="t"))


def test_text_that_is_not_utf8_is_rejected_or_read_as_bytes(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Bytes in a String column are rejected row by row, or kept where ``binary`` names them."""
    run("CREATE TABLE t (id Int8, s String, l Array(String)) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, 'a', []), (2, unhex('ff00'), []), (3, 'b', [unhex('fe')])")
    (chunk,) = read(make(table="t"))
    assert chunk.batch.column("id").to_pylist() == [1]
    assert chunk.rejected is not None
    assert chunk.rejected.column("column_name").to_pylist() == ["s", "l"]
    assert "xff" in chunk.rejected.column("record")[0].as_py()
    (chunk,) = read(make(table="t", columns=["s"], binary=["s"]))
    assert chunk.batch.column("s").to_pylist() == [b"a", b"\xff\x00", b"b"]


def test_a_time_beyond_a_day_is_rejected(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """ClickHouse's Time may be negative or hold 999 hours; such a value is no time of a day."""
    run("CREATE TABLE t (id Int8, at Nullable(Time)) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, '23:59:59'), (2, '-00:00:01'), (3, '24:00:00'), (4, NULL)")
    (chunk,) = read(make(table="t"))
    assert chunk.batch.column("id").to_pylist() == [1, 4]
    assert chunk.rejected is not None
    assert [json.loads(r)["at"] for r in chunk.rejected.column("record").to_pylist()] == [-1, 86400]
