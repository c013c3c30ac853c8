"""Segment's webhook: who may post, and which rows a body holds."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.sources.analytics._segment_webhook import (
    batch,
    is_signed,
    messages,
)
from tests.services.segment_api.logs import messages as make

SECRET = "shared-secret-51e7"


def signature(part: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), part, hashlib.sha1).hexdigest()


def test_a_body_is_signed_as_it_was_sent() -> None:
    """The bytes themselves are signed, spaces and unicode included."""
    body = '{ "type": "track", "event": "Låt" }'.encode()
    assert is_signed(body, signature(body), secret=SECRET)
    assert is_signed(body, signature(body).upper(), secret=SECRET)
    assert not is_signed(body.replace(b" ", b""), signature(body), secret=SECRET)


@pytest.mark.parametrize("given", [None, "", "00", "é", signature(b"other"), signature(b"{}", "x")])
def test_who_does_not_know_the_secret_is_refused(given: str | None) -> None:
    """A missing, wrong or odd signature is none."""
    assert not is_signed(b"{}", given, secret=SECRET)


def test_without_a_secret_nothing_is_signed() -> None:
    """An empty secret would let anybody sign."""
    with pytest.raises(ConfigurationError, match="empty"):
        is_signed(b"{}", signature(b"{}", " "), secret="")


def test_of_a_list_the_first_message_is_signed() -> None:
    """Segment hashes only ``body[0]`` of a batch, as it is written in the body."""
    first, second = b'{"type":"track","event":"L\\u00e5t [1]"}', b'{"type":"page"}'
    body = b"[" + first + b"," + second + b"]"
    assert is_signed(body, signature(first), secret=SECRET)
    assert not is_signed(body, signature(second), secret=SECRET)
    assert not is_signed(b"[" + second + b"," + first + b"]", signature(first), secret=SECRET)
    assert not is_signed(b"[", signature(first), secret=SECRET)


@pytest.mark.parametrize("form", ["single", "list", "batch"])
def test_each_form_of_a_body_gives_its_messages(form: str) -> None:
    """One message, a list of them, or an object with ``batch``."""
    found = make(1 if form == "single" else 12)
    body: Any = {"single": found[0], "list": found, "batch": {"batch": found}}[form]
    assert messages(orjson.dumps(body)) == found


def test_a_batch_shares_its_context() -> None:
    """What stands beside ``batch`` holds for the messages that do not say otherwise."""
    shared = {"sentAt": "2026-11-18T00:00:00Z", "context": {"ip": "192.0.2.1"}}
    own = {"type": "page", "context": {"ip": "192.0.2.2"}}
    body = {"batch": [{"type": "track"}, own], **shared}
    first, second = messages(orjson.dumps(body))
    assert (first["context"]["ip"], second["context"]["ip"]) == ("192.0.2.1", "192.0.2.2")
    assert second["sentAt"] == shared["sentAt"]


@pytest.mark.parametrize("body", [b"", b"no json", b"3", b'"text"'])
def test_another_body_is_an_error(body: bytes) -> None:
    """Nothing is taken for an empty batch."""
    with pytest.raises(DataError, match="Segment webhook"):
        messages(body)


def test_rows_hold_the_common_fields() -> None:
    """Ids are texts whatever the client sent; properties, traits and context are JSON."""
    built, refused = batch(make(6), source="mnVRbFEG8V")
    track, identify, _, _, group, alias = built.to_pylist()
    assert refused is None
    assert (track["user_id"], identify["user_id"]) == ("0", "u1")
    assert track["event"] == "Track Played"
    assert orjson.loads(track["properties"]) == {"position": 0, "title": "Näktergal 夜"}
    assert orjson.loads(identify["traits"])["plan"] == "family"
    assert (group["group_id"], alias["previous_id"]) == ("g4", "anon-5")
    assert track["received_at"] == datetime(2026, 11, 18, tzinfo=UTC)
    assert (track["context_app_build"], track["context_library_name"]) == ("88", "analytics.js")
    assert {row["source_id"] for row in built.to_pylist()} == {"mnVRbFEG8V"}


def test_an_alias_by_its_names_of_the_webhook_page_and_a_deletion() -> None:
    """That page writes ``Previous ID``; a deletion has a type and a user."""
    alias = {"type": "alias", "Previous ID": "a", "User ID": "b"}
    built, _ = batch([alias, {"type": "delete", "userId": "b"}])
    first, second = built.to_pylist()
    assert (first["previous_id"], first["user_id"]) == ("a", "b")
    assert (second["type"], second["user_id"]) == ("delete", "b")


def test_what_is_no_message_is_set_aside_with_its_place() -> None:
    """A text, a message without a type and one with a broken time are rejected; others stay."""
    broken = {"type": "track", "timestamp": "yesterday"}
    built, refused = batch(["x", {"event": "y"}, broken, *make(1)], location="inbox")
    assert built.num_rows == 1
    assert refused is not None
    told = {row["location"]: row["reason"] for row in refused.to_pylist()}
    assert told["inbox:1"] == "a str, not an object"
    assert told["inbox:2"].startswith("it has no type")
    assert told["inbox:3"] == "timestamp is not a timestamp"
