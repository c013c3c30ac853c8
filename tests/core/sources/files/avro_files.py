"""Avro files of a few rows, and sources that read them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa

from airflow_provider_spotify.core.sources.files.avro import AvroConfig, AvroSource
from airflow_provider_spotify.core.testing.sources import read

CODECS = ["null", "deflate", "bzip2", "xz", "zstandard", "snappy", "lz4"]
MOMENT = datetime(2026, 3, 29, 1, 30, 5, 123000, tzinfo=UTC)


def source(path: Path, **config: Any) -> AvroSource:
    return AvroSource(AvroConfig(path=str(path), **config))


def record(fields: dict[str, Any], name: str = "Row") -> dict[str, Any]:
    drawn = [{"name": key, "type": kind} for key, kind in fields.items()]
    return {"type": "record", "name": name, "fields": drawn}


def written(path: Path, schema: Any, rows: Sequence[Any], **options: Any) -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, rows, **options)
    return path


def one(tmp_path: Path, kind: Any, *found: Any) -> pa.Array:
    """Write values as the only field of records, and return the column that is read."""
    path = written(tmp_path / "one.avro", record({"x": kind}), [{"x": value} for value in found])
    (chunk,) = read(source(path))
    return chunk.batch.column("x")


def logical(kind: str, name: str, /, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}
