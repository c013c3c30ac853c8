"""Operators that import from databases."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class ClickhouseImportOperator(ImportOperator):
    """Import a table or a query of a ClickHouse server."""

    source_type = "clickhouse"
    default_conn_id = "clickhouse_default"


class ElasticsearchImportOperator(ImportOperator):
    """Import the documents of Elasticsearch's indices, aliases or data streams."""

    source_type = "elasticsearch"
    default_conn_id = "elasticsearch_default"


class MongodbImportOperator(ImportOperator):
    """Import a collection, an aggregation or the changes of a MongoDB database."""

    source_type = "mongodb"
    default_conn_id = "mongo_default"


class PostgresqlImportOperator(ImportOperator):
    """Import a table or a query of a PostgreSQL database."""

    source_type = "postgresql"
    default_conn_id = "postgres_default"


class RedisImportOperator(ImportOperator):
    """Import the keys of a Redis and their values."""

    source_type = "redis"
    default_conn_id = "redis_default"
