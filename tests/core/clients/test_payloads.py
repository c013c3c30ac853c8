"""Payloads of messages: JSON, Avro bare and framed, raw bytes; what cannot be decoded."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.clients.payloads import Decoded, Payloads
from airflow_provider_spotify.core.clients.schema_registry import SchemaRegistry
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    TransientError,
)
from tests.services.http_server import Fault
from tests.services.schema_registry import (
    PASSWORD,
    USER,
    RegistryServer,
    bare,
    schema_registry,
)

__all__ = ["schema_registry"]

PLAY = {
    "type": "record",
    "name": "Play",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
AT = datetime(2026, 3, 1, tzinfo=UTC)


def decode(payloads: Payloads, *values: bytes | None) -> Decoded:
    return payloads.decode(values, where=lambda position: f"place {position}")


def reasons(decoded: Decoded) -> list[tuple[str, str, str]]:
    found = decoded.rejected.to_pylist() if decoded.rejected else []
    return [(each["location"], each["record"], each["reason"]) for each in found]


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────


def test_objects_become_rows_and_tombstones_rows_of_nulls() -> None:
    """Nested values stay nested, texts that look like times stay texts, a null value is a row."""
    first, second = b'{"a": 1, "at": "2026-01-01"}', b'{"b": {"c": [1]}}'
    found = decode(Payloads("json"), first, None, second)
    assert found.batch.to_pylist() == [
        {"a": 1, "at": "2026-01-01", "b": None},
        {"a": None, "at": None, "b": None},
        {"a": None, "at": None, "b": {"c": [1]}},
    ]
    assert list(found.kept) == [0, 1, 2]
    assert found.rejected is None


def test_the_schema_only_grows() -> None:
    """A column that was there once is there in every later batch, in its place."""
    payloads = Payloads("json")
    decode(payloads, b'{"a": 1, "b": 2}')
    found = decode(payloads, b'{"c": true, "b": 3}').batch
    assert found.to_pylist() == [{"a": None, "b": 3, "c": True}]
    assert found.schema.names == ["a", "b", "c"]


@pytest.mark.parametrize(
    "values",
    [
        (b'{"a": 1}{"a": 2}', b" "),
        (b'{"a": 1}{"a": 2}', b'{"a":', b"3}"),
        (b'{"a":', b"1}"),
        (b'{"a": "x', b'y"}'),
        (b'{"a": {"b": 1}', b'{"c": 2}}'),
        (b"", b"{}{}"),
        (b'{"a": 1}\n{"a": 2}', b"\n"),
    ],
)
def test_messages_are_never_taken_for_parts_of_each_other(values: tuple[bytes, ...]) -> None:
    """Values that only together are as many objects as messages are rejected, one by one."""
    found = decode(Payloads("json"), *values)
    assert found.batch.num_rows == 0
    assert [place for place, _, _ in reasons(found)] == [f"place {n}" for n in range(len(values))]


def test_what_is_no_object_is_rejected_and_the_rest_stays() -> None:
    """Text, lists, numbers and bytes that are no text are set aside, each with its place."""
    values = (b'{"a": 1}', b"nope", b"[1]", b"null", b"\xff\x00", b'{"a": 2}', b"NaN")
    found = decode(Payloads("json"), *values)
    assert found.batch.to_pylist() == [{"a": 1}, {"a": 2}]
    assert list(found.kept) == [0, 5]
    bad = reasons(found)
    assert [place for place, _, _ in bad] == ["place 1", "place 2", "place 3", "place 4", "place 6"]
    assert [record for _, record, _ in bad] == ["nope", "[1]", "null", "/wA=", "NaN"]
    assert all("not a JSON object" in reason for _, _, reason in bad)


def test_objects_over_several_lines_are_parsed_at_once() -> None:
    """Line ends between tokens are spaces; one inside of a text is still an error."""
    found = decode(Payloads("json"), b'{\n  "a": 1,\n  "b": "x\\ny"\n}\n', b'{"a": 2, "b": "x\ny"}')
    assert found.batch.to_pylist() == [{"a": 1, "b": "x\ny"}]
    assert len(reasons(found)) == 1


def test_long_integers_keep_their_digits() -> None:
    """An integer beyond 64 bits becomes text rather than lose digits."""
    found = decode(Payloads("json"), b'{"n": 12345678901234567890123}', b'{"n": 1}')
    assert found.batch.to_pylist() == [{"n": "12345678901234567890123"}, {"n": "1"}]


def test_any_mixture_gives_what_one_by_one_gives() -> None:
    """Over many random batches, rows and rejects are those of the messages taken alone."""
    dice = random.Random(2026)
    kinds = [b'{"a": 1}', b'{"a": -5, "b": "x"}', b"{}", None, b"", b"{", b'{"a":', b"2}", b"7"]
    for _ in range(300):
        values = dice.choices(kinds, weights=[9, 5, 2, 1, 1, 1, 1, 1, 1], k=dice.randint(0, 6))
        found = decode(Payloads("json"), *values)
        expected = [n for n, value in enumerate(values) if _is_object(value)]
        assert list(found.kept) == expected
        rows = [json.loads(values[n] or b"{}") for n in expected]
        kept = [{k: v for k, v in row.items() if v is not None} for row in found.batch.to_pylist()]
        assert (kept or [{}] * len(rows)) == rows
        assert len(reasons(found)) == len(values) - len(expected)


def _is_object(value: bytes | None) -> bool:
    try:
        return value is None or isinstance(json.loads(value), dict)
    except ValueError:
        return False


def test_no_message_is_no_row() -> None:
    """Decoding nothing gives an empty batch, in every format."""
    payloads = [Payloads("json"), Payloads("raw"), Payloads("avro", schema='"int"')]
    assert [decode(each).batch.num_rows for each in payloads] == [0, 0, 0]


def test_raw_values_are_bytes() -> None:
    """Raw payloads are one column of bytes; nothing is rejected."""
    found = decode(Payloads("raw"), b"\xff", None)
    assert found.batch.to_pylist() == [{"value": b"\xff"}, {"value": None}]
    assert found.batch.schema.field("value").type == pa.binary()


# ── Avro ─────────────────────────────────────────────────────────────────────────────────────


def test_bare_avro() -> None:
    """Values of one schema become typed rows; a short one and a long one are rejected."""
    good = bare(PLAY, {"id": 1, "at": AT})
    found = decode(Payloads("avro", schema=json.dumps(PLAY)), good, good[:-2], None, good + b"x")
    assert found.batch.to_pylist() == [{"id": 1, "at": AT}, {"id": None, "at": None}]
    assert list(found.kept) == [0, 2]
    assert found.batch.schema.field("at").type == pa.timestamp("ms", "UTC")
    assert [place for place, _, _ in reasons(found)] == ["place 1", "place 3"]
    assert "bytes are left" in reasons(found)[1][2]


def test_a_value_that_breaks_its_logical_type_is_rejected_alone() -> None:
    """A decimal with more digits than its precision does not take the others with it."""
    number = {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}
    schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": number}]}
    plain = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "bytes"}]}
    values = [bare(plain, {"n": n.to_bytes(4, "big", signed=True)}) for n in (125, 99_999, -7)]
    found = decode(Payloads("avro", schema=json.dumps(schema)), *values)
    assert found.batch.to_pylist() == [{"n": Decimal("12.5")}, {"n": Decimal("-0.7")}]
    assert list(found.kept) == [0, 2]


@pytest.mark.parametrize("schema", ["{", '{"type": "nonsense"}', None])
def test_avro_needs_a_schema(schema: str | None) -> None:
    """Avro without a schema, or with what is none, is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match="schema"):
        Payloads("avro", schema=schema)


