"""PostgreSQL on a real server: the conformance suite, and what can go wrong."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.postgresql import (
    PostgresqlConfig,
    PostgresqlSource,
)
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.sources.database.plays import PLAYS, Database, Make, Run


class _Plays(SourceConformance):
    config: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _table(self, database: Database) -> None:
        self.credentials, self.connection = database
        for statement in PLAYS.split(";\n"):
            self.connection.execute(statement.encode())

    def _source(self, credentials: Credentials | None = None, **config: Any) -> PostgresqlSource:
        checked = PostgresqlConfig(**{**self.config, "batch_size": 60, **config})
        return PostgresqlSource(checked, credentials=credentials or self.credentials)

    def make_source(self) -> PostgresqlSource:
        return self._source()

    def make_empty(self) -> PostgresqlSource:
        return self._source(where="id < 0")

    def make_bad_credentials(self) -> PostgresqlSource:
        values = self.credentials.model_dump() | {"password": "wrong-but-unmistakable"}
        return self._source(Credentials(**values))

    def add_more(self) -> int:
        self.connection.execute(
            b"INSERT INTO plays SELECT i, timestamptz '2026-02-01', 'new' "
            b"FROM generate_series(2001, 2003) i"
        )
        return 3


class TestByTime(_Plays):
    """By a column in which seven rows share each value."""

    expected_rows = 1000
    config = {"table": "plays", "cursor": {"column": "played_at"}}  # noqa: RUF012


class TestByNumber(_Plays):
    """By an integer column that is not among the columns read."""

    expected_rows = 1000
    config = {"table": "plays", "columns": ["track"], "cursor": {"column": "id"}}  # noqa: RUF012


class TestQuery(_Plays):
    """By a column of a query."""

    expected_rows = 1000
    config = {  # noqa: RUF012
        "query": "SELECT id, played_at, upper(track) AS track FROM plays -- all of them;",
        "cursor": {"column": "played_at"},
    }


class TestWholeTable(_Plays):
    """Without a cursor column: everything, each time."""

    expected_rows = 1000
    incremental = False
    config = {"table": "plays"}  # noqa: RUF012


def test_missing_names_offer_the_nearest(make: Make, run: Run) -> None:
    """A table or column that is not there comes with what may have been meant."""
    run(PLAYS)
    with pytest.raises(ConfigurationError, match=r"did you mean 'public\.plays'"):
        read(make(table="play"))
    with pytest.raises(ConfigurationError, match="did you mean 'played_at'"):
        read(make(table="plays", cursor={"column": "played"}))
    with pytest.raises(ConfigurationError, match="syntax error"):
        read(make(query="SELEC 1"))
    health = asyncio.run(make(table="play").check())
    assert not health.ok
    assert "public.plays" in health.message


def test_refusals_are_told_apart(database: Database, run: Run) -> None:
    """Wrong password, no privilege, no database, no server: each its own error."""
    run(PLAYS)
    run("DROP ROLE IF EXISTS guest_of_tests;\nCREATE ROLE guest_of_tests LOGIN PASSWORD 'guest'")

    def attempt(**changes: Any) -> None:
        credentials = Credentials(**(database[0].model_dump() | changes))
        read(PostgresqlSource(PostgresqlConfig(table="plays"), credentials=credentials))

    with pytest.raises(AuthenticationError, match="password authentication failed"):
        attempt(password="wrong")
    with pytest.raises(ForbiddenError, match="permission denied"):
        attempt(login="guest_of_tests", password="guest")
    with pytest.raises(ConfigurationError, match="does not exist"):
        attempt(database="nowhere")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9/"):
        attempt(port=9)
    with pytest.raises(ConfigurationError, match="SSL"):
        attempt(extra={"sslmode": "require"})


def test_data_that_breaks_the_query_is_a_data_error(make: Make) -> None:
    """An error in the middle of the rows is of the data, not worth a retry."""
    with pytest.raises(DataError, match="division by zero"):
        read(make(query="SELECT 1 / (5 - i) AS x FROM generate_series(1, 10) i"))


def test_a_query_cannot_write(make: Make, run: Run) -> None:
    """The transaction is read-only, also for functions that a query calls."""
    run("CREATE TABLE t (id int)")
    run(
        "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING 1'"
    )
    with pytest.raises(ConfigurationError, match="read-only"):
        read(make(query="SELECT sneak() AS x"))


def test_one_read_sees_one_snapshot(make: Make, run: Run) -> None:
    """Rows that are added while a read is under way are not in it."""
    run(PLAYS)

    async def count() -> int:
        found = 0
        async for chunk in make(table="plays", batch_size=50).read(None):
            if not found:
                run("INSERT INTO plays SELECT i FROM generate_series(5000, 6000) i")
            found += chunk.batch.num_rows
        return found

    assert asyncio.run(count()) == 1000


def test_closing_early_ends_the_query(make: Make, database: Database) -> None:
    """A read closed after its first chunk leaves no query running on the server."""
    query = "SELECT i AS early_id, repeat('x', 1000) AS x FROM generate_series(1, 2000000) i"
    read(make(query=query), limit=1)
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%early_id%' "
        "AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 60  # the server notices only when it is given the processor
    while (row := database[1].execute(running.encode()).fetchone()) != (0,):
        assert time.monotonic() < deadline, row
        time.sleep(0.02)


def test_datasets_are_named_as_openlineage_does() -> None:
    """The namespace is the server, the name database, schema and table."""
    credentials = Credentials(host="db.example.org", port=6432, login="u", database="shop")
    source = PostgresqlSource(PostgresqlConfig(table="plays"), credentials=credentials)
    assert source.dataset() == ("postgres://db.example.org:6432", "shop.public.plays")


@pytest.mark.parametrize("config", [{}, {"table": "a", "query": "SELECT 1"}, {"table": ""}])
def test_table_or_query(config: dict[str, Any]) -> None:
    """Exactly one of table and query is given."""
    with pytest.raises(ValidationError):
        PostgresqlConfig(**config)
