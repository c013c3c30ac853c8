"""Redis on a real server: the conformance suite for each type of value, and resuming."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.redis import Link, pairs
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.database.redis import RedisConfig, RedisSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.services.redis import redis_process

Make = Callable[..., RedisSource]
KEYS = 400


@pytest.fixture
def link(redis_database: Credentials) -> Iterator[Link]:
    with Link(redis_database) as link:
        yield link


@pytest.fixture
def make(redis_database: Credentials) -> Make:
    """Give a function from a Config's keys to a source of this test's database."""

    def source(**config: Any) -> RedisSource:
        return RedisSource(RedisConfig(**config), credentials=redis_database)

    return source


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def fill(link: Link, commands: list[tuple[Any, ...]]) -> None:
    for reply in link.pipelined(commands):
        link.good(reply)


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


# ── values ───────────────────────────────────────────────────────────────────────────────────


def test_each_type_has_its_columns(link: Link, make: Make) -> None:
    """Key, type and remaining life, and what the type brings."""
    fill(
        link,
        [
            ("SET", "s", "naïve"),
            ("HSET", "h", "name", "Ann", "_key", "theirs"),
            ("SADD", "u", "a"),
            ("ZADD", "z", "1.5", "a", "-inf", "b"),
            ("RPUSH", "l", "x", "y"),
        ],
    )
    own = {"_ttl": None}
    assert rows(read(make())) == [{"_key": "s", "_type": "string", **own, "value": "naïve"}]
    assert rows(read(make(data_type="hash"))) == [
        {"_key": "h", "_type": "hash", **own, "name": "Ann", "_key_": "theirs"}
    ]
    fields = rows(read(make(data_type="hash", layout="rows", ttl="none")))
    assert fields == [
        {"_key": "h", "_type": "hash", "field": "name", "value": "Ann"},
        {"_key": "h", "_type": "hash", "field": "_key", "value": "theirs"},
    ]
    assert rows(read(make(data_type="set")))[0]["member"] == "a"
    scores = {row["member"]: row["score"] for row in rows(read(make(data_type="zset")))}
    assert scores == {"a": 1.5, "b": float("-inf")}
    values = [(row["index"], row["value"]) for row in rows(read(make(data_type="list")))]
    assert values == [(0, "x"), (1, "y")]
    kinds = {row["_key"]: row["_type"] for row in rows(read(make(data_type="any")))}
    assert kinds == {"s": "string", "h": "hash", "u": "set", "z": "zset", "l": "list"}


def test_what_is_left_of_a_keys_life_is_a_column(link: Link, make: Make) -> None:
    """In milliseconds, or as the moment it ends; null where it stays."""
    link.do("SET", "a", 1, "PXAT", 4_000_000_000_123)
    link.do("SET", "b", 1)
    left = {row["_key"]: row["_ttl"] for row in rows(read(make()))}
    now = datetime.now(UTC).timestamp() * 1000
    assert left["b"] is None
    assert left["a"] == pytest.approx(4_000_000_000_123 - now, abs=60_000)
    ends = {row["_key"]: row["_expires_at"] for row in rows(read(make(ttl="expires_at")))}
    assert ends == {"a": datetime.fromtimestamp(4_000_000_000.123, UTC), "b": None}


def test_bytes_are_rejected_or_given_as_bytes(link: Link, make: Make) -> None:
    """What is not UTF-8 is no text: a key, a value, a member, a field."""
    fill(
        link,
        [
            ("SET", b"k\xff", "x"),
            ("SET", "a", b"\x00\xff"),
            ("SET", "b", "text"),
            ("SADD", "u", b"\xff", "m"),
            ("HSET", "h", "f", b"\xff"),
            ("HSET", "i", "f", "g"),
        ],
    )
    (chunk,) = read(make())
    assert chunk.batch["value"].to_pylist() == ["text"]
    assert chunk.rejected is not None
    found = sorted(zip(*(chunk.rejected[n].to_pylist() for n in ("reason", "record")), strict=True))
    assert found == [
        ("not UTF-8; format: raw gives bytes", '{"_key":"a","value":"AP8="}'),
        ("the key is not UTF-8", '{"_key":"a/8="}'),
    ]
    (chunk,) = read(make(format="raw"))
    assert sorted(chunk.batch["value"].to_pylist()) == [b"\x00\xff", b"text"]
    (chunk,) = read(make(data_type="set"))
    assert chunk.batch["member"].to_pylist() == ["m"]
    assert chunk.rejected is not None
    assert chunk.rejected["record"].to_pylist() == ['{"_key":"u","member":"/w=="}']
    (chunk,) = read(make(data_type="hash"))
    assert (chunk.batch["f"].to_pylist(), chunk.rejected is not None) == (["g"], True)


def test_a_hash_with_too_many_fields_is_no_row(link: Link, make: Make) -> None:
    """It is rejected with what to do; a large one that is not too large comes whole."""
    fill(link, [("HSET", "big", *(text for n in range(15_000) for text in (n, n)))])
    fill(link, [("HSET", "fair", *(text for n in range(2_000) for text in (n, n)))])
    (chunk,) = read(make(data_type="hash"))
    assert (chunk.batch.num_rows, chunk.batch.num_columns) == (1, 2_003)
    assert chunk.rejected is not None
    assert "layout: rows" in chunk.rejected["reason"][0].as_py()


def test_large_values_come_a_few_at_a_time(link: Link, make: Make) -> None:
    """Fewer keys are read at once where values are large, and a batch is bounded in bytes."""
    fill(link, [("SET", f"k{n}", "x" * 2_000_000) for n in range(40)])
    chunks = read(make())
    assert len(rows(chunks)) == 40
    assert max(chunk.batch.nbytes for chunk in chunks) < 64_000_000
    assert len(chunks) > 1


def test_json_needs_a_server_that_has_it(link: Link, make: Make) -> None:
    """Documents are read where the server knows the type; else the error says what there is."""
    if link.do("COMMAND", "INFO", "JSON.GET")[0] is None:
        with pytest.raises(ConfigurationError, match=r"no JSON type.*format: json"):
            read(make(data_type="json"))
        return
    link.do("JSON.SET", "j", "$", '{"n": 1, "tags": ["a"]}')
    (row,) = rows(read(make(data_type="json")))
    assert (row["_key"], row["n"], row["tags"]) == ("j", 1, ["a"])


# ── what changes while it is read ────────────────────────────────────────────────────────────


def test_keys_that_vanish_or_change_are_left_out(link: Link, make: Make) -> None:
    """A key deleted, or of another type, after it was found is no row of nothing."""
    fill(link, [("SET", f"k{n}", n) for n in range(2_000)])

    async def changing() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with aclosing(make(batch_size=50).read(None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if not found:
                    fill(link, [("DEL", f"k{n}") for n in range(0, 2_000, 2)])
                    fill(link, [("SADD", f"k{n}", n) for n in range(0, 2_000, 4)])
                found += chunk.batch.to_pylist()
        return found

    found = Counter(row["_key"] for row in asyncio.run(changing()))
    assert set(found.values()) == {1}
    assert {f"k{n}" for n in range(1, 2_000, 2)} <= set(found)
    assert len(found) < 1_200


def test_a_table_that_shrinks_gives_no_key_twice(
    link: Link, make: Make, redis_database: Credentials
) -> None:
    """SCAN itself repeats keys when most of the others are deleted meanwhile."""
    fill(link, [("SET", f"k{n}", n) for n in range(20_000)])
    order = [key.decode() for key in scanned(link)]
    kept = set(order[500:850])

    async def shrinking() -> list[str]:
        found: list[str] = []
        async with aclosing(make(batch_size=500).read(None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if not found:
                    gone = [key for key in order if key not in kept]
                    fill(link, [("DEL", *gone[n : n + 500]) for n in range(0, len(gone), 500)])
                    await shrunk(link, f"db.{redis_database.database}")
                found += chunk.batch["_key"].to_pylist()
        return found

    found = Counter(asyncio.run(shrinking()))
    assert kept <= set(found)
    assert set(found.values()) == {1}


def scanned(link: Link) -> list[bytes]:
    cursor, found = b"", list[bytes]()
    while cursor != b"0":
        cursor, keys = link.do("SCAN", cursor or "0", "COUNT", 1_000)
        found += keys
    return found


async def shrunk(link: Link, database: str) -> None:
    """Wait until the server has made its table of keys smaller, which it does by the way."""
    for _ in range(200):
        stats = pairs(link.do("MEMORY", "STATS"))
        if pairs(stats[database])["overhead.hashtable.main"] < 100_000:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the table does not shrink")


def test_a_read_cut_short_inside_of_a_large_set_goes_on_there(link: Link, make: Make) -> None:
    """The cursor names no key, and finds it again; other large ones follow."""
    fill(link, [("SADD", f"person:{n}", *range(8_000)) for n in range(3)])
    fill(link, [("SADD", f"few:{n}", n) for n in range(100)])
    source = make(data_type="set", batch_size=3_000)
    chunks = read(source)
    whole = Counter((row["_key"], row["member"]) for row in rows(chunks))
    assert set(whole.values()) == {1}
    assert len(whole) == 24_100
    for at in range(0, len(chunks) - 1, 4):
        since = json.loads(json.dumps(chunks[at].cursor))
        assert "person" not in json.dumps(since)
        found = rows(chunks[: at + 1]) + rows(read(source, since))
        assert Counter((row["_key"], row["member"]) for row in found) == whole


def test_another_process_of_the_server_cannot_go_on() -> None:
    """Its keys have another order, so a cursor of the one before is refused."""
    cursors = []
    for _ in range(2):
        with redis_process() as port:
            credentials = Credentials(host="127.0.0.1", port=port)
            with Link(credentials) as link:
                fill(link, [("SET", f"k{n}", n) for n in range(500)])
            source = RedisSource(RedisConfig(batch_size=50), credentials=credentials)
            cursor = cursors[0] | {"node": f"127.0.0.1:{port}"} if cursors else None
            if cursor:
                with pytest.raises(DataError, match=r"another process.*run the load again"):
                    read(source, cursor)
            else:
                cursors.append(dict(read(source, limit=1)[0].cursor))


def test_a_whole_read_begins_anew_from_its_last_cursor(link: Link, make: Make) -> None:
    """Nothing in Redis says what changed: the next load gives everything."""
    fill(link, [("SET", f"k{n}", n) for n in range(300)])
    chunks = read(make(batch_size=50))
    assert chunks[-1].cursor == {"more": False}
    assert len(rows(read(make(batch_size=50), chunks[-1].cursor))) == 300


def test_what_is_left_may_be_gone(link: Link, make: Make) -> None:
    """A read that goes on and finds nothing still says that the walk has ended."""
    fill(link, [("SET", f"k{n}", n) for n in range(300)])
    since = read(make(batch_size=50), limit=1)[0].cursor
    link.do("FLUSHDB")
    assert read(make(), since)[-1].cursor == {"more": False}


# ── words ────────────────────────────────────────────────────────────────────────────────────


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
