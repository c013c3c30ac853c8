"""A table of plays in ClickHouse's real engine, and sources that read it, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_spotify.core.clients.clickhouse import connect
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.clickhouse import (
    ClickhouseConfig,
    ClickhouseSource,
)

PLAYS = """
    CREATE TABLE plays (id UInt64, played_at DateTime64(3, 'Asia/Tokyo'), track String)
    ENGINE = MergeTree ORDER BY id
"""
FILL = """
    INSERT INTO plays SELECT number + 1, toDateTime64('2026-01-01 00:00:00', 3, 'UTC')
    + toIntervalSecond(intDiv(number, 7)), 't' || number FROM numbers(1000)
"""
Run = Callable[[str], Any]


def running(clickhouse_database: Credentials) -> Iterator[Run]:
    """Give a function that runs SQL in this test's database; a module's fixture ``run``."""
    with connect(clickhouse_database) as client:
        yield client.command


def reading(clickhouse_database: Credentials) -> Callable[..., ClickhouseSource]:
    """Give a function from a Config's keys to a source of this test's database, as ``make``."""

    def source(**config: Any) -> ClickhouseSource:
        return ClickhouseSource(ClickhouseConfig(**config), credentials=clickhouse_database)

    return source
