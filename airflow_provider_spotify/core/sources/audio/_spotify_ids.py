"""Where the ids of an import come from: its configuration, or a column of files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import orjson
from pydantic import Field, model_validator

from airflow_provider_spotify.core.errors import ConfigurationError, MissingDependency
from airflow_provider_spotify.core.model import Frozen, rooted

_ID = re.compile(
    r"(?:spotify:(?P<uri>[a-z]+):|https?://open\.spotify\.com/(?:intl-[a-z]+/)?(?P<link>[a-z]+)/)?"
    r"(?P<id>[0-9A-Za-z]{22})(?:\?.*)?"
)


class IdsFrom(Frozen):
    """Where ids are read: a column of files, or of a table that another import filled."""

    path: str | None = Field(
        None, description="file, glob or URL: csv, tsv, jsonl, parquet or txt, also gzipped"
    )
    table: str | None = Field(None, description="table in this import's own destination")
    column: str | None = Field(None, description="the column that holds the ids; none for txt")

    @model_validator(mode="after")
    def _complete(self) -> IdsFrom:
        if (self.path is None) == (self.table is None):
            raise ValueError("ids_from takes either a path or a table")
        if self.column is None and not (self.path and _format(self.path) == "txt"):
            raise ValueError("ids_from needs the column that holds the ids")
        return self


def spotify_id(text: str, *, kind: str) -> str | None:
    """Return the bare id of an id, a ``spotify:`` URI or an open.spotify.com link of this kind.

    None where it is none, or names something of another kind.
    """
    found = _ID.fullmatch(text)
    if not found or (found["uri"] or found["link"] or kind) != kind:
        return None
    return found["id"]


def distinct(texts: Iterable[Any], *, kind: str) -> list[str]:
    """Return ids once each, in the order they first come; blanks are no ids.

    What is not an id stays as it stands, so that reading can reject it.
    """
    stripped = (str(text).strip() for text in texts if text is not None)
    return list(dict.fromkeys(spotify_id(text, kind=kind) or text for text in stripped if text))


def read_ids(place: IdsFrom) -> list[str]:
    """Read every id of a column, file by file in the order of their names.

    :raises ConfigurationError: if there is no such file or column
    """
    if place.path is None:
        raise ConfigurationError(
            f"ids_from: table {place.table!r} has not been read; only a pipeline can, which knows "
            "the destination. Give ids or ids_from: {path: …, column: …}"
        )
    return [text for file in _open(place.path) for text in _column(file, place)]


def _open(path: str) -> Sequence[Any]:
    import fsspec

    try:
        files = fsspec.open_files(rooted(path), mode="rb", compression="infer")
    except (OSError, ValueError, ImportError) as error:
        raise ConfigurationError(f"ids_from: cannot open {path!r}: {error}") from error
    if not files:
        raise ConfigurationError(f"ids_from: no file matches {path!r}")
    return sorted(files, key=lambda file: str(file.path))


def _format(path: str) -> str:
    name = path.rsplit("/", 1)[-1].lower()
    for ending in (".gz", ".zst", ".bz2", ".xz"):
        name = name.removesuffix(ending)
    found = name.rpartition(".")[2]
    return {"ndjson": "jsonl", "pq": "parquet"}.get(found, found)


def _column(file: Any, place: IdsFrom) -> list[Any]:
    kind = _format(file.path)
    where = f"ids_from: {file.path}"
    try:
        with file as stream:
            if kind == "txt":
                with _text(stream) as text:
                    return text.read().split("\n")
            if kind in ("csv", "tsv"):
                return _csv(stream, place.column or "", where=where, tabs=kind == "tsv")
            if kind == "jsonl":
                return _jsonl(stream, place.column or "", where=where)
            if kind == "parquet":
                return _parquet(stream, place.column or "", where=where)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{where}: {type(error).__name__}: {error}") from error
    raise ConfigurationError(f"{where}: the name must end in csv, tsv, jsonl, parquet or txt")


@contextmanager
def _text(stream: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """Read a stream as text, and leave closing it to its owner."""
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    try:
        yield text
    finally:
        text.detach()


def _csv(stream: IO[bytes], column: str, *, where: str, tabs: bool) -> list[Any]:
    with _text(stream) as text:
        reader = csv.DictReader(text, delimiter="\t" if tabs else ",")
        _require(column, reader.fieldnames or (), where=where)
        return [row[column] for row in reader]


def _jsonl(stream: IO[bytes], column: str, *, where: str) -> list[Any]:
    found = []
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"{where}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ConfigurationError(f"{where}, line {number}: not a JSON object")
        _require(column, row, where=f"{where}, line {number}")
        found.append(row[column])
    return found


def _parquet(stream: IO[bytes], column: str, *, where: str) -> list[Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependency("pyarrow", extra="audio") from error
    try:
        file = pq.ParquetFile(stream)
        _require(column, file.schema_arrow.names, where=where)
        return list(file.read(columns=[column]).column(0).to_pylist())
    except pa.ArrowException as error:
        raise ConfigurationError(f"{where}: not a readable parquet file: {error}") from error


def _require(column: str, names: Iterable[str], *, where: str) -> None:
    names = list(names)
    if column not in names:
        raise ConfigurationError(f"{where}: no column {column!r}; there are {', '.join(names)}")
