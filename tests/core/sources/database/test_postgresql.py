"""PostgreSQL on a real server: the conformance suite, every common type, and resuming."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.clients.postgres import connect
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.database.postgresql import (
    PostgresqlConfig,
    PostgresqlSource,
)
from airflow_provider_spotify.core.testing.sources import SourceConformance, read

Connection = psycopg.Connection[tuple[Any, ...]]
PLAYS = """
    CREATE TABLE plays (id bigint PRIMARY KEY, played_at timestamptz, track text);
    INSERT INTO plays SELECT i, timestamptz '2026-01-01' + (i / 7) * interval '1 second', 't' || i
    FROM generate_series(1, 1000) i
"""


@pytest.fixture
def database(postgres_database: Credentials) -> Iterator[tuple[Credentials, Connection]]:
    with connect(postgres_database) as connection:
        yield postgres_database, connection


@pytest.fixture
def make(database: tuple[Credentials, Connection]) -> Callable[..., PostgresqlSource]:
    """Give a function from a Config's keys to a source of this test's database."""

    def source(**config: Any) -> PostgresqlSource:
        return PostgresqlSource(PostgresqlConfig(**config), credentials=database[0])

    return source


@pytest.fixture
def run(database: tuple[Credentials, Connection]) -> Callable[[str], None]:
    """Give a function that runs SQL in this test's database."""

    def execute(statements: str) -> None:
        for statement in statements.split(";\n"):
            database[1].execute(statement.encode())

    return execute


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


class _Plays(SourceConformance):
    config: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _table(self, database: tuple[Credentials, Connection]) -> None:
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


TYPES: list[tuple[str, str, Any, pa.DataType]] = [
    ("int2", "'-32768'", -32768, pa.int16()),
    ("int4", "2147483647", 2147483647, pa.int32()),
    ("int8", "9223372036854775807", 9223372036854775807, pa.int64()),
    ("oid", "4294967295", 4294967295, pa.int64()),
    ("float4", "1.5", 1.5, pa.float32()),
    ("float8", "0.1", 0.1, pa.float64()),
    ("numeric(10,2)", "'12345678.91'", Decimal("12345678.91"), pa.decimal128(10, 2)),
    (
        "numeric(38,10)",
        "'1234567890123456789012345678.0123456789'",
        Decimal("1234567890123456789012345678.0123456789"),
        pa.decimal128(38, 10),
    ),
    ("numeric(20,15)", "'12345.123456789012345'", Decimal("12345.123456789012345"), None),
    ("numeric(5)", "'-99999'", Decimal(-99999), pa.decimal128(5, 0)),
    ("numeric(50,2)", "'1e40'", f"1{'0' * 40}.00", pa.string()),
    ("numeric", "'0.12345678901234567890'", "0.12345678901234567890", pa.string()),
    ("money", "'1234.56'", "1234.56", pa.string()),
    ("boolean", "true", True, pa.bool_()),
    ("text", "'naïve \U0001f3b5 ''q'' \\'", "naïve \U0001f3b5 'q' \\", pa.string()),
    ("varchar(9)", "''", "", pa.string()),
    ("char(3)", "'a'", "a  ", pa.string()),
    ("bytea", "'\\x00ff'", b"\x00\xff", pa.binary()),
    ("date", "'2024-02-29'", date(2024, 2, 29), pa.date32()),
    ("time", "'12:34:56.789012'", time(12, 34, 56, 789012), pa.time64("us")),
    ("timetz", "'12:00:00+02'", "12:00:00+02", pa.string()),
    (
        "timestamp",
        "'0001-01-01 10:00:00.000001'",
        datetime(1, 1, 1, 10, 0, 0, 1),
        pa.timestamp("us"),
    ),
    (
        "timestamptz",
        "'2024-01-01 10:00:00.123456+02'",
        datetime(2024, 1, 1, 8, 0, 0, 123456, tzinfo=UTC),
        pa.timestamp("us", "UTC"),
    ),
    ("interval", "'1 mon 2 days 03:00:00.5'", "1 mon 2 days 03:00:00.5", pa.string()),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", None, pa.string()),
    ("json", """'{"a": 1.10,  "a": 2}'""", '{"a": 1.10,  "a": 2}', pa.string()),
    ("jsonb", """'{"b": 12345678901234567890.123}'""", None, pa.string()),
    ("mood", "'so so'", "so so", pa.string()),
    ("rating", "5", 5, pa.int32()),
    ("price", "'1.25'", Decimal("1.25"), pa.decimal128(8, 2)),
    ("inet", "'10.0.0.1/8'", "10.0.0.1/8", pa.string()),
    ("cidr", "'10.0.0.0/8'", "10.0.0.0/8", pa.string()),
    ("macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03", pa.string()),
    ("bit(3)", "'101'", "101", pa.string()),
    ("xml", "'<a/>'", "<a/>", pa.string()),
    ("point", "'(1,2)'", "(1,2)", pa.string()),
    ("int4range", "'[1,5)'", "[1,5)", pa.string()),
    ("tsvector", "'a b'", "'a' 'b'", pa.string()),
    ("int4[]", "'{1,NULL,3}'", [1, None, 3], None),
    ("text[]", """'{a,"b,c"}'""", ["a", "b,c"], None),
    ("numeric(10,2)[]", "'{1.10,2.22}'", ["1.10", "2.22"], None),
    ("timestamptz[]", "'{2024-01-01 00:00+00}'", [datetime(2024, 1, 1, tzinfo=UTC)], None),
    ("uuid[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", None, None),
    ("mood[]", "'{so so}'", ["so so"], None),
    ("pair", "(1, 'x')", {"a": 1, "b": "x"}, None),
    ("odd", "(1.5, '{1}')", '{"a":1.5,"b":[1]}', pa.string()),
]