@pytest.fixture
def registry(schema_registry: RegistryServer) -> SchemaRegistry:
    return SchemaRegistry(schema_registry.url, login=USER, password=PASSWORD)


def test_framed_avro_of_several_schemas(
    schema_registry: RegistryServer, registry: SchemaRegistry
) -> None:
    """Each message is read by its own schema, rows keep their order, each id is asked for once."""
    more: dict[str, Any] = {**PLAY, "fields": [*PLAY["fields"], {"name": "ms", "type": "int"}]}
    one, two = (schema_registry.register("plays-value", each) for each in (PLAY, more))
    payloads = Payloads("avro", registry=registry)
    values = [
        schema_registry.framed(two, {"id": 1, "at": AT, "ms": 5}),
        schema_registry.framed(one, {"id": 2, "at": AT}),
        None,
        schema_registry.framed(two, {"id": 3, "at": AT, "ms": 6}),
    ]
    for _ in range(2):
        found = decode(payloads, *values)
        assert [(row["id"], row["ms"]) for row in found.batch.to_pylist()] == [
            (1, 5),
            (2, None),
            (None, None),
            (3, 6),
        ]
    assert schema_registry.asked(f"/schemas/ids/{one}") == 1


def test_framed_values_without_a_schema_are_rejected(
    schema_registry: RegistryServer, registry: SchemaRegistry
) -> None:
    """An unknown id, no frame, or a schema that is not Avro's sets the message aside."""
    known = schema_registry.register("plays-value", PLAY)
    other = schema_registry.register("skips-value", '{"type": "object"}', kind="JSON")
    good = schema_registry.framed(known, {"id": 1, "at": AT})
    values = (good, b"\0\0\0\0\x63x", b"{}", b"\0" + other.to_bytes(4, "big") + b"x")
    found = decode(Payloads("avro", registry=registry), *values)
    assert list(found.kept) == [0]
    said = [reason for _, _, reason in reasons(found)]
    assert "schema 99" in said[0]
    assert "not framed" in said[1]
    assert "only AVRO" in said[2]


