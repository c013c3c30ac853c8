"""MongoDB on FerretDB: the conformance suite, cursors, windows, partitions and refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.database.mongodb import MongodbConfig, MongodbSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.services.mongodb import MongoDatabase

START = datetime(2026, 1, 1, tzinfo=UTC)
Make = Callable[..., MongodbSource]


@pytest.fixture
def make(mongodb_database: MongoDatabase) -> Make:
    """Give a function from a Config's keys to a source of this test's database."""
    credentials, database = mongodb_database

    def source(**config: Any) -> MongodbSource:
        words = {"collection": "plays", "database": database.name, **config}
        return MongodbSource(MongodbConfig(**words), credentials=credentials)

    return source


@pytest.fixture
def plays(mongodb_database: MongoDatabase) -> Any:
    """Give a collection in which seven documents share each time; write to it what a test needs."""
    return mongodb_database.database.plays


def fill(collection: Any, count: int = 420) -> None:
    collection.insert_many(
        {"_id": i, "played_at": START + timedelta(seconds=i // 7), "track": {"name": f"t{i}"}}
        for i in range(1, count + 1)
    )


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def ids(chunks: list[Chunk]) -> list[Any]:
    return [row["_id"] for row in rows(chunks)]


class _Plays(SourceConformance):
    libraries = ("pandas", "pymongo", "bson", "numpy", "duckdb")
    config: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _collection(self, mongodb_database: MongoDatabase) -> None:
        self.credentials, self.database = mongodb_database
        fill(self.database.plays)

    def _source(self, credentials: Credentials | None = None, **config: Any) -> MongodbSource:
        words = {"collection": "plays", "database": self.database.name, "batch_size": 30}
        checked = MongodbConfig(**{**words, **self.config, **config})
        return MongodbSource(checked, credentials=credentials or self.credentials)

    def make_source(self) -> MongodbSource:
        return self._source()

    def make_empty(self) -> MongodbSource:
        return self._source(filter={"_id": {"$lt": 0}})

    def make_bad_credentials(self) -> MongodbSource:
        values = self.credentials.model_dump() | {"password": "wrong-but-unmistakable"}
        return self._source(Credentials(**values))

    def add_more(self) -> int:
        self.database.plays.insert_many(
            {"_id": i, "played_at": START + timedelta(days=30), "track": None}
            for i in range(2001, 2004)
        )
        return 3


class TestById(_Plays):
    """By ``_id``."""

    expected_rows = 420
    config = {"cursor": {"field": "_id"}}  # noqa: RUF012


class TestByTime(_Plays):
    """By a field whose values seven documents share, and that is not among those read."""

    expected_rows = 420
    config = {"cursor": {"field": "played_at"}, "projection": {"track": 1}}  # noqa: RUF012


class TestByNestedField(_Plays):
    """By a field inside an object."""

    expected_rows = 420
    config = {"cursor": {"field": "track.name"}}  # noqa: RUF012

    def add_more(self) -> int:
        self.database.plays.insert_one({"_id": 5000, "track": {"name": "zzz"}})
        return 1


class TestPipeline(_Plays):
    """By a field of an aggregation's result."""

    expected_rows = 61
    config = {  # noqa: RUF012
        "pipeline": [{"$group": {"_id": "$played_at", "plays": {"$sum": 1}}}],
        "cursor": {"field": "_id"},
        "batch_size": 9,
    }

    def make_empty(self) -> MongodbSource:
        return self._source(pipeline=[{"$match": {"_id": {"$lt": 0}}}])

    def add_more(self) -> int:
        super().add_more()
        return 1


class TestWholeCollection(_Plays):
    """Without a cursor: everything, each time."""

    expected_rows = 420
    incremental = False
    config = {}  # noqa: RUF012


class TestWholePipeline(_Plays):
    """A pipeline without a cursor goes on by counting."""

    expected_rows = 220
    incremental = False
    config = {  # noqa: RUF012
        "pipeline": [{"$match": {"_id": {"$gt": 200}}}, {"$sort": {"_id": 1}}]
    }

    def make_empty(self) -> MongodbSource:
        return self._source(pipeline=[{"$match": {"_id": {"$lt": 0}}}])


# ── the cursor ───────────────────────────────────────────────────────────────────────────────


