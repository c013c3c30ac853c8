"""Redis streams on a real server: the conformance suites, groups, gaps and resuming."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials, Window
from airflow_provider_spotify.core.sources.streaming.redis_streams import (
    RedisStreamsConfig,
    RedisStreamsSource,
)
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.core.chunks import rows

ENTRIES = 600


@pytest.fixture
def link(redis_database: Credentials) -> Iterator[Link]:
    with Link(redis_database) as link:
        yield link


def produce(link: Link, stream: str, count: int, *, begin: int = 1, **fields: str) -> None:
    """Add entries whose ids are ``<n>-0`` seconds."""
    commands = []
    for n in range(begin, begin + count):
        more = [word for pair in fields.items() for word in pair]
        commands.append(("XADD", stream, f"{n * 1000}-0", "n", n, "track", f"t{n}", *more))
    for reply in link.pipelined(commands):
        link.good(reply)


class _Plays(StreamConformance):
    libraries = ("redis", "hiredis", "pandas")
    config: dict[str, Any] = {}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _filled(self, link: Link, redis_database: Credentials) -> None:
        self.link, self.credentials = link, redis_database
        self.fill()
        self.added = 0

    def fill(self) -> None:
        produce(self.link, "plays", ENTRIES)

    def source(self, credentials: Credentials | None = None, **config: Any) -> RedisStreamsSource:
        keys = {"streams": ["plays"], "batch_size": 70, **self.config, **config}
        return RedisStreamsSource(
            RedisStreamsConfig(**keys), credentials=credentials or self.credentials
        )

    def make_source(self) -> RedisStreamsSource:
        return self.source()

    def make_empty(self) -> RedisStreamsSource:
        return self.source(streams=["nothing"])

    def make_bad_credentials(self) -> RedisStreamsSource:
        wrong = SecretStr("wrong-but-unmistakable")
        return self.source(self.credentials.model_copy(update={"password": wrong}))

    def add_more(self) -> int:
        self.added += 1
        produce(self.link, "plays", 3, begin=ENTRIES + 10 * self.added)
        return 3


class TestById(_Plays):
    """Without a group."""

    expected_rows = ENTRIES


class TestGroup(_Plays):
    """With a group, which keeps what it delivered until it is acknowledged."""

    expected_rows = ENTRIES
    config = {"group": "warehouse"}  # noqa: RUF012


class TestSeveral(_Plays):
    """Three streams at once."""

    expected_rows = ENTRIES
    config = {"streams": ["plays", "likes", "skips", "absent"]}  # noqa: RUF012

    def fill(self) -> None:
        for stream in ("plays", "likes", "skips"):
            produce(self.link, stream, ENTRIES // 3)


class TestSeveralInGroup(TestSeveral):
    """Three streams at once, with a group."""

    config = {"streams": ["plays", "likes", "skips", "absent"], "group": "g"}  # noqa: RUF012


class TestPayloads(_Plays):
    """A JSON object in one field, and some that are none."""

    expected_rows = ENTRIES
    config = {"format": "json"}  # noqa: RUF012

    def fill(self) -> None:
        for n in range(1, ENTRIES + 11):
            text = json.dumps({"n": n, "tags": ["a", "b"], "at": {"lat": n / 2}})
            payload = text if n <= ENTRIES else "{broken"
            self.link.do("XADD", "plays", f"{n}-0", "payload", payload)

    def add_more(self) -> int:
        self.added += 1
        for n in range(3):
            self.link.do("XADD", "plays", f"{(1 + self.added) * 10_000}-{n}", "payload", '{"n": 1}')
        return 3


@pytest.fixture
def make(redis_database: Credentials) -> Callable[..., RedisStreamsSource]:
    """Give a function from a Config's keys to a source of the stream ``s``."""

    def source(**config: Any) -> RedisStreamsSource:
        keys = {"streams": ["s"], **config}
        return RedisStreamsSource(RedisStreamsConfig(**keys), credentials=redis_database)

    return source


Make = Callable[..., RedisStreamsSource]


# ── entries ──────────────────────────────────────────────────────────────────────────────────


