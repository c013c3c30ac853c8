"""What is in a message of a WebSocket: formats, records inside of it, and positions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected, rows
from tests.core.sources.streaming.websocket_feed import Make, numbers, reading, serving
from tests.services.websocket_server import Feed

feed = pytest.fixture(serving)
make = pytest.fixture(reading)


def test_text_and_raw_messages_are_the_column_value(feed: Feed, make: Make) -> None:
    """What is no JSON is kept whole, as text or as bytes."""
    feed.publish("héllo", b"\x00\xff")
    assert rows(read(make(format="text"))) == [{"value": "héllo"}, {"value": "AP8="}]
    found = rows(read(make(format="raw")))
    assert found == [{"value": "héllo".encode()}, {"value": b"\x00\xff"}]


def test_garbage_is_rejected_and_the_rest_is_read(feed: Feed, make: Make) -> None:
    """A message that is no object costs itself only; its place is its number."""
    feed.publish({"a": 1}, "{broken", "[1, 2]", {"a": 2})
    chunks = read(make())
    assert numbers(chunks) == [1, 4]
    bad = rejected(chunks)
    assert [row["record"] for row in bad] == ["{broken", "[1, 2]"]
    assert bad[0]["location"] == f"ws://127.0.0.1:{feed.port}/feed message 2"


def test_records_inside_a_message_and_messages_that_are_none(feed: Feed, make: Make) -> None:
    """``record_path`` takes records out, ``ignore`` leaves messages out."""
    feed.publish(
        '{"type": "welcome"}',
        '{"type": "trades", "data": {"items": [{"p": 1}, {"p": 2}]}}',
        '{"type": "heartbeat", "p": 9}',
        '{"type": "trades", "data": {"items": [{"p": 3}]}}',
    )
    chunks = read(make(record_path="data.items"))
    assert rows(chunks) == [{"p": 1}, {"p": 2}, {"p": 3}]
    assert chunks[-1].cursor["received"] == 4
    ignore = {"type": ["welcome", "trades"]}
    assert rows(read(make(ignore=ignore))) == [{"type": "heartbeat", "p": 9}]


def test_rows_are_cut_exactly_also_inside_a_message(feed: Feed, make: Make) -> None:
    """``until: {rows: n}`` gives n rows, and the position of the last of them."""
    feed.publish('{"items": [{"seq": 1}, {"seq": 2}, {"seq": 3}]}', '{"items": [{"seq": 4}]}')
    chunks = read(make(record_path="items", position="seq", until={"rows": 2}))
    assert (numbers(chunks), chunks[-1].cursor["last"]) == ([1, 2], 2)


def test_arrival_is_a_column_if_wanted(feed: Feed, make: Make) -> None:
    """``_received_at`` is when a message came, in UTC."""
    begun = datetime.now(UTC)
    feed.publish({})
    (row,) = rows(read(make(metadata=["received_at"])))
    assert begun - timedelta(seconds=1) < row["_received_at"] < datetime.now(UTC)


def test_positions_may_be_texts(feed: Feed, make: Make) -> None:
    """A text has no order: what a server sends again is known by the last row itself."""
    for text in ("b", "a", "c", "d"):
        feed.publish(json.dumps({"id": text}))
    resume = {"field": "id", "message": {"op": "subscribe", "since": "id {position}"}}
    first = read(make(resume=resume, until={"rows": 3}))
    assert first[-1].cursor["last"] == "c"
    assert rows(read(make(resume=resume), first[-1].cursor)) == [{"id": "d"}]
    assert feed.heard[-1] == {"op": "subscribe", "since": "id c"}