def test_ids_of_any_type_are_gone_on_from(make: Make, plays: Any) -> None:
    """A sort goes through all types, a comparison through one: resuming after any id is exact."""
    values = [None, 1.5, 2**60, -7, "", "a", {"a": 1}, {"a": 1, "b": 2}, b"xx", True, False]
    values += [ObjectId(), ObjectId(), START, START + timedelta(1)]
    plays.insert_many({"_id": value, "n": n} for n, value in enumerate(values))
    source = make(cursor={"field": "_id"}, batch_size=1)
    chunks = read(source)
    assert sorted(row["n"] for row in rows(chunks)) == list(range(len(values)))
    for position, chunk in enumerate(chunks):
        rest = [row["n"] for row in rows(read(source, json.loads(json.dumps(chunk.cursor))))]
        assert rest == [row["n"] for row in rows(chunks[position + 1 :])]


def test_documents_without_the_field_come_once_at_the_beginning(make: Make, plays: Any) -> None:
    """Null and absent are read first, together; later reads do not see them again."""
    plays.insert_many(
        {"_id": n} | ({"at": n // 4} if n % 5 else {"at": None} if n % 2 else {}) for n in range(50)
    )
    source = make(cursor={"field": "at"}, batch_size=7)
    chunks = read(source)
    assert sorted(ids(chunks)) == list(range(50))
    assert {*ids(chunks[:1])} >= {0, 5, 10, 45}
    resumed = ids(read(source, chunks[0].cursor))
    assert sorted(resumed) == sorted(ids(chunks[1:]))
    plays.insert_one({"_id": 99})
    assert read(source, chunks[-1].cursor) == []


def test_one_value_shared_by_more_than_a_batch_is_not_parted(make: Make, plays: Any) -> None:
    """However many documents share a value, a cursor never stands among them."""
    plays.insert_many({"_id": n, "at": (n >= 5) + (n >= 95)} for n in range(100))
    chunks = read(make(cursor={"field": "at"}, batch_size=10))
    assert [len(ids([chunk])) for chunk in chunks] == [5, 90, 5]


@pytest.mark.parametrize(
    ("field", "lookback", "value", "again"),
    [
        ("at", "2h", lambda n: START + timedelta(hours=n), [7, 8, 9]),
        ("at", 3, lambda n: n, [6, 7, 8, 9]),
        ("at", 0.5, None, None),
        ("_id", "2h", lambda n: ObjectId.from_datetime(START + timedelta(hours=n)), [7, 8, 9]),
    ],
)
def test_lookback_reads_again_what_may_have_come_late(
    make: Make, plays: Any, field: str, lookback: Any, value: Any, again: Any
) -> None:
    """A new read goes back by the lookback; a read cut short does not."""
    if value is None:
        with pytest.raises(ValidationError):
            make(cursor={"field": field, "lookback": "nonsense"})
        return
    plays.insert_many({"_id": n, "n": n, field: value(n)} for n in range(10))
    source = make(cursor={"field": field, "lookback": lookback}, batch_size=4)
    chunks = read(source)
    assert [row["n"] for row in rows(read(source, chunks[-1].cursor))] == again
    assert rows(read(source, chunks[0].cursor)) == rows(chunks[1:])


def test_a_lookback_must_suit_its_field(make: Make, plays: Any) -> None:
    """A lookback that cannot be subtracted is a mistake in the configuration."""
    fill(plays, 10)
    source = make(cursor={"field": "_id", "lookback": "1h"})
    with pytest.raises(ConfigurationError, match="a duration for dates"):
        read(source, read(source)[-1].cursor)


def test_the_cursor_of_another_field_is_refused(make: Make, plays: Any) -> None:
    """Going by another field than before needs a full refresh."""
    fill(plays, 10)
    last = read(make(cursor={"field": "_id"}))[-1].cursor
    with pytest.raises(ConfigurationError, match=r"of _id, .* played_at; .* full refresh"):
        read(make(cursor={"field": "played_at"}), last)


def test_an_array_is_no_cursor(make: Make, plays: Any) -> None:
    """A document that stands at several places of an order has none."""
    plays.insert_many({"_id": n, "at": [n, n + 1]} for n in range(3))
    with pytest.raises(DataError, match="an array in some documents"):
        read(make(cursor={"field": "at"}))


def test_windows(make: Make, plays: Any) -> None:
    """A window gives start included to end excluded, whatever the cursor; it needs a time."""
    fill(plays)
    window = Window(start=START + timedelta(seconds=10), end=START + timedelta(seconds=12))
    source = make(cursor={"field": "played_at"})
    last = read(source)[-1].cursor

    async def found(source: MongodbSource) -> list[int]:
        return [r["_id"] async for c in source.read(last, window) for r in c.batch.to_pylist()]

    assert asyncio.run(found(source)) == list(range(70, 84))
    assert asyncio.run(source.is_ready(last, window)) is True
    with pytest.raises(ConfigurationError, match="needs a time"):
        asyncio.run(found(make()))
    with pytest.raises(ConfigurationError, match="dates or ObjectIds; _id holds"):
        asyncio.run(found(make(cursor={"field": "_id"})))


def test_windows_of_object_ids(make: Make, plays: Any) -> None:
    """An ObjectId holds the second it was made in; a window of fractions takes whole ones."""
    plays.insert_many(
        {"_id": ObjectId.from_datetime(START + timedelta(seconds=n)), "n": n} for n in range(20)
    )
    source = make(cursor={"field": "_id"})
    start = START + timedelta(seconds=4, milliseconds=500)
    window = Window(start=start, end=start + timedelta(seconds=3))

    async def found() -> list[int]:
        return [r["n"] async for c in source.read(None, window) for r in c.batch.to_pylist()]

    assert asyncio.run(found()) == [5, 6, 7]


# ── what is asked ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"projection": {"track": 1, "_id": 0}}, {"track"}),
        ({"projection": {"track.name": 1}}, {"_id", "track"}),
        ({"projection": {"played_at": 0}, "cursor": {"field": "played_at"}}, {"_id", "track"}),
        ({"projection": {"_id": 0}, "cursor": {"field": "played_at"}}, {"played_at", "track"}),
        ({"projection": {"_id": 1}, "cursor": {"field": "played_at"}}, {"_id"}),
        ({"projection": '{"track": 1}', "cursor": {"field": "track.name"}}, {"_id", "track"}),
    ],
)
def test_a_projection_gives_what_it_names(
    make: Make, plays: Any, config: dict[str, Any], names: set[str]
) -> None:
    """The cursor's field is read all the same, and left out where it was not asked for."""
    fill(plays, 20)
    chunks = read(make(**config, batch_size=6))
    assert {name for chunk in chunks for name in chunk.batch.schema.names} == names
    assert sum(chunk.batch.num_rows for chunk in chunks) == 20


