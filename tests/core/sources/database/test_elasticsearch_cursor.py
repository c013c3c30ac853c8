"""Elasticsearch read by a cursor field, in windows and in parts: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.sources.database.elasticsearch import ElasticsearchSource
from airflow_provider_spotify.core.testing.sources import read
from tests.services.elastic_indices import BEGIN, PLAYS, Indices, ids, play, plays
from tests.services.elasticsearch import call


@pytest.mark.parametrize(
    ("mapping", "value"),
    [
        ({"type": "long"}, lambda i: i // 9),
        ({"type": "double"}, lambda i: (i // 9) / 10),
        ({"type": "float"}, lambda i: (i // 9) / 10),
        ({"type": "keyword"}, lambda i: f"k{i // 9:05}å"),
        ({"type": "date"}, lambda i: f"2026-01-{1 + i // 9:02}"),
    ],
)
def test_any_sortable_type_can_be_the_cursor(
    indices: Indices, mapping: Mapping[str, Any], value: Callable[[int], Any]
) -> None:
    """Cuts never part documents of one value, so that resuming after any cut gives the rest."""
    indices.index("t", {"k": mapping}, number_of_shards=3)
    indices.add("t", [{"_id": str(i), "k": value(i)} for i in range(150)])
    source = indices.source("t", cursor={"field": "k"}, batch_size=11)
    chunks = read(source)
    assert len(chunks) > 5
    assert Counter(ids(chunks)) == Counter(map(str, range(150)))
    for position, chunk in enumerate(chunks):
        rest = read(source, json.loads(json.dumps(chunk.cursor)))
        assert Counter(ids(rest)) == Counter(ids(chunks[position + 1 :]))


def test_documents_without_a_value_come_once_at_the_end(indices: Indices) -> None:
    """Documents without the field are read by the first read, also when that is cut short."""
    indices.index("t", {"k": {"type": "long"}})
    given = [{"_id": str(i)} | ({"k": i} if i % 3 else {}) for i in range(30)]
    indices.add("t", given)
    source = indices.source("t", cursor={"field": "k"}, batch_size=4)
    chunks = read(source)
    assert Counter(ids(chunks)) == Counter(map(str, range(30)))
    for position, chunk in enumerate(chunks):
        assert ids(read(source, chunk.cursor)) == ids(chunks[position + 1 :])
    assert read(source, chunks[-1].cursor) == []
    assert asyncio.run(source.is_ready(chunks[-1].cursor)) is False


def test_several_values_in_the_cursor_field_count_by_the_least(indices: Indices) -> None:
    """A document with several values is read once, though it matches each of them."""
    indices.index("t", {"k": {"type": "long"}})
    indices.add("t", [{"_id": "a", "k": [1, 9]}, {"_id": "b", "k": 3}, {"_id": "c", "k": [5, 7]}])
    source = indices.source("t", cursor={"field": "k"}, batch_size=1, lists=["k"])
    chunks = read(source)
    assert ids(chunks) == ["a", "b", "c"]
    assert ids(read(source, chunks[0].cursor)) == ["b", "c"]
    assert read(source, chunks[-1].cursor) == []


@pytest.mark.parametrize(
    ("kind", "value", "lookback"),
    [("date", lambda i: f"2026-01-01T{i:02}:00:00Z", "2h"), ("long", lambda i: i, 2)],
)
def test_lookback_reads_again_what_may_have_come_late(
    indices: Indices, kind: str, value: Callable[[int], Any], lookback: Any
) -> None:
    """A new read goes back by the lookback and finds what came late; one cut short does not."""
    indices.index("t", {"k": {"type": kind}})
    indices.add("t", [{"_id": str(i), "k": value(i)} for i in range(10)])
    source = indices.source("t", cursor={"field": "k", "lookback": lookback}, batch_size=4)
    chunks = read(source)
    assert ids(read(source, chunks[0].cursor)) == ids(chunks[1:])
    indices.add("t", [{"_id": "late", "k": value(8)}])
    assert Counter(ids(read(source, chunks[-1].cursor))) == Counter(["8", "9", "late"])


def test_delay_leaves_the_newest_to_the_next_read(indices: Indices) -> None:
    """Documents younger than the delay are not read yet, so none that is seen late is passed by."""
    indices.index("t", {"at": {"type": "date"}})
    now = datetime.now(UTC)
    old, young = ((now - timedelta(seconds=s)).isoformat() for s in (3600, 5))
    indices.add("t", [{"_id": "old", "at": old}, {"_id": "young", "at": young}])
    source = indices.source("t", cursor={"field": "at", "delay": "10m"})
    chunks = read(source)
    assert ids(chunks) == ["old"]
    assert asyncio.run(source.is_ready(chunks[-1].cursor)) is False
    later = indices.source("t", cursor={"field": "at"})
    assert ids(read(later, chunks[-1].cursor)) == ["young"]


def test_what_is_not_refreshed_is_not_there_yet(indices: Indices) -> None:
    """A document is read only after a refresh, and then by the next read."""
    plays(indices, 3)
    source = indices.source(cursor={"field": "n"})
    chunks = read(source)
    indices.add("plays", [play(9)], refresh=False)
    assert asyncio.run(source.is_ready(chunks[-1].cursor)) is False
    call(indices.credentials, "POST", f"{indices['plays']}/_refresh")
    assert ids(read(source, chunks[-1].cursor)) == ["p9"]


def test_windows(indices: Indices) -> None:
    """A window gives start included to end excluded, whatever the cursor; it needs a date."""
    plays(indices, 100)
    window = Window(start=BEGIN + timedelta(seconds=1), end=BEGIN + timedelta(milliseconds=1500))
    source = indices.source(cursor={"field": "at"}, batch_size=5)
    last = read(source)[-1].cursor

    async def found(source: ElasticsearchSource) -> list[str]:
        return [r["_id"] async for c in source.read(last, window) for r in c.batch.to_pylist()]

    assert asyncio.run(found(source)) == [f"p{i}" for i in range(28, 42)]
    assert asyncio.run(source.is_ready(last, window)) is True
    for cursor in (None, {"field": "n"}):
        with pytest.raises(ConfigurationError, match="window needs"):
            asyncio.run(found(indices.source(cursor=cursor)))


@pytest.mark.parametrize(
    ("cursor", "says"),
    [
        ({"field": "kind", "lookback": 5}, "lookback must be none"),
        ({"field": "n", "lookback": "1h"}, "must be a number"),
        ({"field": "at", "lookback": 5}, "a duration"),
    ],
)
def test_a_lookback_must_suit_its_field(
    indices: Indices, cursor: dict[str, Any], says: str
) -> None:
    """A lookback that cannot be subtracted is a mistake in the configuration."""
    plays(indices, 5)
    source = indices.source(cursor=cursor)
    last = read(source)[-1].cursor
    with pytest.raises(ConfigurationError, match=says):
        read(source, last)
    with pytest.raises(ConfigurationError, match="full refresh"):
        read(indices.source(cursor={"field": "device.volume"}), last)


# ── partitions ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [2, 7])
@pytest.mark.parametrize("cursor", [None, {"field": "at"}, {"field": "n"}, {"field": "key"}])
def test_partitions_give_each_document_once(
    indices: Indices, n: int, cursor: dict[str, Any] | None
) -> None:
    """Parts share the documents without a gap while some change; what is new comes after them."""
    for name, shards in (("t-1", 3), ("t-2", 2)):
        indices.index(name, PLAYS, number_of_shards=shards)
    indices.add("t-1", [play(i) for i in range(300)])
    indices.add("t-2", [play(i) for i in range(300, 500)])
    source = indices.source("t-*", cursor=cursor, batch_size=50)
    parts = asyncio.run(source.partitions(n))
    assert len(parts) == n
    found: list[str] = []
    cursors = []
    for number, part in enumerate(parts):
        chunks = read(part)
        found += ids(chunks)
        cursors.append(chunks[-1].cursor if chunks else None)
        indices.add("t-1", [play(i) for i in range(number * 10, number * 10 + 10)])  # changed
        if cursor:
            indices.add("t-2", [play(1000 + number)])
    assert Counter(found) == Counter(f"p{i}" for i in range(500))
    if cursor:
        joined = source.joined(cursors)
        assert Counter(ids(read(source, joined))) == Counter(f"p{1000 + i}" for i in range(n))


def test_a_new_index_belongs_to_no_part(indices: Indices) -> None:
    """An index that a pattern means only later is left to the next read."""
    indices.index("t-1", PLAYS, number_of_shards=2)
    indices.add("t-1", [play(i) for i in range(50)])
    parts = asyncio.run(indices.source("t-*", cursor={"field": "at"}).partitions(2))
    indices.index("t-0", PLAYS)
    indices.add("t-0", [play(1000)])
    assert Counter(i for p in parts for i in ids(read(p))) == Counter(f"p{i}" for i in range(50))
