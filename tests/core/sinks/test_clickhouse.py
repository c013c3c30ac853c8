"""ClickHouse's real engine holds the suite for sinks, and what is special to it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.clickhouse import ClickhouseConfig, ClickhouseSink
from airflow_provider_spotify.core.testing.sinks import SinkConformance

pytestmark = pytest.mark.service("clickhouse")


class TestClickHouse(SinkConformance):
    @pytest.fixture(autouse=True)
    def _place(self, clickhouse_database: Credentials) -> None:
        self.credentials = clickhouse_database

    def make_sink(self) -> Sink[Any]:
        return ClickhouseSink(ClickhouseConfig(), credentials=self.credentials, tenant="acme")
