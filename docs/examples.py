"""One example of each source: the words of its YAML, which are those of its operator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from airflow_provider_spotify.core import registry


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
    "amplitude": Example(
        {"resource": "events", "start": "2026-01-01T00:00:00Z"},
        {"write": {"mode": "merge", "key": ["uuid"]}, **_DAILY},
    ),
    "avro": Example({"path": "s3://acme-drop/plays/*.avro"}, _DAILY),
    "clickhouse": Example({"table": "plays", "cursor": {"column": "played_at"}}, _DAILY),
    "csv": Example({"path": "s3://acme-drop/plays/*.csv.gz", "delimiter": ";"}, _DAILY),
    "elasticsearch": Example(
        {"index": "plays-*", "query": {"term": {"skipped": False}}, "cursor": {"field": "at"}},
        {"partitions": 4, **_DAILY},
    ),
    "event_hubs": Example({"event_hubs": ["plays"], "consumer_group": "imports"}, _FLOWING),
    "excel": Example({"path": "s3://acme-drop/royalties/*.xlsx", "sheet": "2026"}, _DAILY),
    "google_analytics": Example(
        {
            "properties": ["213025502"],
            "dimensions": ["country", "eventName"],
            "metrics": ["activeUsers", "eventCount"],
            "start": "2026-01-01T00:00:00Z",
        },
        {
            "write": {"mode": "merge", "key": ["_property", "date", "country", "event_name"]},
            **_DAILY,
        },
    ),
    "graphql": Example(
        {
            "query": "query ($after: String, $since: DateTime) {\n"
            "  issues(first: 100, after: $after, updatedSince: $since) {\n"
            "    nodes { id title state updatedAt }\n"
            "    pageInfo { hasNextPage endCursor }\n"
            "  }\n"
            "}\n",
            "records": "issues.nodes",
            "pagination": {"kind": "relay"},
            "incremental": {"variable": "since", "field": "updatedAt"},
        },
        {**_BY_ID, **_DAILY},
    ),
    "instagram": Example(
        {"resource": "media_insights", "accounts": ["17841405822304914"]}, {**_BY_ID, **_DAILY}
    ),
    "jsonl": Example({"path": "s3://acme-drop/events/*.jsonl.gz"}, _DAILY),
    "kafka": Example({"topics": ["plays"], "format": "json", "group": "acme-imports"}, _FLOWING),
    "lastfm": Example(
        {"resource": "recent_tracks", "users": ["rj"], "start": "2026-01-01T00:00:00Z"},
        {"write": {"mode": "merge", "key": ["user", "played_at", "artist", "name"]}, **_DAILY},
    ),
    "mixpanel": Example(
        {"resource": "export", "start": "2026-01-01T00:00:00Z"},
        {
            "write": {"mode": "merge", "key": ["distinct_id", "time", "event", "insert_id"]},
            **_DAILY,
        },
    ),
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
    "redis": Example({"match": "user:*", "data_type": "hash"}, {"write": {"mode": "replace"}}),
    "redis_streams": Example({"streams": ["plays"], "group": "imports"}, _FLOWING),
    "rest": Example({"path": "/v1/contracts", "records": "data"}, _BY_ID),
    "segment": Example(
        {"resource": "events", "path": "s3://acme-segment", "sources": ["mnVRbFEG8V"]},
        {"write": {"mode": "merge", "key": ["message_id"]}, **_DAILY},
    ),
    "soundcloud": Example(
        {"resource": "user_tracks", "users": ["soundcloud:users:948745750"]},
        {"write": {"mode": "merge", "key": ["urn"]}, **_DAILY},
    ),
    "spotify": Example(
        {"resource": "recently_played"},
        {
            "write": {"mode": "merge", "key": ["played_at", "id"]},
            "schedule": "*/20 * * * *",
        },
    ),
    "tiktok": Example({"resource": "videos"}, {**_BY_ID, **_DAILY}),
    "twitter": Example(
        {"resource": "search_recent", "queries": ["from:acme -is:retweet"]},
        {"budget": {"cost": 5}, **_BY_ID, "schedule": "@hourly"},
    ),
    "websocket": Example(
        {"url": "wss://stream.example.com/plays", "subscribe": ['{"channel": "plays"}']}, _FLOWING
    ),
}


def document(name: str) -> dict[str, Any]:
    """Return an example as one import of a tenant's YAML."""
    example, conn_type = EXAMPLES[name], registry.source(name).conn_type
    connection = {"connection": f"acme__{conn_type}"} if conn_type else {}
    return {"source": {"type": name, **connection, **example.source}, **example.settings}


class _Blocks(yaml.SafeDumper):
    """Writes a text of several lines as a block."""


_Blocks.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def in_yaml(name: str) -> str:
    """Return an example as YAML, below ``imports:``."""
    written = yaml.dump(
        {f"{name}_example": document(name)},
        Dumper=_Blocks,
        sort_keys=False,
        default_flow_style=None,
        width=100,
        allow_unicode=True,
    )
    return f"```yaml\nimports:\n{_indented(written)}\n```"


def in_python(name: str) -> str:
    """Return the same as an operator of a hand-written DAG."""
    from airflow_provider_spotify.hooks.options import connection_argument, options
    from airflow_provider_spotify.operators.registry import class_name

    example, family = EXAMPLES[name], registry.family(name)
    arguments = {option.key: option.argument for option in options(name)}
    words: dict[str, Any] = {}
    if argument := connection_argument(name):
        words[argument] = f"acme__{registry.source(name).conn_type}"
    words |= {arguments[key]: value for key, value in example.source.items()}
    words |= {"destination": "acme__warehouse", "table": f"{name}_example"}
    settings = dict(example.settings)
    settings.pop("schedule", None)  # the DAG's
    partitions = settings.pop("partitions", None)
    lines = [f"    {key}={_written(value)}," for key, value in (words | settings).items()]
    kind = class_name(name)
    head = f"from airflow_provider_spotify.operators.{family} import {kind}\n"
    call = [f"{kind}(", f'    task_id="{name}_example",', *lines, ")"]
    if partitions:
        head += "from airflow_provider_spotify.operators.partitioned import partitioned\n"
        call = ["partitioned(", f"    {kind},", f'    task_id="{name}_example",']
        call += [f"    partitions={partitions},", *lines, ")"]
    text = "\n".join(call)
    return f"```python\n{head}\n{text}\n```"


def _written(value: Any) -> str:
    """Write a value as Python does with double quotes: JSON but for three words."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    plain = isinstance(value, str) and '"' not in value
    return json.dumps(value, ensure_ascii=False) if plain else repr(value)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.rstrip().splitlines())
