"""Elasticsearch's documents as Arrow: every shape of field arrives whole, in a settled type."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import fields_of
from airflow_provider_spotify.core.sources.database._elasticsearch_pages import Documents, page
from airflow_provider_spotify.core.testing.sources import read
from tests.services.elastic_indices import BEGIN, Document, Indices, ids, plays, rows
from tests.services.elasticsearch import call


@pytest.mark.parametrize(
    ("mapping", "value", "kind", "wanted"),
    [
        ({"type": "long"}, 2**62, pa.int64(), 2**62),
        ({"type": "integer"}, "7", pa.int64(), 7),
        ({"type": "double"}, 3, pa.float64(), 3.0),
        ({"type": "float"}, "1.5", pa.float64(), 1.5),
        ({"type": "boolean"}, "true", pa.bool_(), True),
        ({"type": "keyword"}, 5, pa.string(), "5"),
        ({"type": "ip"}, "2001:db8::1", pa.string(), "2001:db8::1"),
        ({"type": "date"}, "2026-01-02T03:04:05.678Z", pa.timestamp("us", "UTC"), None),
        ({"type": "date"}, "2026-01-02T04:04:05.678+01:00", pa.timestamp("us", "UTC"), None),
        ({"type": "date"}, 1767323045678, pa.timestamp("us", "UTC"), None),
        (
            {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||epoch_second"},
            "2026/01/02 03:04:05",
            pa.timestamp("us", "UTC"),
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ),
        (
            {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||epoch_second"},
            1767323045,
            pa.timestamp("us", "UTC"),
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ),
        ({"type": "date"}, "2026", pa.timestamp("us", "UTC"), BEGIN),
        ({"type": "date", "format": "EEE d MMM yyyy"}, "Thu 1 Jan 2026", pa.string(), "same"),
        ({"type": "geo_point"}, {"lat": 59.3, "lon": 18.0}, None, "same"),
        ({"type": "geo_point"}, [18.5, 59.3], pa.list_(pa.float64()), "same"),
        ({"type": "flattened"}, {"a": {"b": "c"}}, pa.string(), '{"a":{"b":"c"}}'),
        ({"type": "dense_vector", "dims": 2}, [0.5, 1.5], pa.list_(pa.float64()), "same"),
        ({"type": "nested"}, [{"x": 1}, {"x": 2}], None, "same"),
        ({"type": "object", "enabled": False}, {"any": [1, "x"]}, pa.string(), '{"any":[1,"x"]}'),
        ({"type": "date_range"}, {"gte": "2026-01-01"}, None, "same"),
    ],
)
def test_each_type_of_field(
    indices: Indices, mapping: Mapping[str, Any], value: Any, kind: pa.DataType, wanted: Any
) -> None:
    """A value arrives whole, in the type that its mapping gives, on the first page and later."""
    indices.index("t", {"v": mapping})
    indices.add("t", [{"v": value}, {"v": value}, {}, {"v": None}, {"v": value}])
    if wanted is None:
        wanted = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    wanted = value if wanted == "same" else wanted
    chunks = read(indices.source("t", batch_size=1, metadata=[]))
    found = [row.get("v") for row in rows(chunks)]
    assert found == [wanted, wanted, None, None, wanted]
    if kind is not None:
        assert {chunk.batch.schema.field("v").type for chunk in chunks} == {kind}


def test_nanoseconds_are_kept(indices: Indices) -> None:
    """A date_nanos column has nanoseconds, and is a cursor that loses none of them."""
    indices.index("t", {"at": {"type": "date_nanos"}})
    indices.add("t", [{"at": f"2026-01-01T00:00:00.12345678{i}Z"} for i in range(6)])
    source = indices.source("t", cursor={"field": "at"}, batch_size=2)
    chunks = read(source)
    column = pa.concat_arrays([chunk.batch.column("at") for chunk in chunks])
    assert column.cast(pa.int64()).to_pylist() == [1767225600123456780 + i for i in range(6)]
    for position, chunk in enumerate(chunks):
        assert ids(read(source, chunk.cursor)) == ids(chunks[position + 1 :])


def test_lists_where_the_mapping_names_a_scalar(indices: Indices) -> None:
    """Lists on the first page make lists of the whole column, at any depth; none is lost."""
    indices.index("t", {"tags": {"type": "keyword"}, "d": {"properties": {"n": {"type": "long"}}}})
    given: list[Document] = [
        {"tags": ["a", "b"], "d": [{"n": 1}, {"n": [2, 3]}]},
        {"tags": "c", "d": {"n": 4}},
        {"tags": [], "d": {}},
        {"tags": [None, "e"]},
    ]
    indices.add("t", given)
    found = rows(read(indices.source("t", metadata=[])))
    assert [r["tags"] for r in found] == [["a", "b"], ["c"], [], [None, "e"]]
    assert [r["d"] for r in found][:2] == [[{"n": [1]}, {"n": [2, 3]}], [{"n": [4]}]]


def test_a_list_that_turns_up_late_makes_text_or_was_announced(
    indices: Indices, caplog: pytest.LogCaptureFixture
) -> None:
    """A list after scalars turns its column to JSON text, and the log says so; ``lists`` helps."""
    indices.index("t", {"v": {"type": "long"}, "d": {"properties": {"x": {"type": "keyword"}}}})
    indices.add("t", [{"v": i, "d": {"x": "a"}} for i in range(4)])
    indices.add("t", [{"v": [4, 5], "d": {"x": ["b", "c"]}}, {"v": 6}])
    with caplog.at_level(logging.WARNING):
        found = rows(read(indices.source("t", batch_size=2, metadata=[])))
    assert [str(r["v"]) for r in found] == ["0", "1", "2", "3", "[4,5]", "6"]
    assert json.loads(found[4]["d"]) == {"x": ["b", "c"]}
    assert "name it in lists" in caplog.text
    announced = indices.source("t", batch_size=2, metadata=[], lists=["v", "d.x"])
    found = rows(read(announced))
    assert [r["v"] for r in found] == [[0], [1], [2], [3], [4, 5], [6]]
    assert found[4]["d"] == {"x": ["b", "c"]}


def test_fields_that_no_mapping_names(indices: Indices) -> None:
    """What the mapping does not look into is read as well, with types from the data."""
    call(
        indices.credentials,
        "PUT",
        indices["t"],
        {"mappings": {"dynamic": False, "properties": {"a": {"type": "long"}}}},
    )
    given: list[Document] = [
        {"a": 1},
        {"b": 2, "day": "2026-01-01"},
        {"b": 2.5, "c": {"x": True}, "a": None},
    ]
    indices.add("t", given)
    found = rows(read(indices.source("t", batch_size=1, metadata=[])))
    assert [{k: v for k, v in r.items() if v is not None} for r in found] == [
        {"a": 1},
        {"b": 2, "day": "2026-01-01"},
        {"b": 2.5, "c": {"x": True}},
    ]


def test_documents_that_look_like_hits(indices: Indices) -> None:
    """Documents that hold text and objects like an answer's own are read whole."""
    indices.index("t", {})
    odd: dict[str, Any] = {
        "list": [{"a": 1}, {"_index": "x", "sort": [1]}, {"_index": "y"}],
        "hits": [{"b": 1}],
    }
    text: dict[str, Any] = {"s": '},{"_index":"z","sort":[9]}]}}', "sort": [5, 6]}
    indices.add("t", [odd, text, odd | text] * 3)
    found = rows(read(indices.source("t", metadata=[], batch_size=4)))
    assert len(found) == 9
    wanted = [odd, text, odd | text] * 3
    for row, document in zip(found, wanted, strict=True):
        assert row.get("s") == document.get("s")
        assert row.get("sort") == document.get("sort")
        assert [e and e["_index"] for e in row["list"] or ()] == [
            e.get("_index") for e in document.get("list", ())
        ]


