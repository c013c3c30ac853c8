"""How exported text becomes rows, and how reading finds its place in it again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pyarrow as pa
import pytest

from airflow_provider_spotify.core.clients import ndjson
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.export_rows import LineParser
from airflow_provider_spotify.core.sources.web.export_text import Changed, Joined, begun

COLUMNS = (
    Column("name", "text", "name", "the name"),
    Column("seconds", "timestamp[s]", "of.seconds", "a time"),
    Column("shown", "timestamp", "of.shown", "a time"),
    Column("count", "bigint", "of.$count", "a number"),
    Column("share", "double", "of.share", "a share"),
    Column("on", "boolean", "of.on", "a truth"),
    Column("tags", "json", "tags", "nested"),
    Column("of", "json", "of", "all of it"),
)
_SHORT = (COLUMNS[0], COLUMNS[-2])


@pytest.fixture
def parser() -> Iterator[LineParser]:
    made = LineParser(COLUMNS, needed="name", judge=judge)
    yield made
    made.close()


def judge(body: Any) -> TransientError | str | None:
    if "error" in body:
        return TransientError("the export was broken off")
    return None if body.get("name") is not None else "it has no name"


def lines(count: int = 200) -> list[dict[str, Any]]:
    random, found = Random(3), []
    for number in range(count):
        of: dict[str, Any] = {"seconds": 1_700_000_000 + number, "share": number / 4, "on": True}
        if number % 2:
            of |= {
                "$count": random.choice([None, 0, -1, 2**53 + 1]),
                "shown": "2026-01-02 03:04:05.5",
            }
        if number % 3:
            of["deep"] = {"ö": ["\u2028", '"', {"a": None}], "big": 12345678901234567890}
        name = random.choice(["a", "é\n", 7, 1.5, True, ["x", 1], {"k": "v"}])
        found.append({"tags": random.choice([None, [], ["t"], "text", 0]), "name": name, "of": of})
    return found


def block(*texts: bytes, number: int = 1) -> ndjson.Block:
    data = b"".join(text + b"\n" for text in texts)
    return ndjson.Block(data, number, len(data), number + len(texts))


def test_both_ways_to_parse_give_the_same(parser: LineParser) -> None:
    """A block with one bad line has the very rows that it has without it."""
    good = [orjson.dumps(each) for each in lines()]
    fast, none = parser.parse(block(*good), where="x")
    slow, bad = parser.parse(block(*good, b"{oops"), where="x")
    assert none is None
    assert bad is not None
    assert bad.column("location").to_pylist() == ["x:201"]
    assert fast.schema == slow.schema
    for name in fast.schema.names:
        assert fast.column(name).to_pylist() == slow.column(name).to_pylist(), name


def test_keys_may_come_in_any_order(parser: LineParser) -> None:
    """A line whose object does not stand last, or twice, or with blanks, is read as any other."""
    tags = b'"tags":{"of": {"share": 9}}'
    texts = [
        b'{"of":{"share":0.5},"name":"a"}',
        b'{ "name" : "a" , "of" : {"share": 0.5} }',
        b'{%s,"name":"a","of": {"share":0.5}}' % tags,
        b'{"name":"a","of":{"share":0.5},%s}' % tags,
    ]
    for text in texts:
        batch, bad = parser.parse(block(text), where="x")
        assert bad is None
        assert batch.column("share").to_pylist() == [0.5]
        assert orjson.loads(batch.column("of")[0].as_py()) == {"share": 0.5}


def test_nested_values_are_the_text_that_was_sent(parser: LineParser) -> None:
    """Numbers of any length, unicode and nulls inside are kept; a null itself is none."""
    sent = lines(9)
    batch, _ = parser.parse(block(*(orjson.dumps(each) for each in sent)), where="x")
    for each, row in zip(sent, batch.to_pylist(), strict=True):
        assert orjson.loads(row["of"]) == each["of"]
        tags = None if row["tags"] is None else orjson.loads(row["tags"])
        assert tags == each["tags"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"name": "a", "of": {"$count": "many"}}', "count is not a bigint"),
        (b'{"name": "a", "of": {"seconds": "soon"}}', "seconds is not a timestamp[s]"),
        (b'{"name": null}', "it has no name"),
        (b"[1]", "not a JSON object: a list"),
        (b'"text"', "not a JSON object: a str"),
        (b'{"name": "cut', "not a JSON object"),
        (b'{"name": "\xff"}', "not a JSON object"),
    ],
)
def test_a_bad_line_is_rejected_alone(parser: LineParser, line: bytes, reason: str) -> None:
    """Its neighbours stay; the reason and the line's number are told."""
    good = b'{"name": "fine"}'
    batch, bad = parser.parse(block(good, line, b"", good, number=10), where="x")
    assert batch.column("name").to_pylist() == ["fine", "fine"]
    assert bad is not None
    (found,) = bad.to_pylist()
    assert found["reason"].startswith(reason)
    assert found["location"] == "x:11"


def test_an_error_in_the_export_is_raised(parser: LineParser) -> None:
    """An object that reports an error is no row and no reject."""
    with pytest.raises(TransientError, match="broken off"):
        parser.parse(block(b'{"name": "a"}', b'{"error": "gone"}'), where="x")


def test_reading_goes_on_behind_what_was_given() -> None:
    """From every position the rest of the text comes, and its lines keep their numbers."""
    text = b"".join(b'{"n": %d}\n' % n for n in range(100))
    placed = list(begun(io.BytesIO(text), None, size=90))
    assert len(placed) > 5
    for each in placed:
        rest = [p.block for p in begun(io.BytesIO(text), each.after, size=90)]
        assert b"".join(b.data for b in rest) == text[each.after["offset"] :]
        if rest:
            assert rest[0].first_line == each.after["line"]


def test_another_text_is_noticed() -> None:
    """A text that begins otherwise, or is shorter, is not gone on with."""
    text = b"".join(b'{"n": %d}\n' % n for n in range(100))
    after = list(begun(io.BytesIO(text), None, size=90))[3].after
    for other in (text.replace(b"1", b"2", 1), text[:50], b""):
        with pytest.raises(Changed):
            list(begun(io.BytesIO(other), after, size=90))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_texts_are_joined_at_line_ends(size: int) -> None:
    """A text that ends without a line end does not run into the next one."""
    joined = Joined(
        iter([io.BytesIO(b"a\nb"), io.BytesIO(b""), io.BytesIO(b"c\n"), io.BytesIO(b"d")])
    )
    read = b""
    while data := joined.read(size):
        read += data
    assert read == b"a\nb\nc\nd\n"


def test_plain_columns_need_no_parent() -> None:
    """Columns at the top alone are parsed as well."""
    parser = LineParser(_SHORT, needed="name", judge=judge)
    batch, _ = parser.parse(block(b'{"name": "a", "tags": {"b": 1}}'), where="x")
    assert batch.equals(pa.record_batch({"name": ["a"], "tags": ['{"b":1}']}))
    parser.close()
