"""A WebSocket signs in by header, query or message, and shows no secret."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.errors import AuthenticationError, ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.streaming.websocket_feed import Make, numbers, reading, serving
from tests.services.websocket_server import TOKEN, Feed

feed = pytest.fixture(serving)
make = pytest.fixture(reading)


@pytest.mark.parametrize(
    ("auth", "login", "header", "value"),
    [
        (None, None, "authorization", f"Bearer {TOKEN}"),
        (None, "me", "authorization", "Basic bWU6dGhlLXRva2VuLW9mLXRoZS1mZWVk"),
        ({"kind": "bearer"}, "me", "authorization", f"Bearer {TOKEN}"),
        ({"kind": "api_key", "name": "X-Key"}, None, "x-key", TOKEN),
    ],
)
def test_secret_goes_where_the_kind_says(
    feed: Feed, make: Make, auth: Any, login: str | None, header: str, value: str
) -> None:
    """Bearer, basic and key headers; what the YAML's headers say stands beside them."""
    credentials = feed.credentials.model_copy(update={"login": login})
    feed.token = None
    feed.publish({})
    source = make(credentials=credentials, auth=auth, headers={"X-App": "imports"})
    assert numbers(read(source)) == [1]
    sent = {name.lower(): text for name, text in feed.requests[-1][1].items()}
    assert (sent[header], sent["x-app"]) == (value, "imports")


def test_key_in_the_query_is_in_no_name_and_no_message(
    feed: Feed, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that has to be in the address is left out wherever the address is shown."""
    caplog.set_level(logging.DEBUG)
    feed.publish({}, "{broken")
    feed.faults.extend(["drop:2", f"close:0:1008:no {TOKEN}"])
    source = make(auth={"kind": "api_key", "name": "key", "place": "query"})
    with pytest.raises(AuthenticationError) as caught:
        read(source)
    assert feed.requests[0][0] == f"/feed?key={TOKEN}"
    assert source.dataset() == (f"ws://127.0.0.1:{feed.port}", "feed")
    feed.faults.append("drop:2")
    shown = [str(caught.value), repr(caught.value), caplog.text, *map(repr, read(make()))]
    assert not [text for text in shown if TOKEN in text]


def test_secret_may_be_part_of_a_first_message(feed: Feed, make: Make) -> None:
    """Servers that ask for a message to sign in get it before the subscription."""
    credentials, feed.token = feed.credentials, None
    feed.publish({})
    auth = {"kind": "message", "message": {"op": "auth"}, "field": "key"}
    assert numbers(read(make(credentials=credentials, auth=auth))) == [1]
    assert feed.heard == [{"op": "auth", "key": TOKEN}, {"op": "subscribe"}]


def test_kind_that_lacks_its_secret_is_said(make: Make) -> None:
    """Signing in with nothing is the configuration's fault."""
    bare = Credentials(host="ws://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="auth: bearer needs a password"):
        read(make(credentials=bare, auth={"kind": "bearer"}))
    broken = bare.model_copy(update={"password": SecretStr("secret\n")})
    with pytest.raises(ConfigurationError, match="holds a line break"):
        read(make(credentials=broken))


def test_subprotocol_is_agreed_on(feed: Feed, make: Make) -> None:
    """The subprotocols are offered in the handshake."""
    feed.subprotocols = ["graphql-ws"]
    feed.publish({})
    assert numbers(read(make(subprotocols=["graphql-ws"]))) == [1]
    sent = {name.lower(): text for name, text in feed.requests[-1][1].items()}
    assert sent["sec-websocket-protocol"] == "graphql-ws"
