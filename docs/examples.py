"""One example of each source: the words of its YAML, which are those of its operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Example(NamedTuple):
    """What an import says.

    :param source: the options of the source, without its connection
    :param settings: what else is worth showing with it
    """

    source: Mapping[str, Any]
    settings: Mapping[str, Any]


_BY_ID = {"write": {"mode": "merge", "key": ["id"]}}
_DAILY = {"schedule": "@daily"}
_FLOWING = {"flush": {"within": "1s", "run_for": "1h"}}

EXAMPLES: Mapping[str, Example] = {
    "avro": Example({"path": "s3://acme-drop/plays/*.avro"}, _DAILY),
    "clickhouse": Example({"table": "plays", "cursor": {"column": "played_at"}}, _DAILY),
    "csv": Example({"path": "s3://acme-drop/plays/*.csv.gz", "delimiter": ";"}, _DAILY),
    "elasticsearch": Example(
        {"index": "plays-*", "query": {"term": {"skipped": False}}, "cursor": {"field": "at"}},
        {"partitions": 4, **_DAILY},
    ),
    "event_hubs": Example({"event_hubs": ["plays"], "consumer_group": "imports"}, _FLOWING),
    "excel": Example({"path": "s3://acme-drop/royalties/*.xlsx", "sheet": "2026"}, _DAILY),
    "jsonl": Example({"path": "s3://acme-drop/events/*.jsonl.gz"}, _DAILY),
    "kafka": Example({"topics": ["plays"], "format": "json", "group": "acme-imports"}, _FLOWING),
    "mongodb": Example(
        {"collection": "users", "filter": {"active": True}, "cursor": {"field": "updated_at"}},
        {"write": {"mode": "merge", "key": ["_id"]}, **_DAILY},
    ),
    "parquet": Example({"path": "s3://acme-lake/plays/*.parquet", "columns": ["id", "at"]}, _DAILY),
    "postgresql": Example(
        {"table": "plays", "cursor": {"column": "updated_at", "lookback": "10m"}},
        {"partitions": 4, **_BY_ID, **_DAILY},
    ),
    "pulsar": Example({"topics": ["acme/music/plays"], "subscription": "imports"}, _FLOWING),
    "redis": Example({"pattern": "user:*", "type": "hash"}, {"write": {"mode": "replace"}}),
    "redis_streams": Example({"streams": ["plays"], "group": "imports"}, _FLOWING),
    "rest": Example({"path": "/v1/contracts", "records": "data"}, _BY_ID),
    "spotify": Example({"resource": "playlist_items", "ids": ["3cEYpjA9oz9GiPac4AsH4n"]}, _DAILY),
    "websocket": Example(
        {"url": "wss://stream.example.com/plays", "subscribe": ['{"channel": "plays"}']}, _FLOWING
    ),
}
