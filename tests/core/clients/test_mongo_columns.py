"""BSON to Arrow: whatever the documents hold, no value is lost, changed or taken for another."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import bson
import pyarrow as pa
import pytest
from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.clients import mongo_bson
from airflow_provider_spotify.core.clients.mongo_columns import CODEC, as_text
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.database._mongodb_documents import Documents, find

OID = ObjectId("6b03494e6257e579b8fadc8a")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
UUID4 = UUID("12345678-1234-4234-8234-123456789abc")
FULL = pa.timestamp("ms", "UTC")


def column(*values: Any, documents: Documents | None = None) -> pa.Array:
    """Convert documents of one field; a value that is ``...`` is a document without it."""
    encoded = [bson.encode({} if v is ... else {"v": v}) for v in values]
    batch = (documents or Documents("shop.plays")).converted(find(encoded)).batch
    batch.validate(full=True)
    return batch.column("v")


ONE_TYPE: list[tuple[Any, Any, pa.DataType]] = [
    ("naïve 🎵\0 'q'", "naïve 🎵\0 'q'", pa.string()),
    ("", "", pa.string()),
    (-(2**31), -(2**31), pa.int64()),
    (2**63 - 1, 2**63 - 1, pa.int64()),
    (0.1, 0.1, pa.float64()),
    (math.inf, math.inf, pa.float64()),
    (True, True, pa.bool_()),
    (MOMENT, MOMENT, FULL),
    (datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), FULL),
    (OID, str(OID), pa.string()),
    (Decimal128("1.10"), "1.10", pa.string()),
    (Decimal128("NaN"), "NaN", pa.string()),
    (Decimal128("1E+6144"), "1.000000000000000000000000000000000E+6144", pa.string()),
    (b"\x00\xff", b"\x00\xff", pa.binary()),
    (Binary(b"\x00\xff", 2), b"\x00\xff", pa.binary()),
    (Binary(b"md5", 5), b"md5", pa.binary()),
    (Binary.from_uuid(UUID4), str(UUID4), pa.string()),
    ({"a": 1, "b.c": {"$d": "x"}}, {"a": 1, "b.c": {"$d": "x"}}, None),
    ([1, None, 3], [1, None, 3], pa.list_(pa.int64())),
    ([], [], None),
    ([[1], [], [2, 3]], [[1], [], [2, 3]], None),
    ([{"a": 1}, {"b": "x"}], [{"a": 1, "b": None}, {"a": None, "b": "x"}], None),
    (Code("f()"), "f()", pa.string()),
    (Regex("^a", "i"), '{"$regularExpression": {"pattern": "^a", "options": "i"}}', pa.string()),
    (Timestamp(1, 2), '{"$timestamp": {"t": 1, "i": 2}}', pa.string()),
    (MinKey(), '{"$minKey": 1}', pa.string()),
    (MaxKey(), '{"$maxKey": 1}', pa.string()),
    (Code("f()", {"x": 1}), '{"$code": "f()", "$scope": {"x": 1}}', pa.string()),
    (DBRef("c", 1), {"$ref": "c", "$id": 1}, None),
]


@pytest.mark.parametrize("times", [1, 40], ids=["one by one", "in step"])
@pytest.mark.parametrize(("value", "expected", "kind"), ONE_TYPE, ids=repr)
def test_each_type_becomes_what_the_table_says(
    value: Any, expected: Any, kind: pa.DataType | None, times: int
) -> None:
    """A field of one type has that type's Arrow values; null and absent are null."""
    found = column(*[value, None, ...] * times)
    assert found.to_pylist() == [expected, None, None] * times
    assert kind is None or found.type == kind


def test_a_double_that_is_nan_stays_nan() -> None:
    """NaN is a value, not null."""
    found = column(1.5, math.nan, None)
    assert found.null_count == 1
    assert math.isnan(found[1].as_py())


