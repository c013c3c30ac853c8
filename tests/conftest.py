"""Fixtures that every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.sources.audio._spotify_api import forget_modes

# The same examples in each run and no deadline, on a busy machine as on an idle one.
settings.load_profile("ci")

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


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Let no test know what another learned of an address: the system gives ports again."""
    yield
    forget_limits()
    forget_tokens()
    forget_modes()
