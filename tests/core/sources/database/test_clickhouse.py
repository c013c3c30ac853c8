"""ClickHouse's real engine: the conformance suite, every type, partitions, and broken streams."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
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
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.database.clickhouse import (
    ClickhouseConfig,
    ClickhouseSource,
)
from airflow_provider_spotify.core.testing.sources import SourceConformance, read, rows_of
from tests.services.clickhouse_broken import broken_server

pytestmark = pytest.mark.service("clickhouse")
PLAYS = """
    CREATE TABLE plays (id UInt64, played_at DateTime64(3, 'Asia/Tokyo'), track String)
    ENGINE = MergeTree ORDER BY id
"""
FILL = """
    INSERT INTO plays SELECT number + 1, toDateTime64('2026-01-01 00:00:00', 3, 'UTC')
    + toIntervalSecond(intDiv(number, 7)), 't' || number FROM numbers(1000)
"""
Run = Callable[[str], Any]


@pytest.fixture
def run(clickhouse_database: Credentials) -> Iterator[Run]:
    """Give a function that runs SQL in this test's database."""
    with connect(clickhouse_database) as client:
        yield client.command


@pytest.fixture
def make(clickhouse_database: Credentials) -> Callable[..., ClickhouseSource]:
    """Give a function from a Config's keys to a source of this test's database."""

    def source(**config: Any) -> ClickhouseSource:
        return ClickhouseSource(ClickhouseConfig(**config), credentials=clickhouse_database)

    return source


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


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


TYPES: dict[str, tuple[str, pa.DataType, Any]] = {
    "UInt8": ("255", pa.uint8(), 255),
    "UInt16": ("65535", pa.uint16(), 65535),
    "UInt32": ("4294967295", pa.uint32(), 2**32 - 1),
    "UInt64": ("18446744073709551615", pa.uint64(), 2**64 - 1),
    "UInt128": ("'340282366920938463463374607431768211455'", pa.string(), str(2**128 - 1)),
    "UInt256": (f"'{2**256 - 1}'", pa.string(), str(2**256 - 1)),
    "Int8": ("-128", pa.int8(), -128),
    "Int64": ("-9223372036854775808", pa.int64(), -(2**63)),
    "Int128": (f"'{-(2**127)}'", pa.string(), str(-(2**127))),
    "Int256": (f"'{-(2**255)}'", pa.string(), str(-(2**255))),
    "Float32": ("1.5", pa.float32(), 1.5),
    "Float64": ("-1.1", pa.float64(), -1.1),
    "BFloat16": ("1.5", pa.float32(), 1.5),
    "Bool": ("true", pa.bool_(), True),
    "Decimal(9, 2)": ("-1.5", pa.decimal128(9, 2), Decimal("-1.50")),
    "Decimal(38, 10)": ("'0.0000000001'", pa.decimal128(38, 10), Decimal("1e-10")),
    "Decimal(76, 10)": (f"'{10**60}'", pa.decimal256(76, 10), Decimal(10**60)),
    "String": ("'né'", pa.string(), "né"),
    "FixedString(4)": ("'ab'", pa.string(), "ab"),
    "LowCardinality(String)": ("'low'", pa.string(), "low"),
    "UUID": (
        "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
        pa.string(),
        "61f0c404-5cb3-11e7-907b-a6006ad3dba0",
    ),
    "IPv4": ("'1.2.3.4'", pa.string(), "1.2.3.4"),
    "IPv6": ("'2001:db8::1'", pa.string(), "2001:db8::1"),
    "Enum8('a, b' = 1, 'c' = -2)": ("'c'", pa.string(), "c"),
    "Enum16('x(' = 300)": ("'x('", pa.string(), "x("),
    "Date": ("'2149-06-06'", pa.date32(), date(2149, 6, 6)),
    "Date32": ("'1925-01-02'", pa.date32(), date(1925, 1, 2)),
    "DateTime('Europe/Stockholm')": (
        "'2026-07-01 12:00:00'",
        pa.timestamp("s", "Europe/Stockholm"),
        datetime(2026, 7, 1, 10, tzinfo=UTC),
    ),
    "DateTime64(1, 'UTC')": (
        "'2026-01-01 00:00:00.5'",
        pa.timestamp("ms", "UTC"),
        datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
    ),
    "DateTime64(6, 'Asia/Tokyo')": (
        "'2026-01-01 09:00:00.000001'",
        pa.timestamp("us", "Asia/Tokyo"),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ),
    "Time": ("'12:34:56'", pa.time32("s"), time(12, 34, 56)),
    "Time64(6)": ("'12:34:56.000001'", pa.time64("us"), time(12, 34, 56, 1)),
    "Array(Nullable(String))": ("['x', NULL]", pa.list_(pa.string()), ["x", None]),
    "Array(Enum8('a' = 1))": ("['a']", pa.list_(pa.string()), ["a"]),
    "Array(Array(IPv4))": ("[['1.2.3.4']]", pa.list_(pa.list_(pa.string())), [["1.2.3.4"]]),
    "Map(LowCardinality(String), UInt64)": (
        "map('k', 1)",
        pa.map_(pa.string(), pa.uint64()),
        [("k", 1)],
    ),
    "Tuple(a Int8, `b c` Nullable(UUID))": (
        "(1, NULL)",
        pa.struct({"a": pa.int8(), "b c": pa.string()}),
        {"a": 1, "b c": None},
    ),
    "Tuple(Int8, String)": (
        "(1, 'x')",
        pa.struct({"1": pa.int8(), "2": pa.string()}),
        {"1": 1, "2": "x"},
    ),
    "Point": ("(1, 2)", pa.struct({"1": pa.float64(), "2": pa.float64()}), {"1": 1.0, "2": 2.0}),
    "JSON": ('\'{"a": {"b": 1}}\'', pa.string(), '{"a":{"b":1}}'),
    "Dynamic": ("'text'", pa.string(), '"text"'),
    "Variant(String, UInt64)": ("42::UInt64", pa.string(), "42"),
    "Array(JSON)": ("['{\"a\": 1}']", pa.string(), '[{"a":1}]'),
    "SimpleAggregateFunction(sum, UInt64)": ("5", pa.uint64(), 5),
}


