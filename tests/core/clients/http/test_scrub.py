"""What is taken out of an exchange before it is written: by name, by looks, by value."""

from __future__ import annotations

import json

import pytest

from airflow_provider_spotify.core.clients.http.scrub import Scrubber


@pytest.mark.parametrize(
    ("body", "gone", "kept"),
    [
        ({"access_token": "abc123", "n": 1}, ["abc123"], ['"n":1']),
        ({"user": {"userEmail": "a", "phone_number": "+46", "ip_address": "1.2"}}, ["+46"], []),
        ({"membership": "gold", "zip": "123", "key": 5, "nextPageToken": "p2"}, [], ["gold", "p2"]),
        ({"text": "write to bob.x+y@mail.example.org!"}, ["bob.x", "mail.example"], ["write to"]),
        ({"next": "https://x/?after=5&sig=SECRET99"}, ["SECRET99"], ["after=5"]),
        ({"birthdate": "1990-05-06"}, ["1990"], ["1970-01-01"]),
        ({"phones": [], "phone": [{"phone": 46123}], "email": None}, ["46123"], ["null"]),
        ({"a@b.example": 1}, ["a@b"], []),
    ],
    ids=str,
)
def test_names_and_looks_say_what_is_secret_or_personal(body, gone, kept):
    found = json.dumps(Scrubber().body(json.dumps(body).encode()), separators=(",", ":"))
    assert [text for text in gone if text in found] == []
    assert [text for text in kept if text not in found] == []


def test_a_damaged_body_is_scrubbed_by_its_text():
    found = Scrubber().body(b'{"email": "a\\"b", "password": "pw", "n": 1')
    assert found["text"].endswith('"password": "***", "n": 1')
    assert 'a\\"b' not in found["text"]


def test_a_token_answer_keeps_how_long_the_token_lives():
    body = b'{"access_token": "a", "refresh_token": "r", "expires_in": 60, "open_id": "me"}'
    assert Scrubber().body(body, granted=True) == {
        "json": {"access_token": "***", "expires_in": 60, "open_id": "***"}
    }


def test_numbers_that_json_would_round_are_kept_as_text():
    assert Scrubber().body(b'{"n": 1.50}') == {"text": '{"n": 1.50}'}
    assert Scrubber().body(b'{"n" : 1.5,\n "s": "\\u00e5"}') == {"json": {"n": 1.5, "s": "å"}}
