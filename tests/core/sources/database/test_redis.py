"""Redis on a real server: the conformance suite for each type of value, and its words."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, Window
from airflow_provider_spotify.core.sources.database.redis import RedisConfig, RedisSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.core.sources.database.redis_keys import Make, fill, linked, reading

link = pytest.fixture(linked)
make = pytest.fixture(reading)
KEYS = 400


class _Keys(SourceConformance):
    incremental = False
    libraries = ("redis", "hiredis", "pandas", "numpy")
    config: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _filled(self, link: Link, redis_database: Credentials) -> None:
        self.credentials = redis_database
        fill(link, [("SET", f"other:{n}", "x") for n in range(50)])
        fill(
            link,
            [("RPUSH", f"k:odd:{n}", "x") for n in range(20) if "list" not in str(self.config)],
        )
        fill(link, [command for n in range(KEYS) for command in self.commands(n)])

    def commands(self, n: int) -> list[tuple[Any, ...]]:
        return [("SET", f"k:{n}", f"v{n}")]

    def source(self, credentials: Credentials | None = None, **config: Any) -> RedisSource:
        keys = {"match": "k:*", "batch_size": 60, **self.config, **config}
        return RedisSource(RedisConfig(**keys), credentials=credentials or self.credentials)

    def make_source(self) -> RedisSource:
        return self.source()

    def make_empty(self) -> RedisSource:
        return self.source(match="nothing:*")

    def make_bad_credentials(self) -> RedisSource:
        wrong = SecretStr("wrong-but-unmistakable")
        return self.source(self.credentials.model_copy(update={"password": wrong}))


class TestStrings(_Keys):
    """A row per string."""

    expected_rows = KEYS


class TestJson(_Keys):
    """Strings that hold objects, and some that do not."""

    expected_rows = KEYS - 4
    config: ClassVar[dict[str, Any]] = {"format": "json", "ttl": "expires_at"}

    def commands(self, n: int) -> list[tuple[Any, ...]]:
        text = json.dumps({"n": n, "tags": ["a"]}) if n % 100 else "[1]"
        return [("SET", f"k:{n}", text, "PXAT", 4_000_000_000_000 + n)]


class TestHashes(_Keys):
    """A column per field."""

    expected_rows = KEYS
    config: ClassVar[dict[str, Any]] = {"data_type": "hash"}

    def commands(self, n: int) -> list[tuple[Any, ...]]:
        return [("HSET", f"k:{n}", "name", f"n{n}", *(["plan", "free"] if n % 3 else []))]


class TestFields(_Keys):
    """A row per field, of hashes among which some are large."""

    expected_rows = 3 * (KEYS - 2) + 2 * 6_000
    config: ClassVar[dict[str, Any]] = {"data_type": "hash", "layout": "rows"}

    def commands(self, n: int) -> list[tuple[Any, ...]]:
        fields = [text for f in range(6_000 if n in (7, 8) else 3) for text in (f"f{f}", f)]
        return [("HSET", f"k:{n}", *fields)]


class TestSets(_Keys):
    """A row per member, one of the sets large."""

    expected_rows = 2 * (KEYS - 1) + 12_000
    config: ClassVar[dict[str, Any]] = {"data_type": "set", "batch_size": 2_000}

    def commands(self, n: int) -> list[tuple[Any, ...]]:
        return [("SADD", f"k:{n}", *range(2 if n else 12_000))]


class TestSortedSets(_Keys):
    """A row per member with its score, one of the sets large."""

    expected_rows = 2 * (KEYS - 1) + 6_000
    config: ClassVar[dict[str, Any]] = {"data_type": "zset"}

    def commands(self, n: int) -> list[tuple[Any, ...]]:
        count = 2 if n else 6_000
        return [("ZADD", f"k:{n}", *(text for m in range(count) for text in (m / 4, f"m{m}")))]


class TestLists(_Keys):
    """A row per value with its index, one of the lists large."""

    expected_rows = 2 * (KEYS - 1) + 6_000
    config: ClassVar[dict[str, Any]] = {"data_type": "list"}

    def commands(self, n: int) -> list[tuple[Any, ...]]:
        return [("RPUSH", f"k:{n}", *range(2 if n else 6_000))]


class TestAny(_Keys):
    """The keys alone."""

    expected_rows = KEYS + 20
    config: ClassVar[dict[str, Any]] = {"data_type": "any"}


def test_a_window_is_refused(make: Make) -> None:
    """A key has no time."""
    now = datetime.now(UTC)
    window = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=now)
    with pytest.raises(ConfigurationError, match="no time"):
        asyncio.run(make().is_ready(None, window))


def test_datasets_are_named_by_server_database_and_pattern() -> None:
    """OpenLineage has no rule for Redis; the namespace is the server."""
    credentials = Credentials(host="r.example.org", database="2")
    source = RedisSource(RedisConfig(match="user:*"), credentials=credentials)
    assert source.dataset() == ("redis://r.example.org:6379", "2.user:*")


@pytest.mark.parametrize(
    "config",
    [{"format": "json", "data_type": "set"}, {"format": "raw", "data_type": "hash"}, {"match": ""}],
)
def test_configs_that_cannot_be(config: dict[str, Any]) -> None:
    """JSON of members, bytes of columns, no pattern."""
    with pytest.raises(ValidationError):
        RedisConfig(**config)
