"""Indices of one test on a node of Elasticsearch, and the documents that tests put there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.database.elasticsearch import (
    ElasticsearchConfig,
    ElasticsearchSource,
)
from tests.services.elasticsearch import call

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PLAYS: Mapping[str, Any] = {
    "at": {"type": "date"},
    "key": {"type": "keyword"},
    "n": {"type": "integer"},
    "track": {"type": "text"},
    "kind": {"type": "keyword"},
    "device": {"properties": {"os": {"type": "keyword"}, "volume": {"type": "integer"}}},
}
Document = Mapping[str, Any]


class Indices:
    """Indices of one test, which go away with it."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.prefix = f"t{uuid.uuid4().hex[:10]}"

    def __getitem__(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def index(self, name: str, fields: Mapping[str, Any] | None = None, **settings: Any) -> str:
        """Create an index without replicas, seen only after ``refresh``."""
        mappings = {"properties": dict(fields)} if fields is not None else {}
        settings = {"number_of_replicas": 0, "refresh_interval": "-1", **settings}
        call(self.credentials, "PUT", self[name], {"settings": settings, "mappings": mappings})
        return self[name]

    def add(self, name: str, documents: Sequence[Document], *, refresh: bool = True) -> None:
        """Index documents; ``_id`` is taken out of them, if they have it."""
        lines: list[Any] = []
        for document in documents:
            kept = dict(document)
            own = {"_id": kept.pop("_id")} if "_id" in kept else {}
            lines += [{"index": own}, kept]
        path = f"{self[name]}/_bulk?refresh={'true' if refresh else 'false'}"
        assert not (said := call(self.credentials, "POST", path, lines))["errors"], said

    def source(self, name: str = "plays", **words: Any) -> ElasticsearchSource:
        config = ElasticsearchConfig(**{"index": self[name], **words})
        return ElasticsearchSource(config, credentials=self.credentials)

    @property
    def open_contexts(self) -> int:
        """How many searches and points in time the node holds of these indices."""
        stats = call(self.credentials, "GET", f"{self.prefix}-*/_stats/search")
        return int(stats["_all"]["total"]["search"]["open_contexts"])


@pytest.fixture
def indices(elasticsearch: Credentials) -> Iterator[Indices]:
    """Give names of this test alone."""
    with Made(elasticsearch) as found:
        yield found


class Made:
    """Delete what a test created, however it ends."""

    def __init__(self, credentials: Credentials) -> None:
        self._cluster = Indices(credentials)

    def __enter__(self) -> Indices:
        return self._cluster

    def __exit__(self, *_: object) -> None:
        credentials = self._cluster.credentials
        found = call(credentials, "GET", f"_resolve/index/{self._cluster.prefix}-*")["indices"]
        for each in found:
            call(credentials, "DELETE", each["name"])


def play(i: int) -> Document:
    """Several plays share a time; the documents are nested, and some hold a list."""
    at = (BEGIN + timedelta(milliseconds=250 * (i // 7))).isoformat(timespec="milliseconds")
    device = {"os": "ios" if i % 3 else "linux", "volume": i % 100}
    return {
        "_id": f"p{i}",
        "key": f"{i:05}",
        "at": at,
        "n": i,
        "track": f"track {i}",
        "device": device,
    } | ({"kind": ["a", "b"]} if i % 2 else {"kind": "a"})


def plays(indices: Indices, count: int = 1000, **settings: Any) -> None:
    indices.index("plays", PLAYS, **settings)
    indices.add("plays", [play(i) for i in range(count)])


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def ids(chunks: list[Chunk]) -> list[str]:
    return [row["_id"] for row in rows(chunks)]
