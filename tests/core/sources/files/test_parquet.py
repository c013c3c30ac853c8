"""Parquet: the conformance suite, and what is special to columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.sources.files.parquet import ParquetConfig, ParquetSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read


def source(path: Path, **config: Any) -> ParquetSource:
    return ParquetSource(ParquetConfig(path=str(path), **config))


class TestConformance(SourceConformance):
    """Several files of several row groups, in batches that fit neither."""

    expected_rows = 2 * 5000

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        for name in ("a", "b"):
            table = pa.table({"id": [f"{name}{i}" for i in range(5000)], "n": range(5000)})
            pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=1700)

    def make_source(self) -> ParquetSource:
        return source(self.folder / "*.parquet", batch_size=640)

    def make_empty(self) -> ParquetSource:
        return source(self.folder / "nothing*.pq")

    def add_more(self) -> int:
        pq.write_table(pa.table({"id": ["c1", "c2"]}), self.folder / "c.parquet")
        return 2


def test_a_file_without_rows_gives_no_chunk(tmp_path: Path) -> None:
    """Columns without a row are no error and no chunk."""
    pq.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / "a.parquet")
    assert read(source(tmp_path / "a.parquet")) == []


def test_columns_are_pushed_down(tmp_path: Path) -> None:
    """Only the named columns are read; a file that lacks one gives the others."""
    pq.write_table(pa.table({"a": [1], "b": [2], "c": [3]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [4]}), tmp_path / "2.parquet")
    chunks = read(source(tmp_path / "*.parquet", columns=["a", "c"]))
    assert [chunk.batch.to_pylist() for chunk in chunks] == [[{"a": 1, "c": 3}], [{"a": 4}]]


def test_no_such_column_offers_the_nearest(tmp_path: Path) -> None:
    """Columns that a file does not have at all are a mistake, with a suggestion."""
    pq.write_table(pa.table({"played_at": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ConfigurationError, match=r"a\.parquet.*did you mean 'played_at'"):
        read(source(tmp_path / "a.parquet", columns=["played"]))


def test_types_and_nesting_are_kept(tmp_path: Path) -> None:
    """Decimals, zones, structs and lists arrive as the file has them, per file."""
    kind = pa.struct([("when", pa.timestamp("us", "UTC")), ("tags", pa.list_(pa.string()))])
    table = pa.table(
        {
            "price": pa.array([1], pa.int64()).cast(pa.decimal128(21, 2)),
            "s": pa.array([{"when": 1, "tags": ["x", None]}], kind),
        }
    )
    pq.write_table(table, tmp_path / "1.parquet")
    pq.write_table(pa.table({"price": ["free"]}), tmp_path / "2.parquet")
    first, second = read(source(tmp_path / "*.parquet"))
    assert pa.Table.from_batches([first.batch]) == table
    assert second.batch.schema.field("price").type == pa.string()


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    """A file of another format is an error of the data, with its path."""
    (tmp_path / "a.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"a\.parquet"):
        read(source(tmp_path / "a.parquet"))


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    """A file that lost its end is an error of the data, with its path."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": range(10_000)}), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.parquet"):
        read(source(path))


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    """Bytes that went bad inside a file are an error of the data, not worth another try."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [f"text {i}" for i in range(10_000)]}), path)
    damaged = bytearray(path.read_bytes())
    damaged[30:3000] = b"\xff" * 2970
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"a\.parquet"):
        read(source(path))
