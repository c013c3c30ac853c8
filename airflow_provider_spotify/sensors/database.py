"""Sensors that wait for rows of a database."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class ClickhouseReadySensor(SourceReadySensor):
    """Wait for rows of a ClickHouse table or query that are new since the last import."""

    source_type = "clickhouse"
    default_conn_id = "clickhouse_default"


class ElasticsearchReadySensor(SourceReadySensor):
    """Wait for documents of Elasticsearch that are new since the last import."""

    source_type = "elasticsearch"
    default_conn_id = "elasticsearch_default"


class MongodbReadySensor(SourceReadySensor):
    """Wait for documents or changes of a MongoDB collection that are new since the last import."""

    source_type = "mongodb"
    default_conn_id = "mongo_default"


class PostgresqlReadySensor(SourceReadySensor):
    """Wait for rows of a PostgreSQL table or query that are new since the last import."""

    source_type = "postgresql"
    default_conn_id = "postgres_default"


class RedisReadySensor(SourceReadySensor):
    """Wait until a Redis has a key that matches."""

    source_type = "redis"
    default_conn_id = "redis_default"
