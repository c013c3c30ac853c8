"""Redis's values as columns: each type, lives, bytes, and values that are large."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.core.sources.database.redis_keys import Make, fill, linked, reading

link = pytest.fixture(linked)
make = pytest.fixture(reading)


def test_each_type_has_its_columns(link: Link, make: Make) -> None:
    """Key, type and remaining life, and what the type brings."""
    fill(
        link,
        [
            ("SET", "s", "naïve"),
            ("HSET", "h", "name", "Ann", "_key", "theirs"),
            ("SADD", "u", "a"),
            ("ZADD", "z", "1.5", "a", "-inf", "b"),
            ("RPUSH", "l", "x", "y"),
        ],
    )
    own = {"_ttl": None}
    assert rows(read(make())) == [{"_key": "s", "_type": "string", **own, "value": "naïve"}]
    assert rows(read(make(data_type="hash"))) == [
        {"_key": "h", "_type": "hash", **own, "name": "Ann", "_key_": "theirs"}
    ]
    fields = rows(read(make(data_type="hash", layout="rows", ttl="none")))
    assert fields == [
        {"_key": "h", "_type": "hash", "field": "name", "value": "Ann"},
        {"_key": "h", "_type": "hash", "field": "_key", "value": "theirs"},
    ]
    assert rows(read(make(data_type="set")))[0]["member"] == "a"
    scores = {row["member"]: row["score"] for row in rows(read(make(data_type="zset")))}
    assert scores == {"a": 1.5, "b": float("-inf")}
    values = [(row["index"], row["value"]) for row in rows(read(make(data_type="list")))]
    assert values == [(0, "x"), (1, "y")]
    kinds = {row["_key"]: row["_type"] for row in rows(read(make(data_type="any")))}
    assert kinds == {"s": "string", "h": "hash", "u": "set", "z": "zset", "l": "list"}


def test_what_is_left_of_a_keys_life_is_a_column(link: Link, make: Make) -> None:
    """In milliseconds, or as the moment it ends; null where it stays."""
    link.do("SET", "a", 1, "PXAT", 4_000_000_000_123)
    link.do("SET", "b", 1)
    left = {row["_key"]: row["_ttl"] for row in rows(read(make()))}
    now = datetime.now(UTC).timestamp() * 1000
    assert left["b"] is None
    assert left["a"] == pytest.approx(4_000_000_000_123 - now, abs=60_000)
    ends = {row["_key"]: row["_expires_at"] for row in rows(read(make(ttl="expires_at")))}
    assert ends == {"a": datetime.fromtimestamp(4_000_000_000.123, UTC), "b": None}


def test_bytes_are_rejected_or_given_as_bytes(link: Link, make: Make) -> None:
    """What is not UTF-8 is no text: a key, a value, a member, a field."""
    fill(
        link,
        [
            ("SET", b"k\xff", "x"),
            ("SET", "a", b"\x00\xff"),
            ("SET", "b", "text"),
            ("SADD", "u", b"\xff", "m"),
            ("HSET", "h", "f", b"\xff"),
            ("HSET", "i", "f", "g"),
        ],
    )
    (chunk,) = read(make())
    assert chunk.batch["value"].to_pylist() == ["text"]
    assert chunk.rejected is not None
    found = sorted(zip(*(chunk.rejected[n].to_pylist() for n in ("reason", "record")), strict=True))
    assert found == [
        ("not UTF-8; format: raw gives bytes", '{"_key":"a","value":"AP8="}'),
        ("the key is not UTF-8", '{"_key":"a/8="}'),
    ]
    (chunk,) = read(make(format="raw"))
    assert sorted(chunk.batch["value"].to_pylist()) == [b"\x00\xff", b"text"]
    (chunk,) = read(make(data_type="set"))
    assert chunk.batch["member"].to_pylist() == ["m"]
    assert chunk.rejected is not None
    assert chunk.rejected["record"].to_pylist() == ['{"_key":"u","member":"/w=="}']
    (chunk,) = read(make(data_type="hash"))
    assert (chunk.batch["f"].to_pylist(), chunk.rejected is not None) == (["g"], True)


def test_a_hash_with_too_many_fields_is_no_row(link: Link, make: Make) -> None:
    """It is rejected with what to do; a large one that is not too large comes whole."""
    fill(link, [("HSET", "big", *(text for n in range(15_000) for text in (n, n)))])
    fill(link, [("HSET", "fair", *(text for n in range(2_000) for text in (n, n)))])
    (chunk,) = read(make(data_type="hash"))
    assert (chunk.batch.num_rows, chunk.batch.num_columns) == (1, 2_003)
    assert chunk.rejected is not None
    assert "layout: rows" in chunk.rejected["reason"][0].as_py()


def test_large_values_come_a_few_at_a_time(link: Link, make: Make) -> None:
    """Fewer keys are read at once where values are large, and a batch is bounded in bytes."""
    fill(link, [("SET", f"k{n}", "x" * 2_000_000) for n in range(40)])
    chunks = read(make())
    assert len(rows(chunks)) == 40
    assert max(chunk.batch.nbytes for chunk in chunks) < 64_000_000
    assert len(chunks) > 1


def test_json_needs_a_server_that_has_it(link: Link, make: Make) -> None:
    """Documents are read where the server knows the type; else the error says what there is."""
    if link.do("COMMAND", "INFO", "JSON.GET")[0] is None:
        with pytest.raises(ConfigurationError, match=r"no JSON type.*format: json"):
            read(make(data_type="json"))
        return
    link.do("JSON.SET", "j", "$", '{"n": 1, "tags": ["a"]}')
    (row,) = rows(read(make(data_type="json")))
    assert (row["_key"], row["n"], row["tags"]) == ("j", 1, ["a"])