def test_an_entry_is_a_row_of_text_with_its_id_and_time(link: Link, make: Make) -> None:
    """The fields are columns; the id says when the entry was added."""
    link.do("XADD", "s", "1767225600123-7", "track", "naïve \U0001f3b5", "n", 5)
    source = make()
    assert source.textual
    assert rows(read(source)) == [
        {
            "_stream": "s",
            "_id": "1767225600123-7",
            "_timestamp": datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC),
            "track": "naïve \U0001f3b5",
            "n": "5",
        }
    ]


def test_entries_may_have_different_fields(link: Link, make: Make) -> None:
    """A field that an entry lacks is null; a field named like one of our columns gets another."""
    link.do("XADD", "s", "1-0", "a", 1)
    link.do("XADD", "s", "2-0", "b", 2, "a", 3)
    link.do("XADD", "s", "3-0", "_id", "theirs")
    found = [
        {k: v for k, v in row.items() if k in ("a", "b", "_id_") and v}
        for row in rows(read(make()))
    ]
    assert found == [{"a": "1"}, {"a": "3", "b": "2"}, {"_id_": "theirs"}]


def test_an_entry_that_is_no_row_is_rejected_with_its_id(link: Link, make: Make) -> None:
    """Bytes that are no text, and a field that is there twice."""
    link.do("XADD", "s", "1-0", "a", b"\xff\x00")
    link.do("XADD", "s", "2-0", "a", "good")
    link.do("XADD", "s", "3-0", "a", 1, "a", 2)
    (chunk,) = read(make())
    assert chunk.batch["a"].to_pylist() == ["good"]
    assert chunk.rejected is not None
    assert chunk.rejected.select(["reason", "record", "location"]).to_pylist() == [
        {"reason": "not UTF-8", "record": '{"a":"/wA="}', "location": "s:1-0"},
        {
            "reason": "a field is there more than once",
            "record": '["a","1","a","2"]',
            "location": "s:3-0",
        },
    ]


def test_poison_alone_moves_the_cursor(link: Link, make: Make) -> None:
    """A batch in which nothing is good still goes past it."""
    link.do("XADD", "s", "1-0", "a", b"\xff")
    (chunk,) = read(make())
    assert chunk.batch.num_rows == 0
    assert chunk.rejected is not None
    assert read(make(), chunk.cursor) == []


def test_payloads_are_decoded_with_their_types(link: Link, make: Make) -> None:
    """JSON keeps its types; an entry without the field, or with another value, is rejected."""
    link.do("XADD", "s", "1-0", "trace", "x", "event", '{"n": 1, "tags": ["a"]}')
    link.do("XADD", "s", "2-0", "trace", "x")
    link.do("XADD", "s", "3-0", "event", "[1]")
    source = make(format="json", field="event")
    assert not source.textual
    (chunk,) = read(source)
    (row,) = chunk.batch.to_pylist()
    assert (row["_id"], row["n"], row["tags"]) == ("1-0", 1, ["a"])
    assert chunk.rejected is not None
    assert chunk.rejected["reason"].to_pylist() == [
        "no field 'event'",
        "not a JSON object: a list, not an object",
    ]
    assert chunk.rejected["location"].to_pylist() == ["s:2-0", "s:3-0"]
    raw = rows(read(make(format="raw", field="event")))
    assert [row["value"] for row in raw] == [b'{"n": 1, "tags": ["a"]}', b"[1]"]


def test_large_entries_come_a_few_at_a_time(link: Link, make: Make) -> None:
    """A round asks for fewer entries where they are large, and a batch is bounded in bytes."""
    for n in range(1, 31):
        link.do("XADD", "s", f"{n}-0", "blob", "x" * 1_500_000)
    chunks = read(make())
    assert sum(chunk.batch.num_rows for chunk in chunks) == 30
    assert len(chunks) > 1
    assert max(chunk.batch.nbytes for chunk in chunks) < 24_000_000


# ── where it begins and ends ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("group", [None, "g"])
def test_a_stream_may_begin_late(link: Link, make: Make, group: str | None) -> None:
    """At its end, or at a moment."""
    produce(link, "s", 100)
    moment = datetime.fromtimestamp(90, UTC)
    assert rows(read(make(group=group, start=moment)))[0]["n"] == "90"
    if group is None:
        assert read(make(start="latest")) == []


