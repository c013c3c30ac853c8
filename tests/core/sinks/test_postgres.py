"""PostgreSQL holds the suite for sinks, and what is special to a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.postgres import connect, uri
from airflow_provider_spotify.core.clients.postgres_copy import copy_arrow
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
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

pytestmark = pytest.mark.service("postgres")


class TestPostgres(SinkConformance):
    @pytest.fixture(autouse=True)
    def _place(self, postgres_database: Credentials) -> None:
        self.credentials = postgres_database

    def make_sink(self) -> Sink[Any]:
        config = PostgresConfig(schema="acme")
        return PostgresSink(config, credentials=self.credentials, tenant="acme")


class TestPostgresThatOverflows(TestPostgres):
    """The same with so little memory that every batch is copied by itself."""

    def make_sink(self) -> Sink[Any]:
        config = PostgresConfig(schema='Ac"me', buffer_bytes=1)
        return PostgresSink(config, credentials=self.credentials, tenant="acme")


@pytest.fixture
def sink(postgres_database: Credentials) -> PostgresSink:
    config = PostgresConfig(schema="acme")
    return PostgresSink(config, credentials=postgres_database, tenant="acme")


@pytest.fixture
def server(postgres_database: Credentials) -> Iterator[psycopg.Connection[Any]]:
    with connect(postgres_database) as connection:
        connection.execute(b"CREATE SCHEMA acme")
        connection.execute(b"SET search_path = acme")
        yield connection


def test_a_nul_is_rejected_with_its_column(sink: PostgresSink) -> None:
    """Rows with a NUL in text, in a dictionary or deep inside JSON are rejected, others stay."""
    rows = batch(
        id=[1, 2, 3, 4],
        said=["a", "b\0", None, "d"],
        deep=[{"x": ["y"]}, {"x": ["y"]}, {"x": ["z\0"]}, {"x": ["\\u0000"]}],
    )
    load(sink, spec(sink), [rows])
    assert {row["id"] for row in rows_of(sink, "plays")} == {1, 4}
    (records,) = sink.rejected("plays")
    assert records.column("column_name").to_pylist() == ["said", "deep"]
    assert records.column("stage").to_pylist() == ["destination"] * 2
    assert json.loads(records.column("record")[1].as_py())["deep"] == {"x": ["z\0"]}


def test_numbers_that_json_does_not_have_are_text(sink: PostgresSink) -> None:
    """NaN and infinity inside a nested value are stored under their names."""
    deep = [{"v": [float("nan"), float("-inf"), 1.5], "s": "NaN and Infinity"}]
    load(sink, spec(sink), [batch(deep=deep)])
    (row,) = rows_of(sink, "plays")
    assert json.loads(row["deep"]) == {"v": ["NaN", "-Infinity", 1.5], "s": "NaN and Infinity"}


def test_nested_columns_are_jsonb(sink: PostgresSink) -> None:
    """A nested value can be asked with the operators of jsonb."""
    load(sink, spec(sink), [batch(s=[{"a": {"b": 5}}])])
    assert sink.query("SELECT (s->'a'->>'b')::int AS b FROM plays").to_pylist() == [{"b": 5}]


def test_a_view_on_a_replaced_table_goes_on(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """A table with a view, an index or a trigger is refilled instead of swapped."""
    load(sink, spec(sink, mode="replace", run="1"), [batch(id=[1], old=["x"])])
    server.execute(b"CREATE VIEW seen AS SELECT id FROM plays")
    load(sink, spec(sink, mode="replace", run="2"), [batch(id=[2], new=[1])])
    assert server.execute(b"SELECT id FROM seen").fetchall() == [(2,)]
    assert rows_of(sink, "plays") == [{"id": 2, "old": None, "new": 1}]


def test_grants_on_a_replaced_table_stay(
    sink: PostgresSink, server: psycopg.Connection[Any]
) -> None:
    """Who may read a table may still read the one that is swapped in."""
    load(sink, spec(sink, mode="replace", run="1"), [batch(id=[1])])
    server.execute(b"GRANT SELECT ON plays TO PUBLIC")
    oid = server.execute(b"SELECT 'plays'::regclass::oid").fetchall()
    load(sink, spec(sink, mode="replace", run="2"), [batch(id=[2])])
    assert server.execute(b"SELECT 'plays'::regclass::oid").fetchall() != oid
    (granted,) = server.execute(b"SELECT relacl::text FROM pg_class WHERE relname = 'plays'")
    assert "=r/" in granted[0]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_table_that_the_user_made_keeps_its_types(
    sink: PostgresSink, server: psycopg.Connection[Any], mode: str
) -> None:
    """Types that this package never creates are filled from text."""
    server.execute(
        b"CREATE TABLE plays (id uuid, at timestamptz(0), j json, n numeric, v varchar(3), "
        b"_load_id bigint)"
    )
    key = "7b1c0000-0000-4000-8000-000000000001"
    for said in ("abc", "xyz"):
        rows = batch(id=[key], at=["2026-01-01T12:00:00Z"], j=['{"a": 1}'], n=[5], v=[said])
        load(sink, spec(sink, mode=mode, run=said), [rows] * (1 if said == "abc" else 2))
    found = sink.query("SELECT id::text, at::text, j->>'a' AS a, n, v FROM plays ORDER BY v")
    assert found.num_rows == (2 if mode == "append" else 1)
    assert found.to_pylist()[-1]["v"] == "xyz"
    assert found.to_pylist()[-1]["id"] == key
    with pytest.raises(DataError, match="too long"):
        load(sink, spec(sink, mode=mode, run="long"), [rows] * 2 + [batch(id=[key], v=["abcd"])])


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


def test_no_index_no_merge_scans_twice(sink: PostgresSink, server: psycopg.Connection[Any]) -> None:
    """A merged table has an index on its key."""
    load(sink, spec(sink, mode="merge"), [batch(id=[1], v=[1])])
    (found,) = server.execute(b"SELECT indexdef FROM pg_indexes WHERE tablename = 'plays'")
    assert found[0].endswith("(id)")


def test_query_gives_types_also_without_rows(sink: PostgresSink) -> None:
    """The columns of an empty result have the types of a full one."""
    sql = (
        "SELECT 1::bigint AS a, 1.5::numeric(5,2) AS b, 'x'::text AS c, now() AS d, true AS e, "
        "'1 day'::interval AS f, '{\"k\": 1}'::jsonb AS g, 1.5::float8 AS h, '\\x00'::bytea AS i, "
        "date '2026-01-01' AS j, ARRAY[1, 2] AS k, time '12:00' AS l"
    )
    full, empty = sink.query(sql), sink.query(f"{sql} WHERE false")
    kinds = {field.name: field.type for field in full.schema}
    assert {n: t for n, t in kinds.items() if n not in "bk"} == {
        f.name: f.type for f in empty.schema if f.name not in "bk"
    }
    assert full.column("f").to_pylist() == [timedelta(days=1)]
    assert full.column("k").to_pylist() == [[1, 2]]


def test_a_wrong_password_is_not_repeated(postgres: Credentials) -> None:
    """The error says that the login failed, and holds no secret; nor does the check."""
    wrong = postgres.model_copy(update={"password": SecretStr("hunter2-wrong")})
    sink = PostgresSink(PostgresConfig(), credentials=wrong, tenant="acme")
    with pytest.raises(AuthenticationError) as caught:
        sink.cursor("plays")
    health = sink.check()
    assert not health.ok
    assert "hunter2" not in f"{caught.value} {health.message} {sink.config} {wrong}"


def test_an_absent_server_is_transient() -> None:
    """A refused connection may be tried again."""
    nowhere = Credentials(host="127.0.0.1", port=1, login="x", database="x")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1"):
        connect(nowhere)


def test_an_absent_database_is_a_configuration_error(postgres: Credentials) -> None:
    """A database that is not there does not appear by trying again."""
    with pytest.raises(ConfigurationError, match="nope"):
        connect(postgres.model_copy(update={"database": "nope"}))


def test_check_wants_the_right_to_create(
    postgres_database: Credentials, server: psycopg.Connection[Any]
) -> None:
    """A login that may not create tables is found by the check, not by the first load."""
    server.execute(b"DROP ROLE IF EXISTS reader")
    server.execute(b"CREATE ROLE reader LOGIN PASSWORD 'reader'")
    words = {"login": "reader", "password": SecretStr("reader")}
    reader = postgres_database.model_copy(update=words)
    sink = PostgresSink(PostgresConfig(schema="acme"), credentials=reader, tenant="acme")
    health = sink.check()
    assert (health.ok, "may not create" in health.message) == (False, True)
    with pytest.raises(ForbiddenError, match="permission denied"):
        sink.cursor("plays")


def test_the_uri_quotes_what_it_holds() -> None:
    """A login or password of any characters survives a connection string."""
    given = Credentials(
        host="::1", port=5433, login="a@b", password=SecretStr("p/w:?#"), database="d b"
    )
    words = psycopg.conninfo.conninfo_to_dict(uri(given))
    found = [words[name] for name in ("host", "port", "user", "password", "dbname")]
    assert [str(word) for word in found] == ["::1", "5433", "a@b", "p/w:?#", "d b"]


@pytest.mark.parametrize("as_text", [False, True])
def test_copy_as_text_stores_what_binary_does(
    server: psycopg.Connection[Any], as_text: bool
) -> None:
    """The fallback writes the same values as the fast way."""
    rows = batch(
        a=pa.array([1, None]),
        b=pa.array(['né "\n,', ""]),
        c=pa.array([b"\x00\xff", None]),
        d=pa.array([1_700_000_000_000_001, None], pa.timestamp("us", "UTC")),
        e=pa.array([1.5, float("nan")]),
        f=pa.array([timedelta(days=1, microseconds=3), None], pa.duration("us")),
        g=pa.array([True, None]),
    )
    server.execute(
        b"CREATE TABLE t (a bigint, b text, c bytea, d timestamptz, e float8, f interval, g bool)"
    )
    copy_arrow(server, into="t (a, b, c, d, e, f, g)", batches=[rows], as_text=as_text)
    first, second = server.execute(b"SELECT * FROM t ORDER BY a").fetchall()
    expected = rows.to_pylist()[0]
    assert first == tuple(expected.values())
    assert second[:4] == (None, "", None, None)
    assert str(second[4]) == "nan"


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