def test_filters_are_extended_json(make: Make, plays: Any) -> None:
    """Dates and ids are written as Extended JSON, in text or YAML; a date of YAML works, too."""
    fill(plays, 70)
    moment = START + timedelta(seconds=8)
    for filter in (
        {"played_at": {"$gte": {"$date": moment.isoformat()}}},
        {"played_at": {"$gte": moment}},
        json.dumps({"played_at": {"$gte": {"$date": moment.isoformat()}}}),
    ):
        assert ids(read(make(filter=filter))) == list(range(56, 71))


@pytest.mark.parametrize(
    "config",
    [
        {"filter": {"$where": "sleep(1000)"}},
        {"filter": {"$or": [{"a": {"$not": {"$where": "1"}}}]}},
        {"filter": '{"$where": "1"}'},
        {"filter": "{"},
        {"pipeline": [{"$project": {"a": {"$function": {"body": "f", "args": [], "lang": "js"}}}}]},
        {"pipeline": [{"$group": {"_id": 1, "a": {"$accumulator": {}}}}]},
        {"pipeline": [{"$out": "elsewhere"}]},
        {"pipeline": [{"$facet": {"a": [{"$merge": "elsewhere"}]}}]},
        {"pipeline": [{"$changeStream": {}}]},
        {"pipeline": [], "filter": {"a": 1}},
        {"mode": "changes", "filter": {"a": 1}},
        {"until": {"rows": 3}},
        {"collection": ""},
    ],
    ids=str,
)
def test_what_is_refused(config: dict[str, Any]) -> None:
    """Code on the server, writing, and keys that do not go together are refused beforehand."""
    with pytest.raises(ValidationError):
        MongodbConfig(**{"collection": "plays", **config})


