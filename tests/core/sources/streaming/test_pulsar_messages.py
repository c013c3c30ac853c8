"""What is in a message of Pulsar: columns beside the payload, formats and schemas."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected, rows
from tests.core.sources.streaming.pulsar_topics import Make, ids, plays, reading
from tests.services.pulsar import produce

make = pytest.fixture(reading)
PLAY = {
    "type": "record",
    "name": "Play",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "track", "type": ["null", "string"], "default": None},
    ],
}
PLAYED = {
    **PLAY,
    "fields": [*PLAY["fields"], {"name": "skipped", "type": "boolean", "default": False}],
}


def test_columns_tell_where_and_when_a_message_was(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """Topic, partition, id, both times, key and properties stand beside the payload."""
    begun = datetime.now(UTC).replace(microsecond=0)
    message = {
        "content": b'{"id": 1}',
        "partition_key": "k",
        "properties": {"b": "2", "a": "1"},
        "event_timestamp": 1_700_000_000_123,
    }
    produce(pulsar, pulsar_topic, [message, b'{"id": 2}'])
    first, second = rows(read(make()))
    assert (first["_topic"], first["_partition"], first["_key"]) == (pulsar_topic, None, "k")
    assert first["_id"].split(":")[1:] == ["0", "-1", "-1"]
    assert begun <= first["_timestamp"] <= datetime.now(UTC)
    assert first["_event_time"] == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    assert first["_properties"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    assert (second["_event_time"], second["_key"], second["_properties"]) == (None, None, None)


def test_only_the_wanted_columns_are_added(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """``metadata`` names the columns beside the payload's."""
    produce(pulsar, pulsar_topic, plays(0, 1))
    assert [*rows(read(make(metadata=["id"])))[0]] == ["id", "track", "_id"]
    assert [*rows(read(make(metadata=[])))[0]] == ["id", "track"]


def test_what_is_no_object_is_rejected_with_its_place(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A poison message costs itself only, and can be found again by its id."""
    produce(pulsar, pulsar_topic, [*plays(0, 2), b"{broken", b"[1]", b"\xff\x00", *plays(2, 4)])
    chunks = read(make())
    assert ids(chunks) == [0, 1, 2, 3]
    bad = rejected(chunks)
    assert [row["record"] for row in bad] == ["{broken", "[1]", "/wA="]
    entries = [int(row["location"].removeprefix(f"{pulsar_topic} ").split(":")[1]) for row in bad]
    assert entries == [2, 3, 4]
    assert {row["stage"] for row in bad} == {"source"}


def test_raw_messages_stay_bytes(pulsar: Credentials, pulsar_topic: str, make: Make) -> None:
    """``format: raw`` gives the payload as it is."""
    produce(pulsar, pulsar_topic, [b"\x00\xff", b"{broken"])
    found = rows(read(make(format="raw", metadata=[])))
    assert found == [{"value": b"\x00\xff"}, {"value": b"{broken"}]


def test_avro_messages_are_read_by_the_schema_each_was_written_with(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A topic's schema may grow: the broker's registry knows every version."""
    from pulsar.schema import AvroSchema

    for definition, extra in ((PLAY, {}), (PLAYED, {"skipped": True})):
        message = {"content": {"id": len(extra), "track": None, **extra}}
        schema = AvroSchema(None, schema_definition=definition)
        produce(pulsar, pulsar_topic, [message, message], schema=schema)
    chunks = read(make(metadata=[]))
    old, new = {"id": 0, "track": None}, {"id": 1, "track": None, "skipped": True}
    assert rows(chunks) == [old, old, new, new]
    assert rows(read(make(metadata=[]), chunks[0].cursor)) == [new, new]


def test_format_follows_the_schema_of_the_topic(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A JSON schema means JSON; one of a type that is no table is refused with a way out."""
    from pulsar.schema import JsonSchema, Record, String, StringSchema

    class Play(Record):  # type: ignore[misc]
        track = String()

    produce(pulsar, pulsar_topic, [{"content": Play(track="x")}], schema=JsonSchema(Play))
    assert rows(read(make(metadata=[]))) == [{"track": "x"}]
    texts = f"{pulsar_topic}-texts"
    produce(pulsar, texts, [{"content": "x"}], schema=StringSchema())
    with pytest.raises(ConfigurationError, match=r"schema type STRING .* format: raw"):
        read(make(topics=[texts]))
    with pytest.raises(ConfigurationError, match="no Avro schema"):
        read(make(format="avro"))