@pytest.mark.parametrize("type_", TYPES)
def test_a_type_arrives_as_documented(
    make: Callable[..., ClickhouseSource], run: Run, type_: str
) -> None:
    """A value of each of ClickHouse's types comes as one type, with the value it had."""
    value, arrow, expected = TYPES[type_]
    run(f"CREATE TABLE t (id Int8, v {type_}) ENGINE = MergeTree ORDER BY id")
    run(f"INSERT INTO t SELECT 1, CAST({value} AS {type_})")
    (chunk,) = read(make(table="t"))
    found = chunk.batch.column("v")
    assert found.type.equals(arrow) or str(found.type).replace(" not null", "") == str(arrow)
    assert found.to_pylist() == [expected]


@pytest.mark.parametrize(
    "type_", ["UUID", "IPv6", "Enum8('a' = 1)", "DateTime", "Int256", "Date32"]
)
def test_null_stays_null(make: Callable[..., ClickhouseSource], run: Run, type_: str) -> None:
    """A Nullable column of a type that the server casts keeps its nulls."""
    run(f"CREATE TABLE t (id Int8, v Nullable({type_})) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, NULL)")
    assert rows(read(make(table="t"))) == [{"id": 1, "v": None}]


def test_nested_columns_are_lists(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """A Nested column comes as the arrays that it consists of."""
    run(
        "CREATE TABLE t (id Int8, n Nested(a UUID, b Enum8('x' = 1))) "
        "ENGINE = MergeTree ORDER BY id"
    )
    run("INSERT INTO t VALUES (1, [toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')], ['x'])")
    (row,) = rows(read(make(table="t")))
    assert row["n.a"] == ["61f0c404-5cb3-11e7-907b-a6006ad3dba0"]
    assert row["n.b"] == ["x"]


def test_json_says_that_it_is_json(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """A sink may keep JSON as such: the field is marked as contracts mark it."""
    run("CREATE TABLE t (id Int8, j JSON) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, '{}')")
    (chunk,) = read(make(table="t"))
    assert chunk.batch.schema.field("j").metadata == {b"type": b"json"}


def test_a_state_of_an_aggregate_is_an_error(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """The bytes of an aggregate's state are refused with what to do instead."""
    run("CREATE TABLE t (id Int8, s AggregateFunction(sum, UInt64)) ENGINE = MergeTree ORDER BY id")
    with pytest.raises(ConfigurationError, match=r"finalizeAggregation"):
        read(make(table="t"))


def test_text_that_is_not_utf8_is_rejected_or_read_as_bytes(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Bytes in a String column are rejected row by row, or kept where ``binary`` names them."""
    run("CREATE TABLE t (id Int8, s String, l Array(String)) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, 'a', []), (2, unhex('ff00'), []), (3, 'b', [unhex('fe')])")
    (chunk,) = read(make(table="t"))
    assert chunk.batch.column("id").to_pylist() == [1]
    assert chunk.rejected is not None
    assert chunk.rejected.column("column_name").to_pylist() == ["s", "l"]
    assert "xff" in chunk.rejected.column("record")[0].as_py()
    (chunk,) = read(make(table="t", columns=["s"], binary=["s"]))
    assert chunk.batch.column("s").to_pylist() == [b"a", b"\xff\x00", b"b"]


def test_a_time_beyond_a_day_is_rejected(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """ClickHouse's Time may be negative or hold 999 hours; such a value is no time of a day."""
    run("CREATE TABLE t (id Int8, at Nullable(Time)) ENGINE = MergeTree ORDER BY id")
    run("INSERT INTO t VALUES (1, '23:59:59'), (2, '-00:00:01'), (3, '24:00:00'), (4, NULL)")
    (chunk,) = read(make(table="t"))
    assert chunk.batch.column("id").to_pylist() == [1, 4]
    assert chunk.rejected is not None
    assert [json.loads(r)["at"] for r in chunk.rejected.column("record").to_pylist()] == [-1, 86400]


def test_final_merges_rows(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """With ``final`` a replaced row comes once, as it is now."""
    run("CREATE TABLE t (id Int8, v Int8) ENGINE = ReplacingMergeTree ORDER BY id")
    run("SYSTEM STOP MERGES t")
    for value in (1, 2):
        run(f"INSERT INTO t VALUES (7, {value})")
    assert len(rows(read(make(table="t")))) == 2
    assert rows(read(make(table="t", final=True))) == [{"id": 7, "v": 2}]


def test_a_window_reads_its_span(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """A window gives the rows from its start to before its end, whatever the column's zone."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": "played_at"})
    start = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    window = Window(start=start, end=start + timedelta(seconds=2))

    async def collect() -> list[Chunk]:
        return [chunk async for chunk in source.read(None, window)]

    assert sorted(row["id"] for row in rows(asyncio.run(collect()))) == list(range(71, 85))
    assert asyncio.run(source.is_ready(None, window))
    with pytest.raises(ConfigurationError, match="dates or times"):
        asyncio.run(make(table="plays", cursor={"column": "id"}).is_ready(None, window))


@pytest.mark.parametrize(
    ("column", "lookback", "again"), [("id", 2, 2), ("played_at", "1500ms", 13)]
)
def test_lookback_reads_late_rows_again(
    make: Callable[..., ClickhouseSource], run: Run, column: str, lookback: Any, again: int
) -> None:
    """After a whole read, the last so much is read once more."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": column, "lookback": lookback})
    last = read(source)[-1].cursor
    assert len(rows(read(source, last))) == again


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("Int128", ["'9'", "'10'", f"'{10**30}'"]),
        ("Decimal(20, 4)", ["'9.5'", "'10.25'", "'100'"]),
        ("UUID", [f"'{n}1f0c404-5cb3-11e7-907b-a6006ad3dba{n}'" for n in range(3)]),
        ("Date", ["'2026-01-01'", "'2026-01-02'", "'2026-02-01'"]),
        ("DateTime", ["'2026-01-01 00:00:00'", "'2026-01-01 00:00:01'", "'2026-01-02 00:00:00'"]),
        ("Nullable(LowCardinality(String))", ["'a'", "'ab'", "NULL"]),
        ("Nullable(DateTime64(9, 'Asia/Tokyo'))", ["'2026-01-01 00:00:00.000000001'", "NULL"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_cursor_of_any_ordered_type_resumes(
    make: Callable[..., ClickhouseSource], run: Run, type_: str, values: list[str]
) -> None:
    """One row at a time, each read from the cursor of the one before, gives every row once."""
    type_ = "LowCardinality(Nullable(String))" if "Low" in type_ else type_
    run(f"CREATE TABLE t (v {type_}, n Int8) ENGINE = MergeTree ORDER BY n")
    run(f"INSERT INTO t VALUES {', '.join(f'({v}, {n})' for n, v in enumerate(values))}")
    found, since = [], None
    for _ in range(len(values) + 1):
        chunks = read(make(table="t", cursor={"column": "v"}, max_block_size=1), since, limit=1)
        found += [row["n"] for row in rows(chunks)]
        since = json.loads(json.dumps(chunks[0].cursor)) if chunks else since
    assert sorted(found) == list(range(len(values)))


def test_a_column_without_an_order_is_no_cursor(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """An array orders nothing that a cursor can rely on."""
    run("CREATE TABLE t (a Array(Int8)) ENGINE = MergeTree ORDER BY tuple()")
    with pytest.raises(ConfigurationError, match="cursor column a is Array"):
        read(make(table="t", cursor={"column": "a"}))


def test_a_read_cut_short_refuses_a_table_that_changed(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Counting rows means nothing once the table's parts are others."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", max_block_size=100)
    (first,) = read(source, limit=1)
    run("OPTIMIZE TABLE plays FINAL")
    with pytest.raises(ConfigurationError, match="full refresh"):
        read(source, first.cursor)


def test_partitions_follow_those_of_the_table(
    make: Callable[..., ClickhouseSource], run: Run
) -> None:
    """Where the table has as many partitions, each reader takes some of them."""
    run("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id PARTITION BY id % 5")
    run("INSERT INTO t SELECT number FROM numbers(100)")
    parts = asyncio.run(make(table="t").partitions(3))
    assert sorted(len(part.config.partition.ids) for part in parts) == [1, 2, 2]
    assert sum((rows_of(read(part)) for part in parts), Counter()) == rows_of(read(make(table="t")))


@pytest.mark.parametrize("column", ["id", "played_at"])
def test_what_arrives_while_partitions_are_read_is_read_next(
    make: Callable[..., ClickhouseSource], run: Run, column: str
) -> None:
    """The joined cursor ends where the partitions were bounded, so that nothing falls between."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": column})
    parts = asyncio.run(source.partitions(3))
    run("INSERT INTO plays VALUES (5000, '2026-03-01 00:00:00', 'late')")
    read_ = [read(part) for part in parts]
    joined = source.joined([chunks[-1].cursor if chunks else None for chunks in read_])
    assert sum(len(rows(chunks)) for chunks in read_) == 1000
    assert [row["id"] for row in rows(read(source, joined))] == [5000]
    assert source.joined([None, None]) is None


def test_partitions_go_on_after_a_cursor(make: Callable[..., ClickhouseSource], run: Run) -> None:
    """Partitions of a later load read what is new, and an empty one gives no cursor."""
    run(PLAYS)
    run(FILL)
    source = make(table="plays", cursor={"column": "id"})
    since = read(source)[-1].cursor
    run("INSERT INTO plays VALUES (5000, '2026-03-01 00:00:00', 'new')")
    parts = asyncio.run(source.partitions(2, since))
    read_ = [read(part, since) for part in parts]
    joined = source.joined([chunks[-1].cursor if chunks else None for chunks in read_])
    assert [row["id"] for chunks in read_ for row in rows(chunks)] == [5000]
    assert read(source, joined) == []


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
