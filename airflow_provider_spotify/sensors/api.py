"""Sensors that wait for the records of an HTTP API."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class RestReadySensor(SourceReadySensor):
    """Wait for records of a REST API that are new since the last import."""

    source_type = "rest"


class InstagramReadySensor(SourceReadySensor):
    """Wait for something new on Instagram since the last import."""

    source_type = "instagram"
    default_conn_id = "instagram_default"


class TiktokReadySensor(SourceReadySensor):
    """Wait for something new on TikTok since the last import."""

    source_type = "tiktok"
    default_conn_id = "tiktok_default"


class TwitterReadySensor(SourceReadySensor):
    """Wait for something new on X; each look is billed as reading a page is."""

    source_type = "twitter"
    default_conn_id = "twitter_default"


class GraphqlReadySensor(SourceReadySensor):
    """Wait for records of a GraphQL query that are new since the last import."""

    source_type = "graphql"
    default_conn_id = "graphql_default"
