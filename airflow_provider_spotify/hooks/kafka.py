"""The hook of Kafka: the official one, which also opens the source."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow.providers.apache.kafka.hooks.base import KafkaBaseHook

from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.hooks.base import SourceHook


class KafkaImportHook(SourceHook, KafkaBaseHook):
    """Everything that KafkaBaseHook does, and reading topics in Arrow batches.

    The connection is an ordinary one of type ``kafka``: its extra holds librdkafka's settings, and
    ``schema_registry_login`` and ``schema_registry_password``, if a registry asks for them.

    :param kafka_config_id: the Airflow connection
    :param tenant: whose data it is
    """

    source_type = "kafka"

    def __init__(
        self, kafka_config_id: str = "kafka_default", *, tenant: str = "default", **kwargs: Any
    ) -> None:
        super().__init__(kafka_config_id=kafka_config_id, **kwargs)  # type: ignore[no-untyped-call]
        self.tenant = tenant

    def get_health(self) -> Health:
        """Ask the brokers which topics there are; there may be none yet."""
        source: Any = self.get_source(topics=["^."])
        health: Health = asyncio.run(source.answers())
        return health