@pytest.fixture
def typed(run: Callable[[str], None]) -> None:
    run(
        """CREATE TYPE mood AS ENUM ('so so', 'fine');
        CREATE DOMAIN rating AS int CHECK (value > 0);
        CREATE DOMAIN price AS numeric(8,2);
        CREATE TYPE pair AS (a int, b text);
        CREATE TYPE odd AS (a numeric, b int[])"""
    )
    columns = ", ".join(f"c{i} {kind}" for i, (kind, *_) in enumerate(TYPES))
    values = ", ".join(f"{value}::{kind}" for kind, value, *_ in TYPES)
    run(f"CREATE TABLE typed ({columns});\nINSERT INTO typed VALUES ({values})")


@pytest.mark.usefixtures("typed")
def test_every_type_keeps_its_value(make: Callable[..., PostgresqlSource]) -> None:
    """Each type arrives with the value that is in the table, and with the type we promise."""
    (chunk,) = read(make(table="typed"))
    assert chunk.rejected is None
    (row,) = chunk.batch.to_pylist()
    for i, (kind, text, value, arrow) in enumerate(TYPES):
        expected = _expected(kind, text) if value is None else value
        assert row[f"c{i}"] == expected, kind
        if arrow is not None:
            assert chunk.batch.schema.field(f"c{i}").type == arrow, kind


def _expected(kind: str, text: str) -> Any:
    plain = text.strip("'").lower()
    return [plain.strip("{}")] if kind.endswith("[]") else plain


