"""MongoDB on FerretDB: the conformance suite, what is asked, and refusals."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.mongodb import MongodbConfig, MongodbSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.chunks import rows
from tests.core.sources.database.mongodb_plays import START, Make, collection, fill, ids, reading
from tests.services.mongodb import MongoDatabase

make = pytest.fixture(reading)
plays = pytest.fixture(collection)


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
