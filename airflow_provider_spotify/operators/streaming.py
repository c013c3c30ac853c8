"""Operators that import from streams."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class EventHubsImportOperator(ImportOperator):
    """Import event hubs of an Azure namespace."""

    source_type = "event_hubs"
    default_conn_id = "event_hubs_default"


class KafkaImportOperator(ImportOperator):
    """Import Kafka topics."""

    source_type = "kafka"
    default_conn_id = "kafka_default"


class PulsarImportOperator(ImportOperator):
    """Import Apache Pulsar topics."""

    source_type = "pulsar"
    default_conn_id = "pulsar_default"


class RedisStreamsImportOperator(ImportOperator):
    """Import Redis streams."""

    source_type = "redis_streams"
    default_conn_id = "redis_default"


class WebsocketImportOperator(ImportOperator):
    """Import what a WebSocket server sends."""

    source_type = "websocket"
    default_conn_id = "websocket_default"
