"""What only a server with every BSON type and an oplog shows: mixed orders, and change streams."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import bson
import pyarrow as pa
import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument

from airflow_provider_spotify.core.clients.mongo_order import Order, rank_of, restored, saved
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Run
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sources.database._mongodb_changes import event, rows
from airflow_provider_spotify.core.sources.database._mongodb_documents import Documents
from airflow_provider_spotify.core.sources.database.mongodb import MongodbConfig, MongodbSource
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.core.imports import duckdb_sink, plan
from tests.core.sources.database.changes_from_the_start import FromTheStart
from tests.services.mongodb import MongoDatabase

Make = Callable[..., MongodbSource]


@pytest.fixture
def make(mongo_java_database: MongoDatabase) -> Make:
    """Give a function from a Config's keys to a source of this test's database."""
    credentials, database = mongo_java_database

    def source(**config: Any) -> MongodbSource:
        words = {"collection": "plays", "database": database.name, **config}
        return MongodbSource(MongodbConfig(**words), credentials=credentials)

    return source


@pytest.fixture
def plays(mongo_java_database: MongoDatabase) -> Any:
    return mongo_java_database.database.plays


def found(chunks: list[Chunk]) -> list[tuple[str, Any, bool]]:
    """Return what happened, to which document, and whether it is gone."""
    return [
        (row["_op"], row["_id"], row["_deleted"])
        for chunk in chunks
        for row in chunk.batch.to_pylist()
    ]


class TestChanges(StreamConformance):
    """What happens to a collection, read as a stream."""

    libraries = ("pandas", "pymongo", "bson", "numpy", "duckdb")
    expected_rows = 300

    @pytest.fixture(autouse=True)
    def _collection(self, mongo_java_database: MongoDatabase) -> None:
        self.credentials, self.database = mongo_java_database
        self.database.plays.insert_one({"_id": -1, "n": 0})
        self.database.create_collection("none")
        words = {"collection": "plays", "database": self.database.name, "mode": "changes"}
        self.config = MongodbConfig(**words, batch_size=40, linger="50ms")
        (first,) = read(MongodbSource(self.config, credentials=self.credentials))
        FromTheStart.start = first.cursor
        self.database.plays.insert_many({"_id": n, "n": n % 7} for n in range(300))
        self.more = 1000

    def make_source(self) -> MongodbSource:
        return FromTheStart(self.config, credentials=self.credentials)

    def make_empty(self) -> MongodbSource:
        return self.make_source().narrowed(collection="none")

    def add_more(self) -> int:
        self.database.plays.insert_many({"_id": self.more + n, "n": None} for n in range(50))
        self.more += 50
        return 50


def test_every_kind_of_change_is_read_in_its_order(make: Make, plays: Any) -> None:
    """Inserted, updated, replaced and deleted documents come as they happened; cursors resume."""
    plays.insert_one({"_id": 0, "x": 1})
    source = make(mode="changes", batch_size=1)
    chunks = read(source)
    assert found(chunks) == [("read", 0, False)]
    plays.insert_one({"_id": 1, "x": 1})
    plays.update_one({"_id": 1}, {"$set": {"y": "new"}})
    plays.delete_one({"_id": 0})
    plays.insert_one({"_id": 2})
    chunks = read(source, json.loads(json.dumps(chunks[-1].cursor)))
    assert found(chunks) == [
        ("insert", 1, False),
        ("update", 1, False),
        ("delete", 0, True),
        ("insert", 2, False),
    ]
    assert chunks[1].batch.to_pylist()[0]["y"] == "new"
    for position, chunk in enumerate(chunks):
        assert found(read(source, chunk.cursor)) == found(chunks[position + 1 :])


def test_changes_merged_with_deletes_equal_the_collection(
    make: Make, plays: Any, tmp_path: Any
) -> None:
    """After each run the table holds what the collection holds, deleted documents gone."""
    sink = duckdb_sink(tmp_path)
    write = {"mode": "merge", "key": ["_id"], "deleted": "_deleted"}
    plays.insert_many({"_id": n, "x": n} for n in range(100))
    for turn in range(4):
        source = make(mode="changes", batch_size=30)
        run_import(plan(write=write), source=source, sink=sink, run=Run(run_id=f"run {turn}"))
        table = sink.query('SELECT "_id", x FROM plays ORDER BY 1').to_pylist()
        assert table == [{"_id": d["_id"], "x": d["x"]} for d in plays.find().sort("_id", 1)]
        plays.delete_many({"_id": {"$mod": [7, turn]}})
        plays.update_many({"_id": {"$mod": [5, turn]}}, {"$inc": {"x": 1000}})
        plays.insert_many({"_id": 1000 * (turn + 1) + n, "x": n} for n in range(20))


def test_documents_read_first_go_on_where_they_were_cut(make: Make, plays: Any) -> None:
    """What is inserted while the documents are read comes after them, from the stream."""
    plays.insert_many({"_id": n} for n in range(10))
    source = make(mode="changes", batch_size=4)

    async def first() -> Chunk:
        async with aclosing(source.read(None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                return chunk
        raise AssertionError

    begun = asyncio.run(first())
    plays.insert_one({"_id": -5})
    plays.delete_one({"_id": 9})
    rest = found(read(source, begun.cursor))
    assert rest == [
        *(("read", n, False) for n in range(4, 9)),
        ("insert", -5, False),
        ("delete", 9, True),
    ]


def test_documents_count_as_rows_and_their_time_as_time(make: Make, plays: Any) -> None:
    """``until`` bounds the reading of the documents, too; the next read goes on behind them."""
    plays.insert_many({"_id": n} for n in range(10))
    source = make(mode="changes", batch_size=4)
    begun = read(source.narrowed(until={"rows": 6}))
    assert [each[1] for each in found(begun)] == [0, 1, 2, 3, 4, 5]
    plays.insert_one({"_id": 77})
    rest = read(source, begun[-1].cursor)
    new = [("read", 77, False), ("insert", 77, False)]  # it came while they were read: twice
    assert found(rest) == [*(("read", n, False) for n in range(6, 10)), *new]


def test_a_dropped_collection_ends_its_changes(make: Make, plays: Any) -> None:
    """Rows before the end are given, then the error says what happened and what to do."""
    plays.insert_one({"_id": 0})
    source = make(mode="changes")
    cursor = read(source)[-1].cursor
    plays.insert_one({"_id": 1})
    plays.database.drop_collection("plays")
    plays.insert_one({"_id": 2})
    given: list[Chunk] = []

    async def collect() -> None:
        async with aclosing(source.read(cursor)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                given.append(chunk)

    with pytest.raises(ConfigurationError, match=r"dropped or renamed .* full refresh"):
        asyncio.run(collect())
    assert found(given) == [("insert", 1, False)]


@pytest.mark.parametrize("cursor", [{"more": False}, {"field": "_id", "value": 1, "more": True}])
def test_the_cursor_of_another_mode_is_refused(
    make: Make, plays: Any, cursor: dict[str, Any]
) -> None:
    """Going from documents to changes needs a full refresh."""
    plays.insert_one({"_id": 0})
    with pytest.raises(ConfigurationError, match="of no change stream"):
        read(make(mode="changes"), cursor)


# ── events as they are published ─────────────────────────────────────────────────────────────

_ID = {"_data": "8263"}
_TIME = Timestamp(1_767_225_600, 1)
PUBLISHED: dict[str, dict[str, Any]] = {
    "insert": {
        "_id": _ID,
        "operationType": "insert",
        "clusterTime": _TIME,
        "wallTime": datetime(2026, 1, 1, tzinfo=UTC),
        "ns": {"db": "shop", "coll": "plays"},
        "documentKey": {"country": "SE", "_id": 1},
        "fullDocument": {"_id": 1, "country": "SE", "n": Int64(5)},
    },
    "update": {
        "_id": _ID,
        "operationType": "update",
        "clusterTime": _TIME,
        "ns": {"db": "shop", "coll": "plays"},
        "documentKey": {"_id": 1},
        "updateDescription": {"updatedFields": {"n": 6}, "removedFields": ["x"]},
        "fullDocument": {"_id": 1, "n": 6},
    },
    "delete": {
        "_id": _ID,
        "operationType": "delete",
        "clusterTime": _TIME,
        "ns": {"db": "shop", "coll": "plays"},
        "documentKey": {"country": "SE", "_id": 1},
    },
}


def raw(change: dict[str, Any]) -> RawBSONDocument:
    return RawBSONDocument(bson.encode(change))


def test_published_events_become_rows() -> None:
    """Insert, update and delete, as the manual shows them, give document or key, and the time."""
    events = [event(raw(change), place="shop.plays") for change in PUBLISHED.values()]
    batch, rejected = rows(Documents("shop.plays"), [each for each in events if each])
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert rejected is None
    assert [{k: v for k, v in row.items() if v is not None} for row in batch.to_pylist()] == [
        {
            "_id": 1,
            "country": "SE",
            "n": 5,
            "_op": "insert",
            "_deleted": False,
            "_timestamp": moment,
        },
        {"_id": 1, "n": 6, "_op": "update", "_deleted": False, "_timestamp": moment},
        {"_id": 1, "country": "SE", "_op": "delete", "_deleted": True, "_timestamp": moment},
    ]
    assert batch.schema.field("_timestamp").type == pa.timestamp("s", "UTC")


def test_an_update_of_what_is_gone_since_is_no_row() -> None:
    """The looked-up document is null where a delete follows; that event takes the row away."""
    gone = raw(PUBLISHED["update"] | {"fullDocument": None})
    assert event(gone, place="shop.plays") is None


@pytest.mark.parametrize("operation", ["drop", "rename", "dropDatabase", "invalidate"])
def test_events_that_end_a_stream_are_said(operation: str) -> None:
    """A collection that is gone, or has another name, cannot be followed."""
    with pytest.raises(ConfigurationError, match=rf"shop.plays was dropped .*\({operation}\)"):
        event(raw({"_id": _ID, "operationType": operation}), place="shop.plays")


# ── orders of all types ──────────────────────────────────────────────────────────────────────


def test_ids_of_every_type_are_gone_on_from(make: Make, plays: Any) -> None:
    """MinKey to MaxKey: resuming after any id gives exactly those the server sorts behind it."""
    values = [MinKey(), None, -1, Decimal128("3.3"), 2**60, "", {"a": 1}, b"xx", True]
    values += [ObjectId(), datetime(2026, 1, 1, tzinfo=UTC), Timestamp(3, 4), MaxKey()]
    plays.insert_many({"_id": value, "n": n} for n, value in enumerate(values))
    source = make(cursor={"field": "_id"}, batch_size=1)
    chunks = read(source)
    order = [row["n"] for chunk in chunks for row in chunk.batch.to_pylist()]
    assert sorted(order) == list(range(len(values)))
    for position, chunk in enumerate(chunks):
        rest = read(source, json.loads(json.dumps(chunk.cursor)))
        assert [r["n"] for c in rest for r in c.batch.to_pylist()] == order[position + 1 :]
    parts = asyncio.run(source.partitions(3))
    split = [[r["n"] for c in read(part) for r in c.batch.to_pylist()] for part in parts]
    assert [n for part in split for n in part] == order


def test_equal_numbers_of_different_types_are_not_parted(make: Make, plays: Any) -> None:
    """1, 1.0 and decimal 1 are one value of an order, and so never on both sides of a cursor."""
    same = [1, 1.0, Int64(1), Decimal128("1"), Decimal128("1.0")]
    plays.insert_many({"_id": n, "at": at} for n, at in enumerate([0, *same * 4, 2, 3]))
    chunks = read(make(cursor={"field": "at"}, batch_size=3))
    holds = [{row["_id"] for row in chunk.batch.to_pylist()} for chunk in chunks]
    assert sorted(n for each in holds for n in each) == list(range(23))
    assert any(each >= set(range(1, 21)) for each in holds)


@pytest.mark.parametrize("value", [[1], bson.Regex("a"), bson.Code("f()")], ids=repr)
def test_what_orders_nothing_is_no_cursor(value: Any) -> None:
    """Arrays, regular expressions and code cannot be gone on from."""
    with pytest.raises(DataError, match="cannot be gone on from"):
        rank_of(value)


def test_conditions_of_special_numbers() -> None:
    """NaN stands before all numbers, and no comparison finds it (MongoDB's manual)."""
    after = Order("at").after(math.nan)["$or"]
    assert after[0]["at"]["$type"] == "number"
    assert math.isnan(after[0]["at"]["$ne"])
    upto = Order("at").upto(5)["$or"]
    assert {"at": {"$lte": 5}} in upto
    assert any(math.isnan(c["at"].get("$eq", 0)) for c in upto if isinstance(c["at"], dict))
    assert Order("at").after(MaxKey()) == {"_id": {"$in": []}}


@pytest.mark.parametrize(
    "value",
    [
        *(1, Int64(1), 1.0, Decimal128("1"), "x", b"x", True, None, {"b": 1, "a": 2}),
        *(bson.Binary(b"0123456789abcdef", 4), datetime(2026, 1, 1, tzinfo=UTC), Timestamp(1, 2)),
        *(MinKey(), MaxKey(), bson.DatetimeMS(2**60), ObjectId("65f0c0ffee65f0c0ffee65f0")),
    ],
    ids=repr,
)
def test_cursors_keep_the_type_of_a_value(value: Any) -> None:
    """What is saved as JSON is restored as the same BSON, byte by byte."""
    again = restored(json.loads(json.dumps(saved(value))))
    assert bson.encode({"v": again}) == bson.encode({"v": value})


def test_names_with_dots_and_dollars_are_fields_like_others(make: Make, plays: Any) -> None:
    """Field names may hold what paths are written with."""
    plays.insert_many({"_id": n, "a.b": n, "$c": {"d.e": [n]}} for n in range(40))
    (chunk,) = read(make())
    assert chunk.batch.to_pylist() == [{"_id": n, "a.b": n, "$c": {"d.e": [n]}} for n in range(40)]
