"""Avro's types as Arrow: every value arrives whole, at any depth and in any union."""

from __future__ import annotations

import decimal
import io
import math
import uuid
from datetime import date, time
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.files.avro_files import MOMENT, logical, one, record, source, written

NAIVE = MOMENT.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("kind", "arrow", "value"),
    [
        ("boolean", pa.bool_(), True),
        ("int", pa.int32(), -(2**31)),
        ("long", pa.int64(), 2**63 - 1),
        ("float", pa.float32(), 1.5),
        ("double", pa.float64(), 0.1),
        ("bytes", pa.binary(), b"\x00\xff"),
        ("string", pa.string(), "grün 🎵"),
        ({"type": "fixed", "name": "F", "size": 3}, pa.binary(3), b"abc"),
        ({"type": "enum", "name": "E", "symbols": ["hot", "cold"]}, pa.string(), "cold"),
        (logical("int", "date"), pa.date32(), date(1969, 12, 31)),
        (logical("int", "time-millis"), pa.time32("ms"), time(23, 59, 59, 999000)),
        (logical("long", "time-micros"), pa.time64("us"), time(23, 59, 59, 999999)),
        (logical("long", "timestamp-millis"), pa.timestamp("ms", "UTC"), MOMENT),
        (logical("long", "timestamp-micros"), pa.timestamp("us", "UTC"), MOMENT),
        (logical("long", "local-timestamp-millis"), pa.timestamp("ms"), NAIVE),
        (logical("long", "local-timestamp-micros"), pa.timestamp("us"), NAIVE),
        ({"type": "array", "items": "int"}, pa.list_(pa.int32()), [1, 2]),
        ({"type": "map", "values": "int"}, pa.map_(pa.string(), pa.int32()), [("k", 1)]),
        (logical("long", "of-our-own"), pa.int64(), 1),
    ],
    ids=str,
)
def test_types_become_arrows(tmp_path: Path, kind: Any, arrow: pa.DataType, value: Any) -> None:
    """A value arrives in the Arrow type of its Avro type, alone and in a union with null."""
    given = dict(value) if isinstance(value, list) and "map" in str(kind) else value
    column = one(tmp_path, kind, given)
    assert (column.type, column.to_pylist()) == (arrow, [value])
    column = one(tmp_path, ["null", kind], None, given, None)
    assert (column.type, column.to_pylist()) == (arrow, [None, value, None])


def test_nanoseconds_are_kept(tmp_path: Path) -> None:
    """Timestamps of the newer specification keep their ninth digit, with a zone and without."""
    for name, zone in (("timestamp-nanos", "UTC"), ("local-timestamp-nanos", None)):
        column = one(tmp_path, logical("long", name), 1_767_225_600_123_456_789)
        assert column.type == pa.timestamp("ns", zone)
        assert column.cast(pa.int64()).to_pylist() == [1_767_225_600_123_456_789]


@pytest.mark.parametrize(
    ("precision", "scale", "texts"),
    [
        (4, 2, ["0.00", "0.01", "-0.01", "99.99", "-99.99", "1.28", "-1.28", "2.56"]),
        (38, 0, ["9" * 38, "-" + "9" * 38, "1", "-1", "0"]),
        (38, 38, ["0." + "9" * 38]),
        (76, 5, ["9" * 71 + ".00001", "-1.00000"]),
    ],
)
@pytest.mark.parametrize("size", [None, 40])
def test_decimals_are_exact(
    tmp_path: Path, precision: int, scale: int, texts: list[str], size: int | None
) -> None:
    """Decimals of variable and of fixed size keep every digit and their sign."""
    kind = logical("bytes", "decimal", precision=precision, scale=scale)
    kind |= {"type": "fixed", "name": "D", "size": size} if size else {}
    given = [decimal.Decimal(text) for text in texts]
    column = one(tmp_path, ["null", kind], *given, None)
    assert pa.types.is_decimal(column.type)
    assert (column.type.precision, column.type.scale) == (precision, scale)
    assert column.to_pylist() == [*given, None]


def test_a_decimal_of_too_many_digits_is_named(tmp_path: Path) -> None:
    """Bytes that hold more digits than the schema agrees to are an error, not another number."""
    for raw in (b"\x03\xe8", b"\x7f" * 17):
        rows = [{"x": raw}]
        path = written(tmp_path / "a.avro", record({"x": "bytes"}), rows)
        data = path.read_bytes()
        kind = b'{"type": "bytes", "logicalType": "decimal", "precision": 3}'
        stream = io.BytesIO(data)
        old = fastavro.reader(stream).metadata["avro.schema"].encode()
        new = old.replace(b'"type": "bytes"', b'"type": ' + kind)
        assert new != old
        path.write_bytes(data.replace(_long(len(old)) + old, _long(len(new)) + new))
        with pytest.raises(DataError, match=r"a\.avro"):
            read(source(path))