@pytest.mark.usefixtures("typed")
def test_types_do_not_depend_on_the_values(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """Columns that hold only NULL have the same types as those with values."""
    (full,) = read(make(table="typed"))
    run("DELETE FROM typed;\nINSERT INTO typed (c0) VALUES (NULL)")
    (nulls,) = read(make(table="typed"))
    assert nulls.batch.schema == full.batch.schema
    assert set(nulls.batch.to_pylist()[0].values()) == {None}


@pytest.mark.parametrize(
    ("numeric", "value", "kind"),
    [
        ("text", "1.50", pa.string()),
        ("double", 1.5, pa.float64()),
        ("decimal(10,2)", Decimal("1.50"), pa.decimal128(10, 2)),
    ],
)
def test_numeric_without_bounds(
    make: Callable[..., PostgresqlSource], numeric: str, value: Any, kind: pa.DataType
) -> None:
    """``numeric:`` says what a numeric without precision becomes."""
    (chunk,) = read(make(query="SELECT '1.50'::numeric AS n", numeric=numeric))
    assert chunk.batch.to_pylist() == [{"n": value}]
    assert chunk.batch.schema.field("n").type == kind


def test_nan_in_a_decimal_is_rejected(make: Callable[..., PostgresqlSource]) -> None:
    """A row whose decimal is NaN is rejected whole; a float keeps its NaN."""
    query = "SELECT i AS id, (CASE i WHEN 1 THEN 2.5 ELSE 'NaN' END)::numeric(4,2) AS n "
    query += "FROM generate_series(1, 2) i"
    (chunk,) = read(make(query=query))
    assert chunk.batch.to_pylist() == [{"id": 1, "n": Decimal("2.50")}]
    assert chunk.rejected is not None
    (refused,) = chunk.rejected.to_pylist()
    assert json.loads(refused["record"]) == {"id": 2, "n": "nan"}
    assert (refused["column_name"], refused["stage"]) == ("n", "source")
    (chunk,) = read(make(query="SELECT 'NaN'::float8 AS f"))
    assert math.isnan(chunk.batch.to_pylist()[0]["f"])


def test_infinity_becomes_null_with_a_warning(
    make: Callable[..., PostgresqlSource], caplog: pytest.LogCaptureFixture
) -> None:
    """Infinite dates and timestamps arrive as NULL, which the log says; old dates stay."""
    query = """SELECT 'infinity'::timestamptz AS a, '-infinity'::timestamp AS b,
        'infinity'::date AS c, '-infinity'::date AS d, '0044-03-15 BC'::date AS e"""
    with caplog.at_level(logging.WARNING):
        (chunk,) = read(make(query=query))
    assert [chunk.batch.column(name).null_count for name in "abcde"] == [1, 1, 1, 1, 0]
    assert "a holds infinity" in caplog.text


def test_arrays_of_several_dimensions_are_rejected(make: Callable[..., PostgresqlSource]) -> None:
    """An array that no list type holds is rejected with its content, its neighbours are read."""
    query = "SELECT * FROM (VALUES (1, '{1,2}'::int[]), (2, '{{1,2},{3,4}}')) AS v (id, a)"
    (chunk,) = read(make(query=query))
    assert chunk.batch.to_pylist() == [{"id": 1, "a": [1, 2]}]
    assert chunk.rejected is not None
    (refused,) = chunk.rejected.to_pylist()
    assert json.loads(refused["record"]) == {"id": 2, "a": "[[1,2],[3,4]]"}


def test_odd_names_are_quoted(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """Schema, table and columns may be any text."""
    run("""CREATE SCHEMA "My ""S";\nCREATE TABLE "My ""S"."Tab 'le" ("Se;lect" int, "ü" int)""")
    run("""INSERT INTO "My ""S"."Tab 'le" VALUES (1, 2)""")
    source = make(schema='My "S', table="Tab 'le", columns=["Se;lect"], cursor={"column": "ü"})
    chunks = read(source)
    assert rows(chunks) == [{"Se;lect": 1}]
    assert read(source, chunks[-1].cursor) == []


# ── the cursor ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamp", "timestamp '2026-01-01' + (i / 9) * interval '1 hour'"),
        ("date", "date '2026-01-01' + i / 9"),
        ("int2", "i / 9"),
        ("numeric", "(i / 9) * 1.10 + (i % 2) * 0.000"),
        ("text", "'k''' || lpad((i / 9)::text, 5, '0')"),
        ("uuid", "md5((i / 9)::text)::uuid"),
    ],
)
def test_any_sortable_type_can_be_the_cursor(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None], kind: str, values: str
) -> None:
    """Cuts never part rows of one value, so that resuming after any cut gives the rest."""
    run(f"CREATE TABLE t (id int, k {kind})")
    run(f"INSERT INTO t SELECT i, {values} FROM generate_series(1, 200) i")
    source = make(table="t", cursor={"column": "k"}, batch_size=11)
    chunks = read(source)
    assert len(chunks) > 5
    for position, chunk in enumerate(chunks):
        rest = [row["id"] for row in rows(read(source, json.loads(json.dumps(chunk.cursor))))]
        assert sorted(rest) == sorted(row["id"] for row in rows(chunks[position + 1 :]))


