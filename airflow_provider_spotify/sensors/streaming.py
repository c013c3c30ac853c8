"""Sensors that wait for messages of a stream."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class EventHubsReadySensor(SourceReadySensor):
    """Wait for events of Azure event hubs that are new since the last import."""

    source_type = "event_hubs"
    default_conn_id = "event_hubs_default"


class KafkaReadySensor(SourceReadySensor):
    """Wait for messages of Kafka topics that are new since the last import."""

    source_type = "kafka"
    default_conn_id = "kafka_default"


class PulsarReadySensor(SourceReadySensor):
    """Wait for messages of Pulsar topics that are new since the last import."""

    source_type = "pulsar"
    default_conn_id = "pulsar_default"


class RedisStreamsReadySensor(SourceReadySensor):
    """Wait for entries of Redis streams that are new, or abandoned, since the last import."""

    source_type = "redis_streams"
    default_conn_id = "redis_default"


class WebsocketReadySensor(SourceReadySensor):
    """Wait until a WebSocket server sends something."""

    source_type = "websocket"
    default_conn_id = "websocket_default"
