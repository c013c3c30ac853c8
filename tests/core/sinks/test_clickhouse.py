"""ClickHouse's real engine holds the suite for sinks, and what is special to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.clickhouse import connect
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    TransientError,
)
from airflow_provider_spotify.core.model import LOAD_ID, Credentials
from airflow_provider_spotify.core.sinks._clickhouse_locks import BEAT, EXPIRY, lock_table
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.clickhouse import ClickhouseConfig, ClickhouseSink
from airflow_provider_spotify.core.testing.loads import (
    batch,
    load,
    records_of,
    rejected_records,
    report,
    rows_of,
    spec,
    write,
)
from airflow_provider_spotify.core.testing.sinks import SinkConformance
from tests.services.clickhouse import clickhouse_server, credentials_of
from tests.services.process import free_port

pytestmark = pytest.mark.service("clickhouse")
Run = Callable[[str], Any]


class TestClickHouse(SinkConformance):
    @pytest.fixture(autouse=True)
    def _place(self, clickhouse_database: Credentials) -> None:
        self.credentials = clickhouse_database

    def make_sink(self) -> Sink[Any]:
        return ClickhouseSink(ClickhouseConfig(), credentials=self.credentials, tenant="acme")


@pytest.fixture
def sink(clickhouse_database: Credentials) -> ClickhouseSink:
    return ClickhouseSink(ClickhouseConfig(), credentials=clickhouse_database, tenant="acme")


@pytest.fixture
def run(clickhouse_database: Credentials) -> Iterator[Run]:
    """Give a function that runs SQL in this test's database, as a user would."""
    with connect(clickhouse_database) as client:
        yield client.command


# ── crashes ──────────────────────────────────────────────────────────────────────────────────

_LEDGER = r"INSERT INTO `acme`\.`_imports`"
_POINTS = (
    ("append", "before", rf"{_LEDGER} .* AS intent,"),
    ("append", "after", rf"{_LEDGER} .* AS intent,"),
    ("append", "before", r"ALTER TABLE `acme`\.`plays` ATTACH"),
    ("append", "after", r"ALTER TABLE `acme`\.`plays` ATTACH"),
    ("append", "after", r"ALTER TABLE `acme`\.`plays__rejected` ATTACH"),
    ("append", "before", r"DROP TABLE IF EXISTS `acme`\.`_tx_"),
    ("append", "before", rf"{_LEDGER} .* FINAL WHERE load_id IN"),
    ("append", "after", rf"{_LEDGER} .* FINAL WHERE load_id IN"),
    ("merge", "after", rf"{_LEDGER} .* AS intent,"),
    ("merge", "before", r"EXCHANGE TABLES `acme`\.`_tx_.* AND `acme`\.`plays`"),
    ("merge", "after", r"EXCHANGE TABLES `acme`\.`_tx_.* AND `acme`\.`plays`"),
    ("merge", "after", r"DELETE FROM `acme`\.`_tx_"),
    ("scd2", "after", r"EXCHANGE TABLES `acme`\.`_tx_.* AND `acme`\.`plays`"),
    ("replace", "before", r"EXCHANGE TABLES `acme`\.`_staging_"),
    ("replace", "after", r"EXCHANGE TABLES `acme`\.`_staging_"),
)


@pytest.mark.chaos
@pytest.mark.parametrize(("mode", "when", "statement"), _POINTS)
def test_a_server_that_dies_at_a_statement_loses_and_doubles_nothing(
    tmp_path: Path, mode: str, when: str, statement: str
) -> None:
    """Kill the server before it runs a statement, or before it answers; load again there."""
    port = free_port()
    words = {"database": "acme"}
    credentials = credentials_of(port).model_copy(update=words)
    sink = ClickhouseSink(ClickhouseConfig(), credentials=credentials, tenant="acme")
    first = [batch(id=[1, 2], said=["a", "b"])]
    second = [*first, batch(id=[2, 3], said=["B", "c"])]
    refused = [rejected_records('"one"'), rejected_records('"two"')]
    with clickhouse_server(tmp_path, port=port) as server:
        load(sink, spec(sink, mode=mode, run="one"), first, rejected=refused)
        (tmp_path / "crash").write_text(f"{when} {statement}")
        with pytest.raises(TransientError):
            load(sink, spec(sink, mode=mode, run="two"), second, rejected=refused)
        server.wait(30)
    assert not (tmp_path / "crash").exists()
    with clickhouse_server(tmp_path, port=port):
        load(sink, spec(sink, mode=mode, run="two"), second, rejected=refused)
        found = [(row["id"], row["said"]) for row in rows_of(sink, "plays")]
        left = _left(sink)
        records = records_of(sink, "plays")
    expected = {
        "append": [(1, "a"), (2, "B"), (2, "b"), (3, "c")],
        "merge": [(1, "a"), (2, "B"), (3, "c")],
        "replace": [(1, "a"), (2, "B"), (2, "b"), (3, "c")],
        "scd2": [(1, "a"), (2, "B"), (2, "b"), (3, "c")],
    }
    assert sorted(found) == expected[mode]
    assert records == ['"one"', '"two"']
    assert left == ["_imports", "plays", "plays__rejected"]


