"""PostgreSQL holds the suite for sinks, and its loads survive what a server does."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import Credentials, Run
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.postgres import PostgresConfig, PostgresSink
from airflow_provider_spotify.core.testing.loads import (
    batch,
    load,
    publish,
    rejected_records,
    report,
    rows_of,
    spec,
    write,
)
from airflow_provider_spotify.core.testing.sinks import SinkConformance
from tests.core.sinks.postgres_acme import acme, inside

pytestmark = pytest.mark.service("postgres")
sink = pytest.fixture(acme)
server = pytest.fixture(inside)


class TestPostgres(SinkConformance):
    @pytest.fixture(autouse=True)
    def _place(self, postgres_database: Credentials) -> None:
        self.credentials = postgres_database

    def make_sink(self) -> Sink[Any]:
        config = PostgresConfig.model_validate({"schema": "acme"})
        return PostgresSink(config, credentials=self.credentials, tenant="acme")


class TestPostgresThatOverflows(TestPostgres):
    """The same with so little memory that every batch is copied by itself."""

    def make_sink(self) -> Sink[Any]:
        config = PostgresConfig.model_validate({"schema": 'Ac"me', "buffer_bytes": 1})
        return PostgresSink(config, credentials=self.credentials, tenant="acme")


def test_staging_lost_in_a_crash_of_the_server_starts_the_load_anew(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """Unlogged staging is empty after such a crash; the load notices and reads again."""
    of = spec(sink, mode="merge")
    batches = [batch(id=[1, 2]), batch(id=[3])]
    with sink.begin(of) as under_way:
        write(under_way, batches[:1], every=1)
    server.execute(f'TRUNCATE "_staging_{of.load_id}"'.encode())
    with sink.begin(of) as under_way:
        assert (under_way.since, under_way.done.rows) == (None, 0)
        under_way.publish(write(under_way, batches), report(of))
    assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3]


def test_a_part_lost_in_a_crash_of_the_server_is_named(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """The staging of parts is unlogged, too; what is gone is not published as if it were whole."""
    specs = [spec(sink, part=(number, 2)) for number in (1, 2)]
    for of in specs:
        load(sink, of, [batch(id=[1, 2])])
    server.execute(f'TRUNCATE "_staging_{specs[1].load_id}"'.encode())
    with pytest.raises(ConfigurationError, match="part 2 of 2"):
        sink.begin(spec(sink, parts=2))


@pytest.mark.parametrize("mode", ["append", "replace", "merge", "scd2"])
def test_published_parts_leave_no_tables(
    sink: PostgresSink, server: psycopg.Connection[Any], mode: str
) -> None:
    """More parts than are dropped at once leave nothing behind, nor do those of a run given up."""
    load(sink, spec(sink, mode=mode, run="given up", part=(1, 2)), [batch(id=[1])])
    for number in range(1, 53):
        of = spec(sink, mode=mode, part=(number, 52))
        load(sink, of, [batch(id=[number])], rejected=[rejected_records("{}")])
    publish(sink, spec(sink, mode=mode, parts=52))
    assert len(rows_of(sink, "plays")) == 52
    found = server.execute(b"SELECT relname FROM pg_class WHERE relname LIKE '%staging%'")
    assert found.fetchall() == []
    load(sink, spec(sink, mode=mode, run="next"), [])
    (count,) = server.execute(b"SELECT count(*) FROM _imports WHERE import = 'plays'").fetchall()
    assert count == (2,)


def test_a_flowing_merge_leaves_no_tables(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """Rows pass through a temporary table, also those of types that only the user makes."""
    server.execute(b"CREATE TABLE plays (id uuid, n numeric, _load_id bigint)")
    keys = [f"7b1c0000-0000-4000-8000-00000000000{n}" for n in range(3)]
    batches = [batch(id=keys[:2], n=[1, 2]), batch(id=keys[1:], n=[3, 4]), batch(id=keys[:1])]
    with sink.begin(spec(sink, mode="merge", flowing=True)) as under_way:
        end = write(under_way, batches, every=1)
        found = server.execute(b"SELECT relname FROM pg_class WHERE relname LIKE '_staging%'")
        assert found.fetchall() == []
        under_way.publish(end, report(spec(sink)))
    rows = sink.query("SELECT id::text, n FROM plays ORDER BY id").to_pylist()
    assert [(row["id"], int(row["n"])) for row in rows] == [*zip(keys, [1, 3, 4], strict=True)]


def test_a_lost_connection_makes_no_checkpoint(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """When the server ends the session, what was written since the checkpoint is not claimed."""
    of = spec(sink)
    with sink.begin(of) as under_way:
        end = write(under_way, [batch(id=[1])], every=1)
        under_way.write(batch(id=[2]))
        server.execute(
            b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            b"WHERE application_name LIKE 'spotify-imports acme.plays%'"
        )
        with pytest.raises(TransientError):
            under_way.checkpoint(end._replace(cursor={"batches": 2}))
        under_way.checkpoint(end._replace(cursor={"batches": 2}))  # as the pipeline tries
        with pytest.raises(TransientError, match="failed before"):
            under_way.publish(end, report(of))
    assert sink.cursor("plays") == {"batches": 1}
    assert rows_of(sink, "plays") == [{"id": 1}]


def test_the_lock_names_its_holder(sink: PostgresSink) -> None:
    """Beginning a load that is under way says which session loads."""
    with sink.begin(spec(sink)), pytest.raises(TransientError, match=r"server process \d+"):
        sink.begin(spec(sink, run="two"))


def test_partitions_create_one_table(sink: PostgresSink) -> None:
    """Parts that begin together on an empty schema wait for each other's new table."""
    import threading

    failures: list[BaseException] = []

    def run(part: int) -> None:
        try:
            of = spec(sink, run=Run(run_id="x", partition=str(part)))
            load(sink, of, [batch(id=[part * 10 + n]) for n in range(3)], every=1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(rows_of(sink, "plays")) == 12
