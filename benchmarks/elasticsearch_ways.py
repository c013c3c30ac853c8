"""Ways to read an index of Elasticsearch: `python -m benchmarks.elasticsearch_ways way rows`.

The clock starts when libraries are imported and stops at the last document; connecting counts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmarks import timed
from benchmarks.servers import credentials

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

INDEX = "plays"
SOURCE = {"type": "elasticsearch", "connection": "elasticsearch", "index": INDEX, "lists": ["tags"]}
_FIELDS: Mapping[str, Any] = {
    "event_id": {"type": "long"},
    "user_id": {"type": "long"},
    "user_name": {"type": "keyword"},
    "track": {"type": "text"},
    "duration_s": {"type": "integer"},
    "volume": {"type": "double"},
    "skipped": {"type": "boolean"},
    "played_at": {"type": "date"},
    "device": {"properties": {"os": {"type": "keyword"}, "volume": {"type": "integer"}}},
    "tags": {"type": "keyword"},
}


def _client() -> Elasticsearch:
    from elasticsearch import Elasticsearch

    place = credentials("elasticsearch")
    return Elasticsearch(f"http://{place.host}:{place.port}", request_timeout=120)


def fill(rows: int) -> Mapping[str, object]:
    """Index the documents, once for each node."""
    from elasticsearch import helpers

    from benchmarks.documents import documents

    client = _client()
    if not client.indices.exists(index=INDEX):
        settings = {"number_of_replicas": 0, "number_of_shards": 1, "refresh_interval": "-1"}
        client.indices.create(index=INDEX, settings=settings, mappings={"properties": _FIELDS})
        for batch in documents(rows):
            actions = ({"_index": INDEX, "_source": document} for document in batch)
            helpers.bulk(client, actions, chunk_size=len(batch))
        client.indices.refresh(index=INDEX)
        client.indices.forcemerge(index=INDEX, max_num_segments=1)
    return {"rows": rows}


def loop(_: int) -> Mapping[str, object]:
    """Page through a point in time with the official client, and drop the hits: its fastest way."""
    timed.import_all()
    client = _client()
    after: dict[str, Any] = {}
    began, found = time.perf_counter(), 0
    point = client.open_point_in_time(index=INDEX, keep_alive="5m")["id"]
    while True:
        answer = client.search(
            pit={"id": point, "keep_alive": "5m"},
            size=10_000,
            sort=["_shard_doc"],
            track_total_hits=False,
            **after,
        )
        hits = answer["hits"]["hits"]
        if not hits:
            break
        found, point = found + len(hits), answer["pit_id"]
        after = {"search_after": hits[-1]["sort"]}
    client.close_point_in_time(id=point)
    return {"rows": found, "seconds": time.perf_counter() - began}


def scan(_: int) -> Mapping[str, object]:
    """Scroll with the client's own helper, as most programs do."""
    from elasticsearch import helpers

    timed.import_all()
    client = _client()
    began = time.perf_counter()
    found = sum(1 for _ in helpers.scan(client, index=INDEX, size=10_000))
    return {"rows": found, "seconds": time.perf_counter() - began}


def source(_: int) -> Mapping[str, object]:
    """Read into Arrow by this package."""
    return timed.read(SOURCE)


def duckdb(_: int) -> Mapping[str, object]:
    """Import into DuckDB."""
    return timed.load(SOURCE, timed.duckdb_file("elasticsearch"))


WAYS = {way.__name__: way for way in (fill, loop, scan, source, duckdb)}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]))))