MIXED: list[tuple[Sequence[Any], Sequence[Any]]] = [
    ([1, Int64(2**40)], [1, 2**40]),
    ([1, 1.5, None], [1.0, 1.5, None]),
    ([2**53, 0.5], [float(2**53), 0.5]),
    ([2**53 + 1, 0.5], [str(2**53 + 1), "0.5"]),
    ([1, True], ["1", "true"]),
    ([1, "1"], ["1", "1"]),
    ([OID, "x", Decimal128("1.50"), Binary.from_uuid(UUID4)], [str(OID), "x", "1.50", str(UUID4)]),
    ([MOMENT, "x"], ["2026-01-02T03:04:05.678Z", "x"]),
    ([math.nan, "x"], ["nan", "x"]),
    ([{"a": MOMENT, "b": [1]}, 1], ['{"a": {"$date": "2026-01-02T03:04:05.678Z"}, "b": [1]}', "1"]),
    ([[1], 1], ["[1]", "1"]),
    ([[1], {"0": 1}], ["[1]", '{"0": 1}']),
    ([b"ab", "x"], ['{"$binary": {"base64": "YWI=", "subType": "00"}}', "x"]),
    ([b"ab", Binary.from_uuid(UUID4)], None),  # type: ignore[list-item]
    ([[1, "x"], [True]], [["1", "x"], ["true"]]),
    ([{"a": 1}, {"a": "x"}], [{"a": "1"}, {"a": "x"}]),
    ([{}, {"a": 1}], [{"a": None}, {"a": 1}]),
    ([{}, "x"], ["{}", "x"]),
    ([None, {}], [None, None]),
]


@pytest.mark.parametrize("times", [1, 40], ids=["one by one", "in step"])
@pytest.mark.parametrize(("values", "expected"), MIXED, ids=repr)
def test_values_that_do_not_agree_lose_nothing(
    values: Sequence[Any], expected: Sequence[Any], times: int
) -> None:
    """Types that have one in common take it; others become text that still says what they were."""
    found = column(*[*values] * times).to_pylist()
    assert found == [*(expected or found[: len(values)])] * times
    assert found.count(None) == times * sum(
        v is None or (v == {} and found[0] is None) for v in values
    )


def test_a_type_grows_from_batch_to_batch_and_never_back() -> None:
    """What an earlier batch taught stays: int, then double, then text."""
    documents = Documents("shop.plays")
    kinds = [column(v, documents=documents).type for v in (None, 1, 2, 2.5, 3, "x", 4)]
    expected = [pa.null(), pa.int64(), pa.int64(), pa.float64(), pa.float64(), *[pa.string()] * 2]
    assert kinds == expected
    assert column(5, MOMENT, documents=documents).to_pylist() == ["5", "2026-01-02T03:04:05.678Z"]


def test_an_object_with_ever_new_fields_becomes_text() -> None:
    """A map keyed by ids would make a column of each; it is kept as JSON."""
    many = [{f"user{n}": n} for n in range(300)]
    assert [json.loads(text) for text in column(*many).to_pylist()] == many


def test_a_date_beyond_what_python_holds_keeps_its_value() -> None:
    """Dates are 64 bits of milliseconds; those that microseconds cannot hold become text."""
    found = column(DatetimeMS(2**53), DatetimeMS(-(2**53)))
    assert found.cast(pa.int64()).to_pylist() == [2**53, -(2**53)]
    far = column(DatetimeMS(2**62), MOMENT)
    text = '{"$date": {"$numberLong": "4611686018427387904"}}'
    assert far.to_pylist() == [text, "2026-01-02T03:04:05.678Z"]


def test_a_text_that_is_not_utf8_is_rejected_with_its_document() -> None:
    """The document is set aside, shown with escapes; its neighbours are read."""
    good = [bson.encode({"_id": n, "d": {"t": "é"}}) for n in range(30)]
    bad = bson.encode({"_id": 99, "d": {"t": "éé"}}).replace("éé".encode(), b"\xff\xfea\xc3")
    found = Documents("shop.plays").converted(find([*good[:10], bad, *good[10:]]))
    assert found.batch.column("_id").to_pylist() == list(range(30))
    assert found.rejected is not None
    (record,) = found.rejected.to_pylist()
    assert json.loads(record["record"]) == {"_id": 99, "d": {"t": "\\xff\\xfea\\xc3"}}
    assert (record["stage"], record["location"]) == ("source", "shop.plays")
    assert list(found.kept) == [*range(10), *range(11, 31)]


def test_the_last_of_two_fields_of_one_name_counts() -> None:
    """BSON allows a name twice; pymongo, too, takes the last."""
    one = bson.encode({"v": 1})[4:-1]
    body = one + bson.encode({"v": 2})[4:-1] + b"\0"
    document = struct.pack("<i", len(body) + 4) + body
    batch = Documents("shop.plays").converted(find([document] * 40)).batch
    assert batch.to_pylist() == [{"v": 2}] * 40