def test_indices_that_differ(indices: Indices) -> None:
    """A pattern reads several indices as one; types that hold one another widen, or are text."""
    indices.index("t-1", {"n": {"type": "integer"}, "x": {"type": "long"}, "only": {"type": "ip"}})
    indices.index("t-2", {"n": {"type": "double"}, "x": {"type": "keyword"}})
    indices.add("t-1", [{"n": 1, "x": 5, "only": "10.0.0.1"}])
    indices.add("t-2", [{"n": 2.5, "x": "five"}])
    found = rows(read(indices.source("t-*", cursor={"field": "n"})))
    assert [(r["_index"], r["n"], r["x"]) for r in found] == [
        (indices["t-1"], 1.0, "5"),
        (indices["t-2"], 2.5, "five"),
    ]
    with pytest.raises(ConfigurationError, match="keyword, long"):
        read(indices.source("t-*", cursor={"field": "x"}))


def test_metadata_and_source_filtering(indices: Indices) -> None:
    """Only the fields asked for are read, and what is asked of the hit itself."""
    plays(indices, 20)
    source = indices.source(
        fields=["n", "device.*"],
        exclude_fields=["device.volume"],
        metadata=["_id", "_version", "_seq_no"],
        query={"range": {"n": {"lt": 3}}},
    )
    assert rows(read(source)) == [
        {"_id": f"p{i}", "_version": 1, "_seq_no": i, "n": i, "device": {"os": os}}
        for i, os in enumerate(["linux", "ios", "ios"])
    ]


def test_aliases(indices: Indices) -> None:
    """An alias is read as its index, and names the dataset."""
    plays(indices, 5)
    alias = {"actions": [{"add": {"index": indices["plays"], "alias": indices["alias"]}}]}
    call(indices.credentials, "POST", "_aliases", alias)
    source = indices.source("alias")
    assert len(ids(read(source))) == 5
    assert source.dataset() == (
        f"elasticsearch://127.0.0.1:{indices.credentials.port}",
        indices["alias"],
    )


def test_types_that_the_node_of_the_tests_lacks() -> None:
    """Types of modules are read by their mapping: here from a written answer, on both ways."""
    types = {"u": "unsigned_long", "s": "scaled_float", "w": "wildcard", "v": "version"}
    mapping = {"i": {"properties": {name: {"type": kind} for name, kind in types.items()}}}
    documents = Documents(fields_of(mapping), lists=(), metadata=())
    source = {"u": 2**64 - 1, "s": 3, "w": "a*", "v": "1.2.3"}
    hits = [{"_index": "i", "_id": "1", "_score": None, "_source": source, "sort": [1, 1]}]
    body = orjson.dumps({"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": hits}})
    for _ in range(2):
        (row,) = documents.rows(page(body), key=pa.int64()).batch.to_pylist()
        assert row == {"u": Decimal(2**64 - 1), "s": 3.0, "w": "a*", "v": "1.2.3"}
        assert type(row["s"]) is float
