"""JSON lines: the conformance suite, and what is special to JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.clients import ndjson
from airflow_provider_spotify.core.sources.files.jsonl import JsonlConfig, JsonlSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.chunks import rejected, rows


def source(path: Path, **config: Any) -> JsonlSource:
    return JsonlSource(JsonlConfig(path=str(path), **config))


def written(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"".join((x if isinstance(x, bytes) else x.encode()) + b"\n" for x in lines))
    return path


class TestConformance(SourceConformance):
    """Several compressed files, several blocks, bad lines between good ones."""

    expected_rows = 2 * 1000

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ndjson.blocks, "__kwdefaults__", {"offset": 0, "line": 1, "size": 4096})
        self.folder = tmp_path
        for name in ("a", "b"):
            lines = []
            for i in range(1000):
                row = {"id": f"{name}{i}", "n": i, "x": {"tags": ["t"] * (i % 3)}}
                lines.append(json.dumps(row))
                lines += ["", "{bad"] if i % 200 == 7 else []
            (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))

    def make_source(self) -> JsonlSource:
        return source(self.folder / "*.jsonl.gz")

    def make_empty(self) -> JsonlSource:
        written(self.folder / "empty.jsonl")
        return source(self.folder / "empty.jsonl")

    def add_more(self) -> int:
        (self.folder / "c.jsonl.gz").write_bytes(gzip.compress(b'{"id": "c1"}\n{"id": "c2"}'))
        return 2


def test_bad_lines_are_rejected_with_their_line(tmp_path: Path) -> None:
    """What is no JSON object, or no UTF-8, is rejected as it stands; blank lines are nothing."""
    path = written(
        tmp_path / "a.jsonl", '{"a": 1}', "", "{bad", "[1]", "7", b'{"a": "\xff"}', '{"a": 2}'
    )
    chunks = read(source(path))
    assert rows(chunks) == [{"a": 1}, {"a": 2}]
    found = [(r["record"], r["location"].removeprefix(f"{path}:")) for r in rejected(chunks)]
    assert found == [("{bad", "3"), ("[1]", "4"), ("7", "5"), ('{"a": "\ufffd"}', "6")]


def test_nested_values_stay_nested(tmp_path: Path) -> None:
    """Objects become structs and arrays lists, also where a later line has more fields."""
    path = written(tmp_path / "a.jsonl", '{"a": {"x": [1]}}', '{"a": {"y": {"z": "t"}}}')
    (chunk,) = read(source(path))
    assert chunk.batch.to_pylist() == [
        {"a": {"x": [1], "y": None}},
        {"a": {"x": None, "y": {"z": "t"}}},
    ]


def test_integers_among_floats_become_double(tmp_path: Path) -> None:
    """1 and 2.5 in one field are doubles."""
    (chunk,) = read(source(written(tmp_path / "a.jsonl", '{"a": 1}', '{"a": 2.5}')))
    assert chunk.batch.schema.field("a").type == pa.float64()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", '"x"'], ["1", "x"]),
        (["true", "2"], ["true", "2"]),
        (["1", '{"k": [1, "ü"]}'], ["1", '{"k":[1,"ü"]}']),
        (['"x"', "[1]", "null"], ["x", "[1]", None]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["18446744073709551615"], ["18446744073709551615"]),
    ],
)
def test_types_that_differ_become_text(
    tmp_path: Path, values: list[str], expected: list[str | None]
) -> None:
    """Values that no one type holds become text: texts as they are, the others as JSON."""
    path = written(tmp_path / "a.jsonl", *(f'{{"a": {value}}}' for value in values))
    assert [row["a"] for row in rows(read(source(path)))] == expected


def test_dates_stay_text(tmp_path: Path) -> None:
    """A text that looks like a time stays what it is, also inside of objects and lists."""
    line = '{"a": "2026-01-01", "b": {"c": "2026-01-01T10:00:00Z"}, "d": ["2026-01-01"]}'
    assert rows(read(source(written(tmp_path / "a.jsonl", line)))) == [json.loads(line)]


def test_types_may_differ_between_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that changes its type in a later block does not fail, and loses nothing."""
    monkeypatch.setattr(ndjson.blocks, "__kwdefaults__", {"offset": 0, "line": 1, "size": 256})
    lines = [json.dumps({"a": i}) for i in range(50)]
    lines += [json.dumps({"a": f"t{i}"}) for i in range(50)]
    lines += [json.dumps({"a": {"k": i}}) for i in range(50)]
    found = [row["a"] for row in rows(read(source(written(tmp_path / "a.jsonl", *lines))))]
    assert [int(a) for a in found[:50]] == list(range(50))
    assert found[50:100] == [f"t{i}" for i in range(50)]
    texts = [a if isinstance(a, dict) else json.loads(a) for a in found[100:]]
    assert texts == [{"k": i} for i in range(50)]


VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(objects=st.lists(st.dictionaries(st.sampled_from(["a", "b"]), VALUE), max_size=12))
def test_no_object_fails_or_is_lost(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]]
) -> None:
    """Whatever JSON the lines hold, every object arrives as a row."""
    path = written(tmp_path_factory.mktemp("j") / "a.jsonl", *(json.dumps(o) for o in objects))
    chunks = read(source(path))
    assert not rejected(chunks)
    assert len(rows(chunks)) == len(objects)