def test_references_are_written_into_a_schema(
    schema_registry: RegistryServer, registry: SchemaRegistry
) -> None:
    """A schema that uses another subject's type is read with that type in it."""
    track = {"type": "record", "name": "acme.Track", "fields": [{"name": "t", "type": "string"}]}
    schema_registry.register("track", track)
    fields = [{"name": "a", "type": "acme.Track"}, {"name": "b", "type": ["null", "acme.Track"]}]
    uses = {"type": "record", "name": "Pair", "fields": fields}
    reference = {"name": "acme.Track", "subject": "track", "version": 1}
    pair = schema_registry.register("pair", uses, references=[reference])
    whole = {**uses, "fields": [{"name": "a", "type": track}, fields[1]]}
    value = b"\0" + pair.to_bytes(4, "big") + bare(whole, {"a": {"t": "x"}, "b": {"t": "y"}})
    found = decode(Payloads("avro", registry=registry), value)
    assert found.batch.to_pylist() == [{"a": {"t": "x"}, "b": {"t": "y"}}]


def test_framed_json_is_read_behind_its_frame(registry: SchemaRegistry) -> None:
    """With a registry, JSON may be framed, too."""
    found = decode(Payloads("json", registry=registry), b'\0\0\0\0\x01{"a": 1}', b'{"a": 2}')
    assert found.batch.to_pylist() == [{"a": 1}, {"a": 2}]


def test_a_registry_that_stumbles_is_asked_again(
    schema_registry: RegistryServer, registry: SchemaRegistry
) -> None:
    """One answer of 503 is got over; what stays so may be tried later; 401 is of the login."""
    id = schema_registry.register("plays-value", PLAY)
    path = f"/schemas/ids/{id}"
    schema_registry.server.plan(path, Fault(503))
    assert registry.schema(id)["name"] == "Play"
    assert registry.subjects() == ["plays-value"]
    assert registry.latest("plays-value") == id
    wrong = SchemaRegistry(schema_registry.url, login=USER, password="wr0ng")
    with pytest.raises(AuthenticationError, match="401") as caught:
        wrong.schema(id)
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(DataError, match="404"):
        registry.latest("nothing")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9"):
        SchemaRegistry("http://127.0.0.1:9").schema(1)
    with pytest.raises(ConfigurationError, match="address"):
        SchemaRegistry("http://user:secret@registry")