def _left(sink: Sink[Any]) -> list[str]:
    """Return the tables of a sink's database."""
    sql = "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    return [str(row["name"]) for row in sink.query(sql).to_pylist()]


def test_a_load_leaves_no_table_behind(sink: ClickhouseSink) -> None:
    """Neither locks nor copies nor staging stay after loads in every mode."""
    for mode in ("append", "merge", "scd2", "replace"):
        for number in (1, 2):
            of = spec(sink, table=mode, mode=mode, import_name=mode, run=str(number))
            load(sink, of, [batch(id=[n]) for n in range(number)], every=1)
    assert _left(sink) == ["_imports", "append", "merge", "replace", "scd2"]


# ── locks ────────────────────────────────────────────────────────────────────────────────────


def _lock_of_another(run: Run, *, beat: str) -> None:
    """Lock the import as a process of another machine would have done."""
    words = {"lock": "acme.plays", "host": "far", "machine": "another", "pid": 1, "mark": "x"}
    run(
        f"CREATE TABLE {lock_table('acme.plays')} (beat DateTime64(3)) ENGINE = Memory "
        f"COMMENT '{json.dumps(words)}'"
    )
    run(f"INSERT INTO {lock_table('acme.plays')} SELECT {beat}")


def test_the_lock_names_its_holder_elsewhere(sink: ClickhouseSink, run: Run) -> None:
    """A holder on another machine that still beats is named, and may be waited for."""
    _lock_of_another(run, beat="now64(3) + 3600")  # however long this test takes, it still beats
    with pytest.raises(TransientError, match="process 1 on far"):
        sink.begin(spec(sink))


def test_a_holder_that_stopped_beating_is_waited_for_and_replaced(
    sink: ClickhouseSink, run: Run
) -> None:
    """Whoever was not heard of for a while is dead, and its lock goes to the next."""
    begun = time.monotonic()
    _lock_of_another(run, beat="now64(3)")
    time.sleep(5 * BEAT)  # before that, the holder may be only busy
    load(sink, spec(sink), [batch(id=[1])])
    assert time.monotonic() - begun > EXPIRY - 1
    assert rows_of(sink, "plays") == [{"id": 1}]
    assert _left(sink) == ["_imports", "plays"]


def test_a_loader_whose_lock_was_taken_commits_nothing(sink: ClickhouseSink, run: Run) -> None:
    """One that slept so long that another took its lock is told so, and nothing of it is seen."""
    of = spec(sink)
    with sink.begin(of) as under_way:
        end = write(under_way, [batch(id=[1])])
        run(f"RENAME TABLE {lock_table('acme.plays')} TO taken")
        with pytest.raises(TransientError, match="held by another"):
            under_way.publish(end, report(of))
    run("DROP TABLE taken")
    assert sink.cursor("plays") is None
    load(sink, of, [batch(id=[1])])
    assert rows_of(sink, "plays") == [{"id": 1}]


