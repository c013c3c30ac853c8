"""CSV: the conformance suite, and what is special to delimited text."""

from __future__ import annotations

import codecs
import functools
import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_provider_spotify.core.clients import csv_stream
from airflow_provider_spotify.core.clients.files import FileStore
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.files.csv import CsvConfig, CsvSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.chunks import rejected, rows


def source(path: Any, **config: Any) -> CsvSource:
    return CsvSource(CsvConfig(path=str(path) if isinstance(path, Path) else path, **config))


class TestConformance(SourceConformance):
    """Several files, several blocks, and records that are refused between them."""

    expected_rows = 3 * 2000

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_stream, "BLOCK", 4096)
        self.folder = tmp_path
        for name in ("a", "b", "c"):
            lines = [f"{name}{i},{i}" + ("\nbad" if i % 300 == 7 else "") for i in range(2000)]
            (tmp_path / f"{name}.csv").write_text("id,n\n" + "\n".join(lines) + "\n")

    def make_source(self) -> CsvSource:
        return source(self.folder / "*.csv")

    def make_empty(self) -> CsvSource:
        return source(self.folder / "*.tsv")

    def add_more(self) -> int:
        (self.folder / "d.csv").write_text("id,n\nd1,1\nd2,2\nbad\n")
        return 3


def test_values_arrive_as_text_in_order(tmp_path: Path) -> None:
    """Every value is the text that stands in the file, row by row."""
    (tmp_path / "a.csv").write_text('id,note\n007,"a, ""b""\nc"\n1.50,\n, x \n')
    assert rows(read(source(tmp_path / "a.csv"))) == [
        {"id": "007", "note": 'a, "b"\nc'},
        {"id": "1.50", "note": ""},
        {"id": "", "note": " x "},
    ]


def test_malformed_lines_are_rejected_with_their_line(tmp_path: Path) -> None:
    """Line numbers count blank lines, lines inside of values and skipped ones."""
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'made by hand\n"i\nd",b\n1,2\n\nshort\n"x\ny",3\n1,2,3\n\xff,1\n4,5\nend\xfe\n'
    )
    chunks = read(source(path, skip_rows=1))
    assert [row["b"] for row in rows(chunks)] == ["2", "3", "5"]
    found = [(r["record"], r["location"].removeprefix(f"{path}:")) for r in rejected(chunks)]
    assert found == [("short", "6"), ("1,2,3", "9"), ("\ufffd,1", "10"), ("end\ufffd", "12")]
    assert rejected(chunks)[0]["reason"] == "1 fields where 2 are expected"
    assert {r["stage"] for r in rejected(chunks)} == {"source"}


def test_a_file_of_refused_records_only_is_not_lost(tmp_path: Path) -> None:
    """Where no record is a row, all of them are rejected and the file counts as read."""
    (tmp_path / "a.csv").write_text("a,b\nbad\nworse\n")
    chunks = read(source(tmp_path / "a.csv"))
    assert [r["record"] for r in rejected(chunks)] == ["bad", "worse"]
    assert read(source(tmp_path / "a.csv"), chunks[-1].cursor) == []


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, given: str) -> None:
    """Names and values arrive decoded, a byte order mark is no part of them."""
    (tmp_path / "a.csv").write_text("naïve,b\nSigur Rós,ü\n", encoding=encoding)
    found = rows(read(source(tmp_path / "a.csv", encoding=given)))
    assert found == [{"naïve": "Sigur Rós", "b": "ü"}]


def test_wrong_encoding_is_visible(tmp_path: Path) -> None:
    """Latin-1 read as UTF-8 rejects the rows it cannot read, and says what to set."""
    (tmp_path / "a.csv").write_bytes("id\nRós\nplain\n".encode("latin-1"))
    chunks = read(source(tmp_path / "a.csv"))
    assert rows(chunks) == [{"id": "plain"}]
    assert "encoding" in rejected(chunks)[0]["reason"]


def test_delimiter_quote_and_escape(tmp_path: Path) -> None:
    """Another delimiter, quote and escape are understood."""
    (tmp_path / "a.tsv").write_text("a\tb\n'x\ty'\tz\\'s\n")
    found = rows(read(source(tmp_path / "a.tsv", delimiter="\t", quote="'", escape="\\")))
    assert found == [{"a": "x\ty", "b": "z's"}]


def test_quotes_can_be_ordinary(tmp_path: Path) -> None:
    """With ``quote: null`` a quote is a character like others."""
    (tmp_path / "a.csv").write_text('a,b\n"x,y"\n')
    assert rows(read(source(tmp_path / "a.csv", quote=None))) == [{"a": '"x', "b": 'y"'}]