def test_rows_without_a_cursor_value_come_once_at_the_end(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """NULL and infinity are read at the end of the first read, also when it was cut short."""
    run("CREATE TABLE t (id int, at timestamptz)")
    run(
        "INSERT INTO t SELECT i, CASE WHEN i % 5 = 0 THEN NULL WHEN i = 7 THEN 'infinity' "
        "ELSE timestamptz '2026-01-01' + i * interval '1h' END FROM generate_series(1, 50) i"
    )
    source = make(table="t", cursor={"column": "at"}, batch_size=10)
    chunks = read(source)
    assert sorted(row["id"] for row in rows(chunks)) == list(range(1, 51))
    assert {row["id"] for row in rows(chunks[-1:])} >= {5, 50, 7}
    resumed = rows(read(source, chunks[1].cursor))
    assert sorted(row["id"] for row in resumed) == sorted(r["id"] for r in rows(chunks[2:]))
    assert read(source, chunks[-1].cursor) == []


def test_a_table_of_nulls_is_read_once(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """Where no row has a cursor value, all come once; the first value then is new."""
    run("CREATE TABLE t (id int, at date);\nINSERT INTO t VALUES (1), (2)")
    source = make(table="t", cursor={"column": "at"})
    (chunk,) = read(source)
    assert read(source, chunk.cursor) == []
    run("INSERT INTO t VALUES (3, '2026-01-01')")
    assert [row["id"] for row in rows(read(source, chunk.cursor))] == [3]


@pytest.mark.parametrize(
    ("column", "lookback", "again"), [("at", "2h", [8, 9, 10]), ("id", 3, [8, 9, 10])]
)
def test_lookback_reads_again_what_may_have_come_late(
    make: Callable[..., PostgresqlSource],
    run: Callable[[str], None],
    column: str,
    lookback: str | int,
    again: list[int],
) -> None:
    """A new read goes back by the lookback; a read cut short does not."""
    run("CREATE TABLE t (id int, at timestamp)")
    run(
        "INSERT INTO t SELECT i, timestamp '2026-01-01' + i * interval '1h' "
        "FROM generate_series(1, 10) i"
    )
    source = make(table="t", cursor={"column": column, "lookback": lookback}, batch_size=4)
    chunks = read(source)
    found = [row["id"] for row in rows(read(source, chunks[-1].cursor))]
    assert found == again[-len(found) :]
    assert len(found) in (2, 3)
    assert rows(read(source, chunks[0].cursor)) == rows(chunks[1:])


@pytest.mark.parametrize(
    ("cursor", "says"),
    [
        ({"column": "track", "lookback": 5}, "lookback must be none"),
        ({"column": "id", "lookback": "1h"}, "a number of steps"),
        ({"column": "played_at", "lookback": 5}, "a duration"),
    ],
)
def test_a_lookback_must_suit_its_column(
    make: Callable[..., PostgresqlSource],
    run: Callable[[str], None],
    cursor: dict[str, Any],
    says: str,
) -> None:
    """A lookback that cannot be subtracted is a mistake in the configuration."""
    run(PLAYS)
    source = make(table="plays", cursor=cursor)
    last = read(source)[-1].cursor
    with pytest.raises(ConfigurationError, match=says):
        read(source, last)


def test_the_cursor_of_another_column_is_refused(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """Going by another column than before needs a full refresh."""
    run(PLAYS)
    last = read(make(table="plays", cursor={"column": "id"}))[-1].cursor
    with pytest.raises(ConfigurationError, match=r"of column id \(int8\).*full refresh"):
        read(make(table="plays", cursor={"column": "played_at"}), last)


def test_windows(make: Callable[..., PostgresqlSource], run: Callable[[str], None]) -> None:
    """A window gives start included to end excluded, whatever the cursor; it needs a time."""
    run(PLAYS)
    start = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    window = Window(start=start, end=start + timedelta(seconds=2))
    source = make(table="plays", cursor={"column": "played_at"})
    last = read(source)[-1].cursor

    async def ids(source: PostgresqlSource) -> list[int]:
        return [r["id"] async for c in source.read(last, window) for r in c.batch.to_pylist()]

    assert asyncio.run(ids(source)) == list(range(70, 84))
    assert asyncio.run(source.is_ready(last, window)) is True
    for cursor in (None, {"column": "id"}):
        with pytest.raises(ConfigurationError, match="window needs"):
            asyncio.run(ids(make(table="plays", cursor=cursor)))


# ── partitions ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "i * 3"),
        ("date", "date '2026-01-01' + i"),
        ("timestamptz", "timestamptz '2026-01-01' + i * interval '7 minutes'"),
    ],
)
def test_partitions_lose_and_double_nothing(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None], kind: str, value: str
) -> None:
    """Ranges of any such key, with NULLs among them, give each row once; several give some."""
    run(f"CREATE TABLE t (id int, k {kind})")
    run(
        f"INSERT INTO t SELECT i, CASE WHEN i % 10 = 0 THEN NULL ELSE {value} END "
        "FROM generate_series(1, 100) i"
    )
    parts = asyncio.run(make(table="t", partition={"column": "k"}).partitions(4))
    found = [[row["id"] for row in rows(read(part))] for part in parts]
    assert len(found) == 4
    assert all(found)
    assert sorted(id for part in found for id in part) == list(range(1, 101))


