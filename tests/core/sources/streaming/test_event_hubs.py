"""Event Hubs by its Kafka endpoint, on the SASL listener of a real broker."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.streaming.event_hubs import (
    EventHubsConfig,
    EventHubsSource,
)
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.core.sources.streaming.test_kafka import LIBRARIES, ROWS, ids, plays
from tests.services.kafka import EVENT_HUBS, make_topic, produce

STRING = (
    "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=listen;"
    "SharedAccessKey=c2VjcmV0LXNlY3JldA=="
)


class TestEventHubs(StreamConformance):
    """Three partitions of one event hub; the emulator's endpoint is in the connection's extra."""

    expected_rows = ROWS
    libraries = LIBRARIES

    @pytest.fixture(autouse=True)
    def _hubs(self, kafka: Credentials, kafka_sasl: Credentials) -> None:
        self.plain = kafka
        words = ("bootstrap.servers", "security.protocol")
        self.extra = {word: kafka_sasl.extra[word] for word in words}
        self.hub = make_topic(kafka, partitions=3)
        produce(kafka, self.hub, plays(ROWS), partition=[0, 1, 2])

    def source(self, hub: str | None, *, string: str = EVENT_HUBS) -> EventHubsSource:
        config = EventHubsConfig(
            event_hubs=[hub] if hub else None, consumer_group="imports", batch_size=100
        )
        credentials = Credentials(password=SecretStr(string), extra=self.extra)
        return EventHubsSource(config, credentials=credentials)

    def make_source(self) -> EventHubsSource:
        return self.source(self.hub)

    def make_empty(self) -> EventHubsSource:
        return self.source(make_topic(self.plain))

    def make_bad_credentials(self) -> EventHubsSource:
        return self.source(self.hub, string=EVENT_HUBS.replace("c2VjcmV0", "d3Jvbmct"))

    def add_more(self) -> int:
        produce(self.plain, self.hub, plays(50, start=ROWS), partition=[0, 1, 2])
        return 50

    def test_the_connection_string_may_name_the_event_hub(self) -> None:
        """Without event_hubs the EntityPath is read; the string as a whole is the password."""
        whole = self.source(None, string=f"{EVENT_HUBS};EntityPath={self.hub}")
        assert whole.wanted == [self.hub]
        assert len(ids(read(self.make_source()))) == ROWS


def made(string: str | None, **words: list[str]) -> EventHubsSource:
    password = SecretStr(string) if string else None
    return EventHubsSource(EventHubsConfig(**words), credentials=Credentials(password=password))


def test_a_connection_string_becomes_the_kafka_endpoint() -> None:
    """Namespace, port 9093, TLS, and the user that stands for a connection string."""
    reached = made(STRING, event_hubs=["plays"]).reached()
    assert reached.extra == {
        "bootstrap.servers": "acme.servicebus.windows.net:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
    }
    assert (reached.login, reached.secret()) == ("$ConnectionString", STRING)


def test_the_dataset_is_named_in_its_namespace() -> None:
    """Lineage shows the namespace's host and the event hub, no key."""
    source = made(f"{STRING};EntityPath=plays")
    assert source.dataset() == ("eventhubs://acme.servicebus.windows.net", "plays")


@pytest.mark.parametrize(
    ("string", "says"),
    [
        (None, "password is missing"),
        ("SharedAccessKey=c2VjcmV0", r"must be Endpoint=sb://"),
        ("Endpoint=https://acme.example.org/;SharedAccessKey=c2VjcmV0", "Basic tier"),
    ],
)
def test_what_is_no_connection_string_is_said_without_showing_it(
    string: str | None, says: str
) -> None:
    """A password of another form is a mistake in the connection; its text is not repeated."""
    source = made(string, event_hubs=["plays"])
    with pytest.raises(ConfigurationError, match=says) as caught:
        read(source)
    assert "c2VjcmV0" not in str(caught.value)
    assert not asyncio.run(source.check()).ok


def test_no_event_hub_is_named_anywhere() -> None:
    """Neither the config nor the connection string names an event hub."""
    with pytest.raises(ConfigurationError, match="event_hubs: is missing"):
        read(made(STRING))