@pytest.mark.parametrize("count", [1, 40])
def test_arrays_with_names_of_their_own_are_read(count: int) -> None:
    """Some drivers do not count 0, 1, 2 in arrays; the values stand all the same."""
    inner = bson.encode({"x": 1, "yy": 2, "": 3})
    body = b"\x04v\0" + inner + b"\0"
    document = struct.pack("<i", len(body) + 4) + body
    batch = Documents("shop.plays").converted(find([document] * count)).batch
    assert batch.to_pylist() == [{"v": [1, 2, 3]}] * count


def test_long_arrays_are_read() -> None:
    """Arrays of any length, some much longer than others."""
    values = [list(range(n)) for n in (0, 1, 12, 1200, 3)] * 20
    assert column(*values).to_pylist() == values


@pytest.mark.parametrize("cut", [5, 9, 14, 20])
def test_what_is_no_bson_is_an_error(cut: int) -> None:
    """Bytes that end early, or lie about a length, are refused rather than read as something."""
    document = bson.encode({"a": "text", "b": [1, {"c": 2}]})
    with pytest.raises(DataError, match="not BSON"):
        find([document[:cut]])
    lying = document.replace(b"\x02a\0\x05", b"\x02a\0\xf5")
    with pytest.raises(DataError, match="not BSON"):
        find([lying] * 20)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-9, 9),
    st.floats(),
    st.text(max_size=4).filter(lambda t: all(not 0xD800 <= ord(c) < 0xE000 for c in t)),
    st.binary(max_size=3),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)).map(
        lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    st.sampled_from([OID, Decimal128("1.5"), Timestamp(1, 2), MinKey(), Regex("a")]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "long name"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "c", "a long field name"]), VALUES),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([1, 12]),
    st.randoms(use_true_random=False),
)
def test_any_documents_come_through_whole(
    documents: list[dict[str, Any]], times: int, dice: random.Random
) -> None:
    """Every value of arbitrary documents is in its column, as itself or as text."""
    documents = documents * times
    dice.shuffle(documents)
    converter = Documents("shop.plays")
    half = len(documents) // 2 or 1
    for some in (documents[:half], documents[half:]):
        if some:
            batch = converter.converted(find([bson.encode(d) for d in some])).batch
            batch.validate(full=True)
            for document, row in zip(some, batch.to_pylist(), strict=True):
                same(bson.decode(bson.encode(document), CODEC), row)


def same(value: Any, found: Any) -> None:
    """Assert that an Arrow value is what a BSON value becomes, whatever the column's type."""
    if found is None:
        assert value is None or void(value)
    elif isinstance(found, str):
        assert found == as_text(value)
    elif isinstance(value, dict):
        assert {k for k, v in found.items() if v is not None} <= value.keys()
        for name, inner in value.items():
            same(inner, found[name])
    elif isinstance(value, list):
        assert len(found) == len(value)
        for inner, other in zip(value, found, strict=True):
            same(inner, other)
    elif isinstance(value, float) and math.isnan(value):
        assert math.isnan(found)
    else:
        assert found == value
        assert isinstance(found, bool) == isinstance(value, bool)


def void(value: Any) -> bool:
    """Tell whether an object holds no value at any depth."""
    return isinstance(value, dict) and all(v is None or void(v) for v in value.values())


def test_documents_of_many_shapes_are_walked() -> None:
    """Optional fields, in any order, in more shapes than rounds: each ends in its own column."""
    dice = random.Random(7)
    documents = []
    for n in range(2_000):
        names = dice.sample([f"field {i}" for i in range(12)], dice.randint(0, 12))
        documents.append(dict.fromkeys(names, n))
    batch = Documents("shop.plays").converted(find([bson.encode(d) for d in documents])).batch
    expected = [[d.get(f"field {i}") for d in documents] for i in range(12)]
    assert [batch.column(f"field {i}").to_pylist() for i in range(12)] == expected


def test_starts_are_those_of_joined_documents() -> None:
    """Documents joined, as servers send them, are told apart by their lengths."""
    documents = [bson.encode({"n": "x" * n}) for n in range(50)]
    buffer = mongo_bson.Buffer([b"".join(documents)])
    ends = [sum(map(len, documents[:n])) for n in range(50)]
    assert buffer.starts().tolist() == ends