def _long(number: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    return out.getvalue()


def test_uuids_become_text(tmp_path: Path) -> None:
    """A UUID is its usual text, whether a file keeps it as text or as 16 bytes."""
    ids = [uuid.UUID(int=0), uuid.UUID("01234567-89ab-cdef-fedc-ba9876543210")]
    texts = [str(each) for each in ids]
    assert one(tmp_path, logical("string", "uuid"), *ids).to_pylist() == texts
    fixed = logical("fixed", "uuid", name="U", size=16)
    found = one(tmp_path, ["null", fixed], ids[0].bytes, None, ids[1].bytes)
    assert found.to_pylist() == [texts[0], None, texts[1]]


def test_durations_become_intervals(tmp_path: Path) -> None:
    """Months, days and milliseconds stay apart."""
    raw = b"\x01\0\0\0" + b"\x02\0\0\0" + b"\xff\xff\xff\xff"
    found = one(tmp_path, ["null", logical("fixed", "duration", name="D", size=12)], raw, None)
    assert found.to_pylist() == [pa.MonthDayNano([1, 2, (2**32 - 1) * 1_000_000]), None]


def test_nested_values_are_finished_at_any_depth(tmp_path: Path) -> None:
    """Decimals and UUIDs inside of records, lists and maps arrive as what they are."""
    price = logical("bytes", "decimal", precision=9, scale=2)
    inner = record({"price": ["null", price], "at": logical("long", "timestamp-millis")}, "Inner")
    fields = {
        "lines": {"type": "array", "items": ["null", inner]},
        "by_name": ["null", {"type": "map", "values": "Inner"}],
        "id": logical("fixed", "uuid", name="U", size=16),
    }
    line = {"price": decimal.Decimal("-1.50"), "at": MOMENT}
    empty = {"price": None, "at": MOMENT}
    given: list[dict[str, Any]] = [
        {"lines": [line, None, empty], "by_name": None, "id": bytes(16)},
        {"lines": [], "by_name": {"a": empty, "b": line}, "id": bytes(16)},
    ]
    path = written(tmp_path / "a.avro", record(fields), given)
    (chunk,) = read(source(path))
    chunk.batch.validate(full=True)
    maps = [None, [("a", empty), ("b", line)]]
    assert chunk.batch.column("lines").to_pylist() == [given[0]["lines"], []]
    assert chunk.batch.column("by_name").to_pylist() == maps
    assert chunk.batch.column("id").to_pylist() == [str(uuid.UUID(int=0))] * 2


@pytest.mark.parametrize(
    ("kinds", "arrow"), [(["int", "long"], pa.int64()), (["int", "float"], pa.float64())]
)
def test_numbers_of_a_union_become_the_widest(
    tmp_path: Path, kinds: list[str], arrow: pa.DataType
) -> None:
    """A union of numbers has the type that holds all of them."""
    column = one(tmp_path, ["null", *kinds], None, 1, ("float", 2.5) if "float" in kinds else 2)
    assert column.type == arrow


def test_other_unions_become_text(tmp_path: Path) -> None:
    """Values that no one type holds become text: texts as they are, the others as JSON."""
    point = record({"x": "int", "at": logical("long", "timestamp-millis")}, "Point")
    other = record({"y": logical("bytes", "decimal", precision=4, scale=2)}, "Other")
    when = logical("long", "timestamp-micros")
    kinds = ["null", "string", when, "double", "bytes", point, other, "boolean"]
    given = [
        None,
        "1",
        MOMENT,
        0.1,
        b"\xff",
        {"x": 1, "at": MOMENT},
        {"y": decimal.Decimal("1.50")},
    ]
    assert one(tmp_path, kinds, *given, True).to_pylist() == [
        None,
        "1",
        "2026-03-29T01:30:05.123000+00:00",
        "0.1",
        "\\xff",
        '{"x":1,"at":"2026-03-29T01:30:05.123000+00:00"}',
        '{"y":"1.50"}',
        "true",
    ]
    exact = one(tmp_path, ["long", "double"], 2**53 + 1, ("double", 0.5))
    assert exact.to_pylist() == [str(2**53 + 1), "0.5"]


def test_a_record_inside_of_itself_becomes_json(tmp_path: Path) -> None:
    """A recursive type is nested once; what recurs is JSON text."""
    node = record({"v": "int", "next": ["null", "a.b.Node"]}, "Node") | {"namespace": "a.b"}
    given = {"v": 1, "next": {"v": 2, "next": {"v": 3, "next": {"v": 4, "next": None}}}}
    path = written(tmp_path / "a.avro", node, [given])
    rest = '{"v":2,"next":{"v":3,"next":{"v":4,"next":null}}}'
    assert read(source(path))[0].batch.to_pylist() == [{"v": 1, "next": rest}]


NUMBER = st.floats(width=64) | st.none()
ROW = st.fixed_dictionaries(
    {
        "d": st.none() | st.decimals(-(10**15), 10**15, places=3),
        "m": st.dictionaries(st.text(max_size=3), st.integers(-(2**63), 2**63 - 1), max_size=3),
        "s": st.lists(st.none() | st.text(max_size=4), max_size=3),
        "f": NUMBER,
    }
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40), size=st.integers(1, 400))
def test_every_row_arrives_as_fastavro_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], size: int
) -> None:
    """Whatever the values and the blocks, the rows are those that fastavro itself reads."""
    schema = record(
        {
            "d": ["null", logical("bytes", "decimal", precision=20, scale=3)],
            "m": {"type": "map", "values": "long"},
            "s": {"type": "array", "items": ["null", "string"]},
            "f": ["null", "double"],
        }
    )
    path = tmp_path_factory.mktemp("r") / "a.avro"
    written(path, schema, rows, sync_interval=size)
    with path.open("rb") as file:
        expected = [_comparable(row) for row in fastavro.reader(file)]  # type: ignore[arg-type]
    chunks = read(source(path, batch_size=7))
    found = [row | {"m": dict(row["m"])} for c in chunks for row in c.batch.to_pylist()]
    assert [_comparable(row) for row in found] == expected


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    number = row["f"]
    return row | {"f": "nan" if number is not None and math.isnan(number) else number}
