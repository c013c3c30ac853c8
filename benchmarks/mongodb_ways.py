"""Ways to read a collection of MongoDB's protocol: `python -m benchmarks.mongodb_ways way rows`.

The clock starts when libraries are imported and stops at the last document; connecting counts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks import timed
from benchmarks.servers import credentials

if TYPE_CHECKING:
    from pymongoarrow.schema import Schema

DATABASE, COLLECTION = "bench", "plays"
BATCH = 8_192
"""Documents of one answer, for every way: this package's default."""
SOURCE = {
    "type": "mongodb",
    "connection": "mongodb",
    "database": DATABASE,
    "collection": COLLECTION,
}


def fill(rows: int) -> Mapping[str, object]:
    """Insert the documents, once for each server."""
    from airflow_provider_spotify.core.clients.mongo import connect
    from benchmarks.documents import documents

    with connect(credentials("mongodb")) as client:
        collection = client[DATABASE][COLLECTION]
        if collection.find_one() is None:
            for batch in documents(rows):
                collection.insert_many(batch)
    return {"rows": rows}


def raw(_: int, **options: Any) -> Mapping[str, object]:
    """Read undecoded BSON by pymongo; documents are counted when the clock has stopped.

    Batches need a size, for this server would answer with more than the driver takes at once.
    """
    import pymongo

    timed.import_all()
    place = credentials("mongodb")
    began = time.perf_counter()
    with pymongo.MongoClient[Any](place.host, place.port) as client:
        found = list(client[DATABASE][COLLECTION].find_raw_batches({}, batch_size=BATCH, **options))
        taken = time.perf_counter() - began
    return {"rows": sum(1 for batch in found for _ in _documents(batch)), "seconds": taken}


def sorted_raw(_: int) -> Mapping[str, object]:
    """Do the same in the order in which this package reads."""
    return raw(0, sort=[("_id", 1)])


def _documents(batch: bytes) -> Iterator[int]:
    """Yield where each document begins; each begins with its length."""
    start = 0
    while start < len(batch):
        yield start
        start += int.from_bytes(batch[start : start + 4], "little")


def arrow(_: int) -> Mapping[str, object]:
    """Read into Arrow by pymongoarrow, which is given the schema."""
    import pymongo
    from pymongoarrow.api import find_arrow_all

    timed.import_all()
    place, schema = credentials("mongodb"), _schema()
    began = time.perf_counter()
    with pymongo.MongoClient[Any](place.host, place.port) as client:
        collection = client[DATABASE][COLLECTION]
        found = find_arrow_all(collection, {}, schema=schema, batch_size=BATCH)
    return {"rows": found.num_rows, "seconds": time.perf_counter() - began}


def _schema() -> Schema:
    import pyarrow as pa
    from pymongoarrow.api import Schema
    from pymongoarrow.types import ObjectIdType

    return Schema(
        {
            "_id": ObjectIdType(),
            "event_id": pa.int64(),
            "user_id": pa.int64(),
            "user_name": pa.string(),
            "track": pa.string(),
            "duration_s": pa.int64(),
            "volume": pa.float64(),
            "skipped": pa.bool_(),
            "played_at": pa.timestamp("ms"),
            "device": pa.struct([("os", pa.string()), ("volume", pa.int64())]),
            "tags": pa.list_(pa.string()),
        }
    )


def source(_: int) -> Mapping[str, object]:
    """Read into Arrow by this package, which finds the types."""
    return timed.read(SOURCE)


def duckdb(_: int) -> Mapping[str, object]:
    """Import into DuckDB."""
    return timed.load(SOURCE, timed.duckdb_file("mongodb"))


WAYS = {way.__name__: way for way in (fill, raw, sorted_raw, arrow, source, duckdb)}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]))))