# ── tables of users ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["append", "merge", "replace", "scd2"])
def test_a_table_that_the_user_made_keeps_its_order_and_types(
    sink: ClickhouseSink, run: Run, mode: str
) -> None:
    """Engine, order, partitions and types stay; types of the user's own are filled from text."""
    run(
        "CREATE TABLE plays (id Int64, day Date32, kind LowCardinality(String), u Nullable(UUID), "
        "e Nullable(Enum8('x' = 1, 'y' = 2))) ENGINE = MergeTree ORDER BY (id, day) "
        "PARTITION BY toYYYYMM(day)"
    )
    key = "7b1c0000-0000-4000-8000-000000000001"
    days = [datetime(2026, month, 1, tzinfo=UTC).date() for month in (1, 2)]
    rows = batch(id=[1, 2], day=days, kind=["a", "b"], u=[key, None], e=["x", "y"])
    load(sink, spec(sink, mode=mode, run="one"), [rows])
    again = batch(id=[2], day=[days[1]], kind=["B"], u=[key], e=["x"])
    load(sink, spec(sink, mode=mode, run="two"), [rows, again])
    found = {(row["id"], row["kind"], str(row["u"])) for row in rows_of(sink, "plays")}
    assert (2, "B", key) in found
    its = "database = currentDatabase() AND name = 'plays'"
    (table,) = sink.query(
        f"SELECT sorting_key, partition_key FROM system.tables WHERE {its}"
    ).to_pylist()
    assert table == {"sorting_key": "id, day", "partition_key": "toYYYYMM(day)"}
    if mode != "replace":
        with pytest.raises(DataError):
            bad = batch(id=[3], day=[days[0]], kind=["c"], e=["not in the enum"])
            load(sink, spec(sink, mode=mode, run="three"), [rows, again, bad])


def test_a_null_is_never_stored_as_a_zero(sink: ClickhouseSink, run: Run) -> None:
    """ClickHouse would put a default where a column has no null; that is an error instead."""
    run("CREATE TABLE plays (id Int64, n Int64) ENGINE = MergeTree ORDER BY id")
    for mode in ("append", "merge"):
        with pytest.raises(DataError):
            load(sink, spec(sink, mode=mode), [batch(id=[1], n=pa.array([None], pa.int64()))])
    assert rows_of(sink, "plays") == []


def test_a_materialised_view_sees_appended_rows(sink: ClickhouseSink, run: Run) -> None:
    """A table that feeds a view is inserted into, because views do not see attached parts."""
    load(sink, spec(sink, run="one"), [batch(id=[1])])
    run("CREATE TABLE seen (id Nullable(Int64)) ENGINE = MergeTree ORDER BY tuple()")
    run("CREATE MATERIALIZED VIEW feed TO seen AS SELECT id FROM plays")
    load(sink, spec(sink, run="two"), [batch(id=[0]), batch(id=[2, 3])])
    assert [row["id"] for row in rows_of(sink, "seen")] == [2, 3]
    assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3]


def test_a_table_without_parts_is_refused(sink: ClickhouseSink, run: Run) -> None:
    """A table of another engine cannot take rows all at once; the error names the engine."""
    run("CREATE TABLE plays (id Int64) ENGINE = Memory")
    with pytest.raises(ConfigurationError, match="Memory"):
        load(sink, spec(sink), [batch(id=[1])])


def test_a_merged_table_is_ordered_by_its_key_and_stays_so(sink: ClickhouseSink) -> None:
    """Finding rows by key is fast, also after the key had to become wider."""
    narrow, wide = pa.array([2, 1], pa.int32()), pa.array([2**40, 1], pa.int64())
    load(sink, spec(sink, mode="merge", run="one"), [batch(id=narrow, v=[1, 1])])
    load(sink, spec(sink, mode="merge", run="two"), [batch(id=[0]), batch(id=wide, v=[2, 2])])
    (table,) = sink.query(
        "SELECT sorting_key, engine FROM system.tables "
        "WHERE database = currentDatabase() AND name = 'plays'"
    ).to_pylist()
    assert table == {"sorting_key": "id", "engine": "MergeTree"}
    found = {row["id"]: row["v"] for row in rows_of(sink, "plays")}
    assert found == {1: 2, 2: 1, 2**40: 2}


def test_a_merge_keeps_the_rows_of_a_table_of_millions(sink: ClickhouseSink, run: Run) -> None:
    """A merge changes exactly the rows it should, in a table of several parts."""
    load(sink, spec(sink, mode="merge", run="one"), [batch(id=[-1], v=[0])])
    for part in range(4):
        run(
            f"INSERT INTO plays (id, v, {LOAD_ID}) "
            f"SELECT number * 4 + {part}, 0, 7 FROM numbers(250000)"
        )
    ids = list(range(0, 2_000_000, 1000))
    load(sink, spec(sink, mode="merge", run="two"), [batch(id=[0]), batch(id=ids, v=[1] * 2000)])
    sql = "SELECT count() AS n, uniqExact(id) AS u, sum(v) AS s FROM plays"
    assert sink.query(sql).to_pylist() == [{"n": 1001001, "u": 1001001, "s": 2000}]


