"""Blocks of JSON lines as typed Arrow rows, nested values kept as JSON text.

DuckDB's JSON functions do it: the only way measured that both finds columns and keeps what is
nested as text at such a rate. One core, MB/s of text, 2026-11-22: 210 for events of 44 fields with
five nested ones (32 columns), 94 by orjson, column by column; ``pyarrow.json`` with a known schema
reads the plain fields at 260, but can give nested ones only as structs. Where one object is taken
whole and by its fields, 150 if lines are cut before it (``export_halves``), 115 if DuckDB parses
the line twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.clients import ndjson
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.sources.web.columns import Column, arrow_type
from airflow_provider_spotify.core.sources.web.export_halves import halves
from airflow_provider_spotify.core.sources.web.rows import (
    Record,
    Reject,
    rejected,
    rows,
    schema,
)

Judge = Callable[[Mapping[str, Any]], ImporterError | str | None]
"""Says why an object is no row: an error of the whole export, or a reason to reject it."""
_MOST_MEMORY = "512MB"


class LineParser:
    """Parses blocks, from several threads at once.

    A block that has anything unusual is parsed line by line, by the rules of every web source, so
    that one bad line costs its block some speed, and only itself is rejected.

    :param needed: name of a column without which an object is no row
    """

    def __init__(self, columns: Sequence[Column], *, needed: str, judge: Judge) -> None:
        self._columns = columns
        self._needed = next(at for at, column in enumerate(columns) if column.name == needed)
        self._judge = judge
        whole = {c.path for c in columns if _is_parent(c, columns)}
        self._key = whole.pop() if len(whole) == 1 and not any("." in p for p in whole) else None
        self._whole = whole
        self._query = self._written()
        self._db = duckdb.connect(config={"threads": 1, "memory_limit": _MOST_MEMORY})

    def close(self) -> None:
        """Free what parsing holds."""
        self._db.close()

    def parse(
        self, block: ndjson.Block, *, where: str
    ) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
        """Return the rows of a block, and its lines that are none.

        :param where: what is read, for the location of what is rejected
        :raises ImporterError: if a line says that the export has failed
        """
        try:
            return self._fast(block.data), None
        except (pa.ArrowException, duckdb.Error):
            return self._line_by_line(block, where=where)

    def _fast(self, data: bytes) -> pa.RecordBatch:
        """Parse lines that are all well; any error says that some are not."""
        text = pa.array([data[:-1] if data.endswith(b"\n") else data], pa.binary())
        lines = pc.split_pattern(text, b"\n").flatten()
        lines = lines.filter(pc.greater(pc.binary_length(lines), 0)).cast(pa.string())
        table = pa.table({"line": lines})
        if self._key is not None:
            table = pa.table(dict(zip(("line", "value"), halves(lines, self._key), strict=True)))
        with self._db.cursor() as cursor:
            cursor.register("lines", table)
            found = cursor.sql(self._query).to_arrow_table().combine_chunks()
        arrays = [_typed(self._taken(found, table, c), c) for c in self._columns]
        if arrays[self._needed].null_count:
            raise pa.ArrowInvalid("a line is no row")
        return pa.RecordBatch.from_arrays(arrays, schema=schema(self._columns))

    def _written(self) -> str:
        structures: dict[str, dict[str, Any]] = {}
        for column in self._columns:
            if column.path not in self._whole and column.path != self._key:
                half, path = self._half(column)
                *parents, name = path.split(".")
                inside = structures.setdefault(half, {})
                for parent in parents:
                    inside = inside.setdefault(parent, {})
                inside[name] = "JSON" if column.type == "json" else "VARCHAR"
        wanted = [
            f"json_transform({half}, {_quoted(orjson.dumps(structure).decode())}) AS {half}"
            for half, structure in structures.items()
        ]
        for path in sorted(self._whole):
            at = "$" + "".join(f'."{step}"' for step in path.split("."))
            wanted.append(f'json_extract(line, {_quoted(at)}) AS "{path}"')
        return f"SELECT {', '.join(wanted)} FROM lines"  # noqa: S608 - quoted, and from our columns

    def _half(self, column: Column) -> tuple[str, str]:
        """Return the text that a column is found in, and its path there."""
        inner = column.path.removeprefix(f"{self._key}.")
        return ("line", inner) if inner == column.path else ("value", inner)

    def _taken(self, found: pa.Table, table: pa.Table, column: Column) -> pa.Array:
        if column.path == self._key:
            return _one(table.column("value"))
        if column.path in self._whole:
            return _one(found.column(column.path))
        half, path = self._half(column)
        return pc.struct_field(_one(found.column(half)), path.split("."))

    def _line_by_line(
        self, block: ndjson.Block, *, where: str
    ) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
        records: list[Record] = []
        bad: list[Reject] = []
        for number, line in enumerate(block.data.split(b"\n"), block.first_line):
            if not line.strip():
                continue
            location = f"{where}:{number}"
            try:
                body = ndjson.decoded(line)
            except ValueError as error:
                text = line.decode(errors="replace")
                bad.append(Reject(text, f"not a JSON object: {error}", location))
                continue
            reason = self._unfit(body)
            if reason:
                bad.append(Reject(body, reason, location))
            else:
                records.append(Record({}, body, location))
        batch, misfits = rows(self._columns, records)
        return batch, rejected([*bad, *misfits])

    def _unfit(self, body: Any) -> str | None:
        """Return why a line is no row.

        :raises ImporterError: if it says that the export has failed
        """
        if not isinstance(body, dict):
            return f"not a JSON object: a {type(body).__name__}"
        said = self._judge(body)
        if isinstance(said, ImporterError):
            raise said
        return said


def _is_parent(column: Column, columns: Sequence[Column]) -> bool:
    """Say whether a column is taken whole whose parts are columns too."""
    return any(other.path.startswith(f"{column.path}.") for other in columns)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _typed(texts: pa.Array, column: Column) -> pa.Array:
    """Give texts the column's type; fails where one does not fit."""
    target, kind = arrow_type(column.type), column.type
    texts = texts.cast(pa.string())
    if kind == "json":
        return pc.if_else(pc.equal(texts, "null"), None, texts)
    if kind in ("timestamp[s]", "timestamp[ms]"):
        return texts.cast(pa.int64()).cast(pa.timestamp(kind[10:-1], "UTC")).cast(target)
    if kind == "timestamp":
        return texts.cast(pa.timestamp("us")).cast(target)
    return texts.cast(target)


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
