"""Fixtures that every test may ask for."""

from __future__ import annotations

pytest_plugins = [
    "tests.services.kafka",
    "tests.services.clickhouse",
    "tests.services.elasticsearch",
    "tests.services.elastic_indices",
    "tests.services.mongodb",
    "tests.services.mongo_java",
    "tests.services.postgres",
    "tests.services.pulsar",
    "tests.services.redis",
    "tests.services.websocket_server",
]
