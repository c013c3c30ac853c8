"""JSON records become Arrow whose schema only grows."""

from __future__ import annotations

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.clients.json_arrow import (
    Columns,
    JsonArrow,
    compact,
    pick,
    to_batch,
)


def test_nested_values_stay_nested():
    batch = to_batch([{"id": 1, "artist": {"name": "é", "tags": ["a"]}}, {"artist": None}])
    assert batch.schema == pa.schema(
        [
            ("id", pa.int64()),
            ("artist", pa.struct([("name", pa.string()), ("tags", pa.list_(pa.string()))])),
        ]
    )
    assert batch.to_pylist()[1] == {"id": None, "artist": None}


def test_bytes_are_read_as_a_list_of_records():
    assert to_batch(b'[{"a": 1}, {"b": "x"}]').to_pylist() == [
        {"a": 1, "b": None},
        {"a": None, "b": "x"},
    ]


@pytest.mark.parametrize(
    ("pages", "kind", "values"),
    [
        ([[None], [1]], pa.int64(), [1]),
        ([[1], [2.5]], pa.float64(), [2.5]),
        ([[1], [None]], pa.int64(), [None]),
        ([[2.5], [1]], pa.float64(), [1.0]),
        ([[1], ["x"]], pa.string(), ["x"]),
        ([["x"], [{"a": 1}]], pa.string(), ['{"a":1}']),
        ([["x"], [None]], pa.string(), [None]),
        ([[True], [1]], pa.string(), ["1"]),
        ([[1], [True]], pa.string(), ["true"]),
        (
            [[{"a": 1}], [{"b": 2}]],
            pa.struct({"a": pa.int64(), "b": pa.int64()}),
            [{"a": None, "b": 2}],
        ),
        ([[{"a": 1}], [[1]]], pa.string(), ["[1]"]),
        ([[{}], [{"a": 1}]], pa.struct({"a": pa.int64()}), [{"a": 1}]),
        ([[[]], [[{"a": 1}]]], pa.list_(pa.struct({"a": pa.int64()})), [[{"a": 1}]]),
        ([[2**53 + 1], [0.5]], pa.float64(), [0.5]),
        ([[0.5], [2**53 + 1]], pa.string(), [str(2**53 + 1)]),
    ],
)
def test_a_type_follows_the_data_from_page_to_page(pages, kind, values):
    arrow = JsonArrow()
    for page in pages:
        batch = arrow.batch([{"x": value} for value in page])
    assert batch.schema.field("x").type == kind
    assert batch.column("x").to_pylist() == values


def test_integers_above_63_bits_stay_exact():
    batch = to_batch([{"x": 2**64 - 1}, {"x": 1}])
    assert [int(v) for v in batch.column("x").to_pylist()] == [2**64 - 1, 1]


def test_a_column_that_a_page_lacks_keeps_its_place_and_type():
    arrow = JsonArrow()
    first = arrow.batch([{"a": 1, "b": "x"}])
    second = arrow.batch([{"b": "y", "c": None}])
    assert second.schema.names == ["a", "b", "c"]
    assert second.schema.field("a").type == first.schema.field("a").type
    assert arrow.batch([]).schema == second.schema


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    pages=st.lists(st.lists(st.dictionaries(st.sampled_from("xyz"), _json), max_size=4), max_size=4)
)
def test_any_json_becomes_rows_and_columns_never_vanish(pages):
    """Whatever the values, each record is one row, and a later schema holds the earlier names."""
    arrow = JsonArrow()
    names: list[str] = []
    for page in pages:
        batch = arrow.batch(orjson.loads(orjson.dumps(page)))
        batch.validate(full=True)
        assert batch.num_rows == len(page) or not batch.schema.names
        assert batch.schema.names[: len(names)] == names
        names = batch.schema.names
        for name in names:
            filled = [bool(r.get(name)) or r.get(name) in (0, "", False) for r in page]
            got = [v is not None for v in batch.column(name).to_pylist()]
            # Only what is empty (null, {}) may become null.
            assert all(g for f, g in zip(filled, got, strict=True) if f)


@pytest.mark.parametrize(
    ("path", "body", "records"),
    [
        (None, [{"a": 1}], [{"a": 1}]),
        (None, {"a": 1}, [{"a": 1}]),
        ("items", {"items": [{"a": 1}, None]}, [{"a": 1}, None]),
        ("data.items", {"data": {"items": [1]}}, [{"value": 1}]),
        (
            "data.items",
            {"data": [{"items": [{"a": 1}]}, {"items": [{"a": 2}]}]},
            [{"a": 1}, {"a": 2}],
        ),
        ("items", {"items": None}, []),
        ("items", {}, []),
        ("items", None, []),
    ],
)
def test_records_are_picked_by_their_path(path, body, records):
    assert pick(path)(body) == records


_pages = st.lists(
    st.lists(
        st.dictionaries(st.sampled_from("xyz"), _json)
        | st.fixed_dictionaries({"x": st.integers(0, 9) | st.none(), "y": st.text(max_size=2)})
        | st.fixed_dictionaries({"x": st.floats(0, 1), "y": st.booleans() | st.none()}),
        max_size=4,
    ),
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300, deadline=None)
@given(chunks=st.lists(_pages, max_size=3), few=st.sampled_from([1, 3, 250]))
def test_it_makes_no_difference_how_records_are_cut_into_pages(chunks, few):
    """Page by page, as columns or as records, a batch is the very one of all records at once."""
    whole, cut = JsonArrow(), JsonArrow()
    for pages in chunks:
        pages = orjson.loads(orjson.dumps(pages))
        for page in pages:
            cut.add(Columns(page) if len(page) >= few else page)
        assert len(cut) == sum(map(len, pages))
        found = cut.batch()
        expected = whole.batch([record for page in pages for record in page])
        assert found.schema == expected.schema
        assert found.to_pylist() == expected.to_pylist()
        found.validate(full=True)


@pytest.mark.parametrize(
    ("pages", "values"),
    [
        ([[1], ["x"]], ["1", "x"]),
        ([[1, 2.5], ["x"]], ["1", "2.5", "x"]),
        ([[True], [1.0], [None]], ["true", "1.0", None]),
        ([[2.0, True]], ["2.0", "true"]),
        ([[2**53 + 1], [0.5]], [str(2**53 + 1), "0.5"]),
        ([[2**64 - 1], [-1]], [2**64 - 1, -1]),
        ([[{"a": 1}], ["x"]], ['{"a":1}', "x"]),
        ([[{"a": 1}], [{"b": []}]], [{"a": 1, "b": None}, {"a": None, "b": []}]),
        ([[None], [{}]], [None, None]),
    ],
)
def test_types_that_differ_within_a_chunk_lose_nothing(pages, values):
    """A column that becomes text in its last page holds what the first page really said."""
    arrow = JsonArrow()
    for page in pages:
        arrow.add(Columns([{"x": value} for value in page]))
    assert arrow.batch().column("x").to_pylist() == values


def test_columns_are_a_sequence_of_records():
    """What pages are compared and continued by is the same for columns as for records."""
    records = [{"a": n, "b": {"c": [n]}, "d": None} for n in range(300)]
    columns = compact(records)
    assert isinstance(columns, Columns)
    assert columns[-1] == records[-1]
    assert [*columns] == records
    assert columns == compact(records)
    assert columns != compact([*records[:-1], {**records[-1], "a": 0}])
    assert columns != compact([*records[:-1], {**records[-1], "b": 0}])
    assert columns != compact(records[:-1])
    assert compact(records[:2]) == records[:2]
    assert [*Columns([{}, {}])] == [{}, {}]