def test_partitions_stay_inside_given_bounds(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """Bounds in the configuration hold for the partitions together."""
    run(PLAYS)
    source = make(table="plays", partition={"column": "id", "lower": 100, "upper": 200})
    parts = asyncio.run(source.partitions(3))
    assert sorted(r["id"] for p in parts for r in rows(read(p))) == list(range(100, 200))


def test_a_text_key_cannot_be_cut(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """A partition column that has no ranges says which would."""
    run(PLAYS)
    with pytest.raises(ConfigurationError, match="integers, dates or timestamps"):
        asyncio.run(make(table="plays", partition={"column": "track"}).partitions(2))


# ── what can go wrong ────────────────────────────────────────────────────────────────────────


def test_missing_names_offer_the_nearest(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
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


def test_refusals_are_told_apart(
    database: tuple[Credentials, Connection], run: Callable[[str], None]
) -> None:
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


def test_data_that_breaks_the_query_is_a_data_error(make: Callable[..., PostgresqlSource]) -> None:
    """An error in the middle of the rows is of the data, not worth a retry."""
    with pytest.raises(DataError, match="division by zero"):
        read(make(query="SELECT 1 / (5 - i) AS x FROM generate_series(1, 10) i"))


def test_a_query_cannot_write(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
    """The transaction is read-only, also for functions that a query calls."""
    run("CREATE TABLE t (id int)")
    run(
        "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING 1'"
    )
    with pytest.raises(ConfigurationError, match="read-only"):
        read(make(query="SELECT sneak() AS x"))


def test_one_read_sees_one_snapshot(
    make: Callable[..., PostgresqlSource], run: Callable[[str], None]
) -> None:
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


def test_closing_early_ends_the_query(
    make: Callable[..., PostgresqlSource], database: tuple[Credentials, Connection]
) -> None:
    """A read closed after its first chunk leaves no query running on the server."""
    query = "SELECT i AS early_id, repeat('x', 1000) AS x FROM generate_series(1, 2000000) i"
    read(make(query=query), limit=1)
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%early_id%' "
        "AND pid <> pg_backend_pid()"
    )
    for _ in range(50):
        row = database[1].execute(running.encode()).fetchone()
        if row == (0,):
            break
    assert row == (0,)


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
