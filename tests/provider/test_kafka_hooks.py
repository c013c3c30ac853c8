"""Kafka and Event Hubs through Airflow's connections: hooks, the Test button, an import."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.event_hubs import EventHubsHook
from airflow_provider_spotify.hooks.kafka import KafkaImportHook
from airflow_provider_spotify.operators.streaming import KafkaImportOperator
from airflow_provider_spotify.sensors.streaming import KafkaReadySensor
from tests.services.kafka import EVENT_HUBS, PASSWORD, USER, make_topic, produce

Define = Callable[..., str]


@pytest.fixture
def cluster(kafka_sasl: Credentials, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection as the official provider keeps it."""

    def define(**extra: Any) -> str:
        settings = {**kafka_sasl.extra, "sasl.username": USER, "sasl.password": PASSWORD, **extra}
        return connection("cluster", conn_type="kafka", extra=json.dumps(settings))

    return define


def test_kafka_hook_is_the_official_one_and_tests_as_a_source(cluster: Callable[..., str]) -> None:
    """The Test button asks the brokers; the official hook's admin client works beside it."""
    hook = KafkaImportHook(cluster())
    ok, message = hook.test_connection()
    assert ok, message
    assert "topics" in message
    assert hook.get_conn.list_topics(timeout=60).brokers


def test_kafka_test_button_shows_no_secret(cluster: Callable[..., str]) -> None:
    """A refused password is said, and not shown."""
    ok, message = KafkaImportHook(cluster(**{"sasl.password": "wr0ng-wr0ng"})).test_connection()
    assert not ok
    assert "user and password" in message
    assert "wr0ng-wr0ng" not in message


def test_callbacks_of_a_connection_need_the_official_allowlist(cluster: Callable[..., str]) -> None:
    """What a connection may call is the official provider's decision, here as in its own hooks."""
    with pytest.raises(ConfigurationError, match="oauth_cb"):
        credentials(cluster(oauth_cb="os.getcwd"))


def test_event_hubs_test_button(kafka_sasl: Credentials, connection: Define) -> None:
    """The connection string is the password; the endpoint of an emulator is in extra."""
    words = ("bootstrap.servers", "security.protocol")
    extra = json.dumps({word: kafka_sasl.extra[word] for word in words})

    def press(string: str) -> tuple[bool, str]:
        connection("hubs", conn_type="azure_event_hubs", password=string, extra=extra)
        return EventHubsHook("hubs").test_connection()

    ok, message = press(EVENT_HUBS)
    assert ok, message
    ok, message = press(EVENT_HUBS.replace("c2VjcmV0", "d3Jvbmct"))
    assert not ok
    assert "d3Jvbmct" not in message


def test_kafka_is_imported_by_a_dag(
    kafka: Credentials,
    cluster: Callable[..., str],
    connection: Define,
    run_dag: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Sensor and operator bring a topic into DuckDB, each message once."""
    topic = make_topic(kafka, partitions=2)
    produce(kafka, topic, [b'{"id": %d}' % n for n in range(100)], partition=[0, 1])
    connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    words = {"kafka_conn_id": cluster(), "topics": [topic]}
    with DAG("streams", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        ready = KafkaReadySensor(task_id="ready", **words)
        plays = KafkaImportOperator(
            task_id="plays", destination="warehouse", table="plays", **words
        )
        ready >> plays
    assert str(run_dag(dag).state.value) == "success"
    sql = "select count(*) as n, count(distinct id) as d, max(_offset) as last from plays"
    found = DuckDBHook("warehouse").get_arrow(sql).to_pylist()
    assert found == [{"n": 100, "d": 100, "last": 49}]