def test_without_header(tmp_path: Path) -> None:
    """Without a header the first line is a row, and ``columns`` names its fields."""
    (tmp_path / "a.csv").write_text("1,2\n3,4\nbad\n")
    chunks = read(source(tmp_path / "a.csv", header=False, columns=["x", "y"]))
    assert rows(chunks) == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]
    assert rejected(chunks)[0]["location"].endswith("a.csv:3")


def test_headers_may_differ_between_files(tmp_path: Path) -> None:
    """Each file's values go by the names in its own header."""
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("b,c,a\n3,4,5\n")
    found = rows(read(source(tmp_path / "*.csv")))
    assert found == [{"a": "1", "b": "2"}, {"b": "3", "c": "4", "a": "5"}]


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b"])
def test_a_file_without_rows_gives_no_chunk(tmp_path: Path, text: str) -> None:
    """Nothing, or a header alone, is no error."""
    (tmp_path / "a.csv").write_text(text)
    assert read(source(tmp_path / "a.csv")) == []


def test_a_record_longer_than_a_block_is_read(tmp_path: Path) -> None:
    """Blocks grow to the longest record, and no row before it is given twice."""
    long = "x" * (3 << 20)
    (tmp_path / "a.csv").write_text(f'a,b\n1,2\n3,"{long}"\n5,6\n')
    assert [row["a"] for row in rows(read(source(tmp_path / "a.csv")))] == ["1", "3", "5"]


def test_an_open_quote_is_an_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote that is never closed names the file and the record before it."""
    monkeypatch.setattr(csv_stream, "BLOCK", 1024)
    monkeypatch.setattr(csv_stream, "LONGEST", 8192)
    (tmp_path / "a.csv").write_text('a,b\n1,"open\n' + "2,3\n" * 10_000)
    with pytest.raises(DataError, match=r"a\.csv.*quote left open"):
        read(source(tmp_path / "a.csv"))


def test_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    """A compressed file that was cut off does not look like a shorter one."""
    whole = gzip.compress(("a,b\n" + "1,2\n" * 5000).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"a\.csv\.gz"):
        read(source(tmp_path / "a.csv.gz"))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"header": False}, "columns"),
        ({"columns": ["a"]}, "header: false"),
        ({"encoding": "utf-9"}, "utf-9"),
        ({"delimiter": ";;"}, "at most 1"),
        ({"path": "s3://key:secret@acme/x"}, "connection"),
        ({"path": []}, "at least 1"),
    ],
)
def test_config_mistakes_are_named(config: dict[str, Any], says: str) -> None:
    """A wrong key says what to write instead."""
    with pytest.raises(ValidationError, match=says):
        CsvConfig(**{"path": "x.csv", **config})


def test_a_folder_says_how_to_read_it(tmp_path: Path) -> None:
    """A folder, or one that is not there, is an error with the way out."""
    with pytest.raises(ConfigurationError, match=r"is a folder: write .*/\*"):
        read(source(tmp_path))
    with pytest.raises(ConfigurationError, match="there is no folder"):
        read(source(tmp_path / "nowhere" / "a.csv"))


def test_reading_can_begin_at_any_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginning at a record gives it and all after it, rows and refused ones, lines unchanged."""
    monkeypatch.setattr(csv_stream, "BLOCK", 64)
    lines = ["a,b", *("bad" if i % 3 == 0 else f"{i},x" for i in range(2, 40))]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    (file,) = FileStore(Credentials()).list([str(path)])
    opener = functools.partial(FileStore(Credentials()).open, file)
    for start in range(2, 41):
        found: list[int] = []
        for batch, _, refused in csv_stream.read_records(
            opener, csv_stream.Dialect(), name="f", start=start
        ):
            found += [int(a) for a in batch.column("a").to_pylist()]
            places = refused.column("location").to_pylist() if refused else []
            found += [int(place.removeprefix("f:")) for place in places]
        assert sorted(found) == list(range(start, 40))


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(table=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=30), block=st.integers(32, 512))
def test_any_text_survives(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], block: int
) -> None:
    """Whatever characters the fields hold and wherever blocks end, the same fields arrive."""
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    lines = (",".join('"' + field.replace('"', '""') + '"' for field in row) for row in table)
    path.write_bytes(("a,b\n" + "\n".join(lines) + "\n").encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_stream, "BLOCK", block)
        found = rows(read(source(path)))
    assert [(row["a"], row["b"]) for row in found] == table


def test_bom_alone_is_an_empty_file(tmp_path: Path) -> None:
    """A file that holds only a byte order mark has no rows."""
    (tmp_path / "a.csv").write_bytes(codecs.BOM_UTF8)
    assert read(source(tmp_path / "a.csv")) == []
