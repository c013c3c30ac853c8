"""ClickHouse's real engine: the conformance suite, refusals, limits, and broken streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.clickhouse import connect
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.clickhouse import (
    ClickhouseConfig,
    ClickhouseSource,
)
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.sources.database.clickhouse_plays import FILL, PLAYS, Run, reading, running
from tests.services.clickhouse_broken import broken_server

pytestmark = pytest.mark.service("clickhouse")
run = pytest.fixture(running)
make = pytest.fixture(reading)


class _Plays(SourceConformance):
    config: dict[str, Any]
    libraries = (*SourceConformance.libraries, "clickhouse_connect", "chdb")

    @pytest.fixture(autouse=True)
    def _table(self, clickhouse_database: Credentials, run: Run) -> None:
        self.credentials, self.run = clickhouse_database, run
        run(PLAYS)
        run(FILL)

    def _source(self, credentials: Credentials | None = None, **config: Any) -> ClickhouseSource:
        checked = ClickhouseConfig(**{**self.config, "max_block_size": 60, **config})
        return ClickhouseSource(checked, credentials=credentials or self.credentials)

    def make_source(self) -> ClickhouseSource:
        return self._source()

    def make_empty(self) -> ClickhouseSource:
        return self._source(where="id = 0")

    def make_bad_credentials(self) -> ClickhouseSource:
        wrong = {"password": SecretStr("wrong-but-unmistakable")}
        return self._source(self.credentials.model_copy(update=wrong))

    def add_more(self) -> int:
        self.run(
            "INSERT INTO plays SELECT number + 2000, toDateTime64('2026-02-01 00:00:00', 3, 'UTC'),"
            " 'zzz' FROM numbers(3)"
        )
        return 3


class TestByTime(_Plays):
    """By a column of another zone, in which seven rows share each value."""

    expected_rows = 1000
    config = {"table": "plays", "cursor": {"column": "played_at"}}  # noqa: RUF012


class TestByNumber(_Plays):
    """By an integer column that is not among the columns read."""

    expected_rows = 1000
    config = {"table": "plays", "columns": ["track"], "cursor": {"column": "id"}}  # noqa: RUF012


class TestQuery(_Plays):
    """By a column of a query, compressed."""

    expected_rows = 1000
    config = {  # noqa: RUF012
        "query": "SELECT track, id FROM plays WHERE id > 0 -- all;\n;",
        "cursor": {"column": "track"},
        "compression": "lz4",
    }


class TestWhole(_Plays):
    """Without a cursor: every read gives everything."""

    expected_rows = 1000
    incremental = False
    config = {"table": "plays"}  # noqa: RUF012


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"table": "playz"}, "did you mean 'plays'"),
        ({"table": "plays", "columns": ["trak"]}, "did you mean 'track'"),
        ({"table": "plays", "cursor": {"column": "idd"}}, "did you mean 'id'"),
        ({"table": "plays", "database": "nowhere_at_all"}, "nowhere_at_all"),
        ({"query": "SELECT nope FROM plays"}, "look at query"),
        ({"query": "SELEC 1"}, "look at query"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    make: Callable[..., ClickhouseSource], run: Run, config: dict[str, Any], said: str
) -> None:
    """An unknown table, column or database is a configuration error that offers near names."""
    run(PLAYS)
    with pytest.raises(ConfigurationError, match=said):
        read(make(**config))
    health = asyncio.run(make(**config).check())
    assert not health.ok


def test_what_the_login_may_not_do_is_forbidden(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Code 497, access denied, is a ForbiddenError; so is writing from a source."""
    with connect(make(query="SELECT 1").credentials) as client:
        from airflow_provider_spotify.core.clients.clickhouse import clickhouse_errors

        with pytest.raises(ForbiddenError), clickhouse_errors(Credentials()):
            client.command("CREATE USER someone")


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"max_memory_usage": 1000}, "id > 0"),
        (
            {"max_execution_time": 0.1},
            "(SELECT count() FROM numbers(1e12) WHERE sipHash64(number) = 1) < 9",
        ),
    ],
)
def test_limits_of_the_server_are_transient(
    make: Callable[..., ClickhouseSource], run: Run, settings: dict[str, Any], where: str
) -> None:
    """Too little memory (241) or time (159) may be otherwise later."""
    run(PLAYS)
    run(FILL)
    with pytest.raises(TransientError, match=r"limit|exceeded"):
        read(make(table="plays", where=where, settings=settings, max_block_size=10))


def test_settings_are_an_allow_list() -> None:
    """A setting that changes how values are written is refused, and those allowed are named."""
    with pytest.raises(ValidationError, match=r"output_format_arrow.*max_threads"):
        ClickhouseConfig(table="t", settings={"output_format_arrow_string_as_string": 0})


def test_an_error_in_the_middle_of_the_answer_is_an_error(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Rows that came before it do not make an answer whole: the server's own words are raised."""
    source = make(query="SELECT number, throwIf(number = 2000000, 'boom') FROM numbers(3000000)")
    seen = 0

    async def collect() -> None:
        nonlocal seen
        async for chunk in source.read(None):
            seen += chunk.batch.num_rows

    with pytest.raises(DataError, match="boom"):
        asyncio.run(collect())
    assert 0 < seen < 2_000_001


@pytest.mark.parametrize("how", ["cut at a batch", "cut in a batch", "plain text", "tagged"])
def test_a_stream_that_ends_too_early_is_an_error(how: str) -> None:
    """However a server or a proxy ends its answer, what lacks its end is not taken for whole."""
    with broken_server(how) as credentials:
        source = ClickhouseSource(ClickhouseConfig(query="SELECT 1"), credentials=credentials)
        with pytest.raises(TransientError, match=r"broke|memory") as caught:
            read(source)
        assert ("memory limit exceeded" in str(caught.value)) == (how in ("plain text", "tagged"))


def test_a_login_that_is_refused_says_so(clickhouse: Credentials) -> None:
    """Code 516 is an AuthenticationError, in check() too."""
    wrong = clickhouse.model_copy(update={"password": SecretStr("hunter2-hunter2")})
    source = ClickhouseSource(ClickhouseConfig(query="SELECT 1"), credentials=wrong)
    with pytest.raises(AuthenticationError):
        read(source)
    assert not asyncio.run(source.check()).ok


def test_an_absent_server_is_transient() -> None:
    """A refused connection may be tried again."""
    nowhere = Credentials(host="127.0.0.1", port=1)
    source = ClickhouseSource(ClickhouseConfig(query="SELECT 1"), credentials=nowhere)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1"):
        read(source)


def test_the_dataset_is_named_after_server_and_table() -> None:
    """The name says server, database and table; ``extra`` may name the database."""
    there = Credentials(host="ch.example.com", port=8443, extra={"database": "music"})
    source = ClickhouseSource(ClickhouseConfig(table="plays"), credentials=there)
    assert source.dataset() == ("clickhouse://ch.example.com:8443", "music.plays")
