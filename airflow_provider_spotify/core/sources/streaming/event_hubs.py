"""Imports Azure Event Hubs by its Kafka endpoint; exactly once, offsets in the destination."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, DatasetName
from airflow_provider_spotify.core.sources.streaming._kafka_stream import (
    KafkaStream,
    KafkaStreamConfig,
    Name,
)

_USER = "$ConnectionString"
_PORT = 9093
_FORM = "Endpoint=sb://<namespace>.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…"
_OTHER = "the Basic tier of Event Hubs has no Kafka endpoint"


class EventHubsConfig(KafkaStreamConfig):
    """What is read: event hubs of one namespace, of the tier Standard or above.

    https://learn.microsoft.com/azure/event-hubs/azure-event-hubs-apache-kafka-overview
    """

    event_hubs: Annotated[Sequence[Name], Field(min_length=1)] | None = Field(
        None, description="names; none: the one of the connection string's EntityPath"
    )
    consumer_group: Name | None = Field(
        None, description="whose offsets follow the import, to show its lag"
    )


class EventHubsSource(KafkaStream[EventHubsConfig]):
    """Reads event hubs as the topics that Event Hubs' Kafka endpoint shows them as."""

    Config = EventHubsConfig
    conn_type: ClassVar[str | None] = "azure_event_hubs"

    @property
    def wanted(self) -> Sequence[str]:
        """The event hubs."""
        if self.config.event_hubs:
            return self.config.event_hubs
        if path := self._parts().get("entitypath"):
            return [path]
        raise ConfigurationError("event_hubs: is missing, and the connection string names none")

    @property
    def group(self) -> str | None:
        """The consumer group that is told what was imported."""
        return self.config.consumer_group

    def reached(self) -> Credentials:
        """Return the namespace's Kafka endpoint, its connection string as the password.

        ``bootstrap.servers`` and other settings of librdkafka in extra come first, for an emulator.
        https://learn.microsoft.com/azure/event-hubs/azure-event-hubs-kafka-overview
        """
        secret = self.credentials.secret()
        if not secret:
            raise ConfigurationError(f"the connection's password is missing: {_FORM}")
        words = {
            "bootstrap.servers": f"{self._host}:{_PORT}",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
        }
        own = {key: value for key, value in self.credentials.extra.items() if "." in key}
        return Credentials(login=_USER, password=SecretStr(secret), extra={**words, **own})

    def dataset(self) -> DatasetName:
        """Name the event hubs in their namespace; without a connection string, by its host."""
        try:
            host = self._host
        except ConfigurationError:
            host = self.credentials.host or "unknown"
        try:
            name = ",".join(self.wanted)
        except ConfigurationError:
            name = "unknown"
        return DatasetName(f"eventhubs://{host}", name)

    @property
    def _host(self) -> str:
        endpoint = self._parts().get("endpoint", "")
        found = re.fullmatch(r"sb://([^/:]+)(?::\d+)?/?", endpoint)
        if found is None:
            raise ConfigurationError(f"the connection's password must be {_FORM}; {_OTHER}")
        return found[1]

    def _parts(self) -> Mapping[str, str]:
        """Return the parts of the connection string, their names in small letters."""
        pairs = (part.partition("=") for part in (self.credentials.secret() or "").split(";"))
        return {name.strip().lower(): value.strip() for name, _, value in pairs if value}


SOURCE = EventHubsSource
