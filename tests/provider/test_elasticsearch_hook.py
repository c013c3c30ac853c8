"""Elasticsearch's hook, operator and sensor on a real node."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.hooks.elasticsearch import ElasticsearchImportHook
from airflow_provider_spotify.operators.database import ElasticsearchImportOperator
from airflow_provider_spotify.sensors.database import ElasticsearchReadySensor
from tests.services.elastic_guard import Guard
from tests.services.elasticsearch import call

Define = Callable[..., str]
SECRET = "s3cr3t-of-tests"


@pytest.fixture
def index(elasticsearch: Credentials) -> Iterator[str]:
    """Give an index of ten documents, which goes away with the test."""
    name = f"hook-{uuid.uuid4().hex[:8]}"
    call(elasticsearch, "PUT", name, {"settings": {"number_of_replicas": 0}})
    lines: list[Any] = []
    for n in range(10):
        lines += [{"index": {}}, {"n": n}]
    call(elasticsearch, "POST", f"{name}/_bulk?refresh=true", lines)
    yield name
    call(elasticsearch, "DELETE", name)


@pytest.fixture
def guard(elasticsearch: Credentials) -> Iterator[Guard]:
    with Guard(elasticsearch, login="elastic", password=SECRET, api_key="aWQ6a2V5") as found:
        yield found


@pytest.fixture
def defined(guard: Guard, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the node behind its guard."""

    def define(**words: str) -> str:
        given = {"host": "127.0.0.1", "port": guard.port, "schema": "http", **words}
        return connection("search", conn_type="elasticsearch", **given)

    return define


def test_hook_is_the_official_one_and_reads_documents(
    defined: Callable[..., str], index: str
) -> None:
    """The official hook's client reaches the node, and the source reads by the same connection."""
    hook = ElasticsearchImportHook(defined(login="elastic", password=SECRET))
    assert hook.get_conn().es.indices.exists(index=index)
    source = hook.get_source(index=index, cursor={"field": "n"})

    async def count() -> int:
        return sum([chunk.batch.num_rows async for chunk in source.read(None)])

    assert asyncio.run(count()) == 10


@pytest.mark.parametrize(
    ("words", "works"),
    [
        ({"login": "elastic", "password": SECRET}, True),
        ({"extra": '{"api_key": "aWQ6a2V5"}'}, True),
        ({"extra": '{"api_key": ["id", "key"]}'}, True),
        ({"login": "elastic", "password": "not-the-password"}, False),
        ({"extra": '{"api_key": "not-the-password"}'}, False),
    ],
)
def test_test_button_tells_good_credentials_from_bad(
    defined: Callable[..., str], index: str, words: dict[str, str], works: bool
) -> None:
    """The Test button reports the node, or the refusal, and never a secret."""
    assert index
    ok, message = ElasticsearchImportHook(defined(**words)).test_connection()
    assert ok is works, message
    assert "not-the-password" not in message


def test_hook_splits_an_index_into_parts_for_a_fan_out(
    defined: Callable[..., str], index: str
) -> None:
    """Parts are arguments of the operator."""
    hook = ElasticsearchImportHook(defined(login="elastic", password=SECRET))
    parts = hook.get_partitions(3, index=index, cursor={"field": "n"})
    assert len(parts) == 3
    for part in parts:
        operator = ElasticsearchImportOperator(
            task_id="part", destination="warehouse", table="plays", **part
        )
        assert vars(operator)["elasticsearch_conn_id"] == "elasticsearch_default"


def test_sensor_takes_the_words_of_the_source() -> None:
    """The sensor has the source's options and the connection's customary name."""
    sensor = ElasticsearchReadySensor(
        task_id="wait", index="plays-*", cursor={"field": "at"}, request_timeout="30s"
    )
    assert vars(sensor)["elasticsearch_conn_id"] == "elasticsearch_default"