# ── values ───────────────────────────────────────────────────────────────────────────────────


def test_a_query_gives_back_what_types_stand_for(sink: ClickhouseSink) -> None:
    """Bytes, durations and times without a zone come as such; the zone is the type's."""
    moment = datetime(2026, 1, 1, 12)
    rows = batch(
        id=[1],
        raw=pa.array([b"ascii"], pa.binary()),
        took=pa.array([1_500_000], pa.duration("us")),
        naive=pa.array([moment], pa.timestamp("us")),
        aware=pa.array([moment], pa.timestamp("us", "UTC")),
    )
    load(sink, spec(sink), [rows])
    schema = sink.query("SELECT raw, took, naive, aware FROM plays").schema
    assert schema.types == rows.schema.types[1:]
    (shown,) = sink.query(
        "SELECT toString(naive) AS n, took.microseconds AS t FROM plays"
    ).to_pylist()
    assert shown == {"n": "2026-01-01 12:00:00.000000", "t": 1_500_000}


def test_parameters_are_values_and_nothing_else(sink: ClickhouseSink) -> None:
    """A text that looks like SQL stays a text; a parameter inside of a text is none."""
    odd = "x' OR 1 = 1 -- \\"
    load(sink, spec(sink), [batch(id=[1, 2], said=[odd, "$1"])])
    sql = "SELECT id FROM plays WHERE said = $1"
    assert sink.query(sql, [odd]).to_pylist() == [{"id": 1}]
    assert sink.query("SELECT id FROM plays WHERE said = '$1'", [odd]).to_pylist() == [{"id": 2}]
    found = sink.query("SELECT $1 AS a, $2 AS b, $3 AS c", [None, 1.5, datetime.now(UTC)])
    assert found.column("a").to_pylist() == [None]
    with pytest.raises(ConfigurationError, match=r"\$2"):
        sink.query("SELECT $2", [1])


def test_the_columns_of_loads_are_named_and_the_hidden_one_is_not(sink: ClickhouseSink) -> None:
    """SELECT * shows the load of a row, and nothing of how it came there."""
    load(sink, spec(sink), [batch(id=[1])])
    assert sink.query("SELECT * FROM plays").column_names == ["id", LOAD_ID]


# ── the server ───────────────────────────────────────────────────────────────────────────────


def test_a_wrong_password_is_not_repeated(clickhouse: Credentials) -> None:
    """The error says that the login failed, and holds no secret; nor does the check."""
    wrong = clickhouse.model_copy(update={"password": SecretStr("hunter2-wrong")})
    sink = ClickhouseSink(ClickhouseConfig(), credentials=wrong, tenant="acme")
    with pytest.raises(AuthenticationError) as caught:
        sink.cursor("plays")
    health = sink.check()
    assert not health.ok
    assert "hunter2" not in f"{caught.value} {health.message} {sink.config} {wrong}"


def test_an_absent_server_is_transient() -> None:
    """A refused connection may be tried again."""
    nowhere = Credentials(host="127.0.0.1", port=1)
    sink = ClickhouseSink(ClickhouseConfig(), credentials=nowhere, tenant="acme")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1"):
        sink.begin(spec(sink))
    assert not sink.check().ok


def test_the_database_is_created(clickhouse: Credentials, sink: ClickhouseSink) -> None:
    """A tenant's database appears with its first load; until then there is nothing to read."""
    config = ClickhouseConfig(database='te"na`nt')
    own = ClickhouseSink(config, credentials=clickhouse, tenant="acme")
    try:
        assert own.history("plays") == []
        load(own, spec(own), [batch(id=[1])])
        assert rows_of(own, "plays") == [{"id": 1}]
        assert own.dataset("plays").name == 'te"na`nt.plays'
    finally:
        with connect(clickhouse) as client:
            client.command('DROP DATABASE IF EXISTS `te"na\\`nt` SYNC')