def test_a_window_gives_the_entries_of_that_time(link: Link, make: Make) -> None:
    """Start included, end excluded, whatever the cursor and without touching the group."""
    produce(link, "s", 100)
    source = make(group="g", batch_size=3)
    last = read(make())[-1].cursor
    start = datetime.fromtimestamp(10, UTC)
    window = Window(start=start, end=start + timedelta(seconds=10))

    async def numbers(source: RedisStreamsSource) -> list[int]:
        return [int(r["n"]) async for c in source.read(last, window) for r in c.batch.to_pylist()]

    assert asyncio.run(numbers(source)) == [*range(10, 20)]
    assert asyncio.run(source.is_ready(last, window)) is True
    later = Window(start=start + timedelta(days=1), end=start + timedelta(days=2))
    assert asyncio.run(source.is_ready(last, later)) is False
    assert link.do("XINFO", "GROUPS", "s") == []
    parts = asyncio.run(make(batch_size=3).partitions(3))
    assert sorted(n for part in parts for n in asyncio.run(numbers(part))) == [*range(10, 20)]


def test_a_busy_stream_ends_where_it_ended_when_reading_began(link: Link, make: Make) -> None:
    """What is added while reading is left to the next read."""
    produce(link, "s", 3000)
    source = make(batch_size=500)

    async def read_and_add() -> tuple[int, Any]:
        found, last = 0, None
        async for chunk in source.read(None):
            produce(link, "s", 100, begin=3001 + found)
            found += chunk.batch.num_rows
            last = chunk.cursor
        return found, last

    found, last = asyncio.run(read_and_add())
    assert found == 3000
    assert len(rows(read(source, last))) == 600


def test_a_stream_is_cut_into_spans_of_time(link: Link, make: Make) -> None:
    """Parts of one stream begin behind the cursor and end where the stream ends now."""
    produce(link, "s", 1000)
    since = read(make(batch_size=200), limit=1)[-1].cursor
    parts = asyncio.run(make().partitions(4, since))
    counts = [len(rows(read(part, since))) for part in parts]
    assert sum(counts) == 800
    assert min(counts) > 150
    endless = parts[0].narrowed(until={"caught_up": False, "rows": 10_000})
    assert len(rows(read(endless, since))) == counts[0], "a part ends where it ends"
    assert asyncio.run(make(streams=["s", "t", "u"]).partitions(2))[0].config.streams == ["s", "u"]


# ── what can go wrong ────────────────────────────────────────────────────────────────────────


def test_refusals_are_told_apart(link: Link, make: Make, redis_database: Credentials) -> None:
    """Wrong password, no permission, no server, no such database, a key of another type."""
    produce(link, "s", 5)
    link.do("ACL", "SETUSER", "guest", "on", ">guest", "~t*", "+@all")

    def attempt(**changes: Any) -> None:
        credentials = Credentials(**(redis_database.model_dump() | changes))
        read(RedisStreamsSource(make().config, credentials=credentials))

    with pytest.raises(AuthenticationError, match=r"WRONGPASS|invalid username-password"):
        attempt(password="wrong")
    with pytest.raises(AuthenticationError):
        attempt(login=None, password=None)
    with pytest.raises(ForbiddenError, match=r"No permissions|no permissions"):
        attempt(login="guest", password="guest")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9: "):
        attempt(port=9)
    with pytest.raises(ConfigurationError, match="DB index is out of range"):
        attempt(database="99")
    with pytest.raises(ConfigurationError, match="a database is a number"):
        attempt(database="main")
    link.do("SET", "s2", "x")
    for group in (None, "g"):
        with pytest.raises(ConfigurationError, match="WRONGTYPE"):
            read(make(streams=["s2"], group=group))


def test_datasets_are_named_by_server_database_and_key() -> None:
    """OpenLineage has no rule for Redis; the namespace is the server."""
    credentials = Credentials(host="r.example.org", port=6380, extra={"db": 3})
    source = RedisStreamsSource(RedisStreamsConfig(streams=["a", "b"]), credentials=credentials)
    assert source.dataset() == ("redis://r.example.org:6380", "3.a,b")


@pytest.mark.parametrize(
    "config", [{"streams": []}, {"streams": ["a", "a"]}, {"streams": ["a"], "consumer": "a@b"}]
)
def test_configs_that_cannot_be(config: dict[str, Any]) -> None:
    """No stream, the same twice, a consumer named like a mark."""
    with pytest.raises(ValidationError):
        RedisStreamsConfig(**config)
