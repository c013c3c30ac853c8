"""Avro: the conformance suite, codecs, schemas, blocks and damage."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.files import _avro_blocks
from airflow_provider_spotify.core.sources.files.avro import AvroSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.sources.files.avro_files import CODECS, logical, record, source, written


class TestConformance(SourceConformance):
    """Two files of many small blocks, in batches that end inside of blocks and across them."""

    expected_rows = 2 * 2000
    libraries = (*SourceConformance.libraries, "fastavro", "numpy")

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        tags = {"type": "array", "items": "string"}
        schema = record({"id": "string", "n": ["null", "long"], "tags": tags})
        for name in ("a", "b"):
            rows = [
                {"id": f"{name}{i}", "n": None if i % 5 else i, "tags": ["t"] * (i % 3)}
                for i in range(2000)
            ]
            written(tmp_path / f"{name}.avro", schema, rows, codec="deflate", sync_interval=3000)

    def make_source(self) -> AvroSource:
        return source(self.folder / "*.avro", batch_size=170)

    def make_empty(self) -> AvroSource:
        return source(self.folder / "nothing*.avro")

    def add_more(self) -> int:
        rows = [{"id": "c1"}, {"id": "c2"}]
        written(self.folder / "c.avro", record({"id": "string"}), rows)
        return 2


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(tmp_path: Path, codec: str) -> None:
    """The same rows come out of a file of any codec."""
    rows = [{"x": f"text {i}"} for i in range(500)]
    path = written(tmp_path / "a.avro", record({"x": "string"}), rows, codec=codec)
    assert read(source(path))[0].batch.to_pylist() == rows


def test_a_named_type_may_be_used_again(tmp_path: Path) -> None:
    """A type that is defined once and named later has the same columns in both places."""
    place = record({"city": "string"}, "Place") | {"namespace": "geo"}
    fields = {"home": place, "work": "geo.Place", "old": {"type": "array", "items": "geo.Place"}}
    row = {"home": {"city": "A"}, "work": {"city": "B"}, "old": [{"city": "C"}]}
    path = written(tmp_path / "a.avro", record(fields), [row])
    assert read(source(path))[0].batch.to_pylist() == [row]


def test_what_is_no_record_becomes_a_column(tmp_path: Path) -> None:
    """A file of plain values has the one column ``value``."""
    path = written(tmp_path / "a.avro", "long", [1, 2])
    assert read(source(path))[0].batch.to_pylist() == [{"value": 1}, {"value": 2}]


def test_files_of_different_schemas_arrive_as_they_are(tmp_path: Path) -> None:
    """Each file has the columns of its own schema."""
    written(tmp_path / "1.avro", record({"a": "int"}), [{"a": 1}])
    written(tmp_path / "2.avro", record({"a": "string", "b": "int"}), [{"a": "x", "b": 2}])
    found = [chunk.batch.to_pylist() for chunk in read(source(tmp_path / "*.avro"))]
    assert found == [[{"a": 1}], [{"a": "x", "b": 2}]]


def test_nothing_gives_no_chunk(tmp_path: Path) -> None:
    """A file with a header and no rows, and one of no bytes, are no error and no chunk."""
    written(tmp_path / "a.avro", record({"a": "int"}), [])
    (tmp_path / "b.avro").touch()
    assert read(source(tmp_path / "*.avro")) == []


def test_long_rows_make_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends where its rows would be more bytes than the limit, also within a block."""
    monkeypatch.setattr(_avro_blocks, "LONGEST", 10_000)
    rows = [{"x": "t" * 3000} for _ in range(20)] + [{"x": "u" * 30_000}] * 2
    path = written(tmp_path / "a.avro", record({"x": "string"}), rows, sync_interval=40_000)
    chunks = read(source(path))
    assert [row for chunk in chunks for row in chunk.batch.to_pylist()] == rows
    assert all(chunk.batch.nbytes < 32_000 for chunk in chunks)


def test_what_is_no_avro_is_named(tmp_path: Path) -> None:
    """A file of another format is an error of the data, with its path."""
    (tmp_path / "a.avro").write_text("a,b\n1,2\n" * 100)
    with pytest.raises(DataError, match=r"a\.avro: it does not begin as an Avro file"):
        read(source(tmp_path / "a.avro"))


@pytest.mark.parametrize("codec", CODECS)
def test_a_cut_off_file_is_named(tmp_path: Path, codec: str) -> None:
    """Wherever a file was cut inside of a block, it is an error with its path, never fewer rows."""
    path = written(
        tmp_path / "a.avro", record({"x": "long"}), [{"x": i} for i in range(900)], codec=codec
    )
    whole = path.read_bytes()
    begin = whole.index(whole[-16:]) + 16
    for size in (begin + 1, begin + 2, begin + 5, len(whole) - 17, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"a\.avro"):
            read(source(path))


@settings(max_examples=400, deadline=None)
@given(data=st.data(), codec=st.sampled_from(CODECS))
def test_damage_is_an_error_of_the_data(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, codec: str
) -> None:
    """Bytes that went bad give other values or an error of the data; nothing else."""
    path = tmp_path_factory.mktemp("d") / "a.avro"
    kind = {"type": "array", "items": ["null", "string", logical("int", "date")]}
    written(path, record({"x": "string", "y": kind}), [{"x": "ab", "y": ["t", None]}] * 40)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with suppress(DataError):
        read(source(path))