# ── partitions ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("config", [{}, {"cursor": {"field": "played_at"}}], ids=str)
def test_partitions_are_bounded_and_joined(make: Make, plays: Any, config: dict[str, Any]) -> None:
    """Partitions give every document once, some each; what comes later is after their cursor."""
    fill(plays)
    source = make(**config, batch_size=50)
    parts = asyncio.run(source.partitions(4))
    fill_late = {"_id": 9000, "played_at": START + timedelta(days=9)}
    plays.insert_one(fill_late)
    read_by = [read(part) for part in parts]
    assert len(parts) == 4
    assert all(read_by)
    assert sorted(i for chunks in read_by for i in ids(chunks)) == list(range(1, 421))
    cursor = source.joined([chunks[-1].cursor if chunks else None for chunks in read_by])
    if config:
        assert ids(read(source, cursor)) == [9000]
        assert source.joined([None, None]) is None


def test_partitions_begin_after_the_cursor(make: Make, plays: Any) -> None:
    """Partitions of what is new hold nothing of what was read."""
    fill(plays, 200)
    source = make(cursor={"field": "_id"})
    last = read(source)[-1].cursor
    fill_more = [{"_id": i} for i in range(201, 301)]
    plays.insert_many(fill_more)
    parts = asyncio.run(source.partitions(3, last))
    assert len(parts) == 3
    found = sorted(i for part in parts for i in ids(read(part, last)))
    assert found == list(range(201, 301))


# ── what can go wrong ────────────────────────────────────────────────────────────────────────


def test_a_missing_collection_offers_the_nearest(make: Make, plays: Any) -> None:
    """A collection that is not there comes with what may have been meant."""
    fill(plays, 1)
    for attempt in (read, lambda source: asyncio.run(source.is_ready(None))):
        with pytest.raises(ConfigurationError, match="did you mean 'plays'"):
            attempt(make(collection="play"))
    health = asyncio.run(make(collection="play").check())
    assert not health.ok
    assert "did you mean 'plays'" in health.message


def test_refusals_are_told_apart(make: Make, plays: Any) -> None:
    """Wrong password, no password, no server, wrong option: each its own error."""
    fill(plays, 1)

    def attempt(**changes: Any) -> None:
        source = make()
        credentials = Credentials(**(source.credentials.model_dump() | changes))
        read(MongodbSource(source.config, credentials=credentials))

    with pytest.raises(AuthenticationError, match="Authentication failed"):
        attempt(password="wrong")
    with pytest.raises(AuthenticationError, match="requires authentication"):
        attempt(login=None, password=None)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9: .*refused"):
        attempt(port=9, extra={"serverSelectionTimeoutMS": 300})
    with pytest.raises(ConfigurationError, match="sortofTimeout"):
        attempt(extra={"sortofTimeoutMS": 300})


def test_a_pipeline_the_server_refuses_is_a_mistake_of_the_configuration(
    make: Make, plays: Any
) -> None:
    """No retry helps a stage that the server does not know."""
    fill(plays, 1)
    with pytest.raises(ConfigurationError, match="nonsense"):
        read(make(pipeline=[{"$nonsense": {}}]))


def test_changes_need_a_server_that_has_them(make: Make, plays: Any) -> None:
    """A server without change streams is told apart from one that is wrong."""
    fill(plays, 1)
    with pytest.raises(ConfigurationError, match=r"has no change streams .* replica set"):
        read(make(mode="changes"))


def test_large_documents_come_a_few_at_a_time(make: Make, plays: Any) -> None:
    """Documents near the limit of 16 MB are read; the batch size bounds what is in memory."""
    for n in range(2):
        plays.insert_one({"_id": n, "text": "x" * (15 << 20)})
    chunks = read(make(cursor={"field": "_id"}, batch_size=1))
    assert [chunk.batch.num_rows for chunk in chunks] == [1, 1]
    assert all(len(row["text"]) == 15 << 20 for row in rows(chunks))


@pytest.mark.parametrize(
    ("credentials", "namespace"),
    [
        ({"host": "db.example.org", "port": 27018}, "mongodb://db.example.org:27018"),
        ({"host": "db.example.org"}, "mongodb://db.example.org:27017"),
        ({"host": "a.example.org:1,b.example.org:2"}, "mongodb://a.example.org:1,b.example.org:2"),
        ({"host": "x.mongodb.net", "extra": {"srv": True}}, "mongodb://x.mongodb.net"),
    ],
)
def test_datasets_are_named_as_openlineage_does(
    credentials: dict[str, Any], namespace: str
) -> None:
    """The namespace is the server, the name database and collection."""
    known = Credentials(**credentials, database="shop")
    source = MongodbSource(MongodbConfig(collection="plays"), credentials=known)
    assert source.dataset() == (namespace, "shop.plays")
