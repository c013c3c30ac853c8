"""Nested values as JSON text, written by DuckDB's engine instead of row by row."""

from __future__ import annotations

import re

import orjson
import pyarrow as pa
import pyarrow.compute as pc

_TEXT_OR_ODD = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')


def as_json(array: pa.Array) -> pa.Array:
    """Return each value as JSON text; a missing value stays missing.

    JSON has no NaN and no infinity: they become the texts ``"NaN"``, ``"Infinity"`` and
    ``"-Infinity"``, so that a database which parses the text can store it.
    """
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.register("given", pa.table({"v": array}))
        relation = engine.sql("SELECT to_json(v)::VARCHAR AS v FROM given")
        text = relation.to_arrow_table().column("v").cast(pa.string())
    whole = pa.concat_arrays(text.chunks) if text.num_chunks else pa.array([], pa.string())
    return _finite(pc.if_else(pc.is_valid(array), whole, pa.scalar(None, pa.string())))


def _finite(text: pa.Array) -> pa.Array:
    """Rewrite the texts that hold a number which is not one."""
    odd = pc.fill_null(pc.match_substring_regex(text, r"\b(NaN|Infinity)\b"), False)
    if not pc.any(odd).as_py():
        return text
    pairs = zip(text.to_pylist(), odd.to_pylist(), strict=True)
    mended = [_TEXT_OR_ODD.sub(_quoted, value) if flag else value for value, flag in pairs]
    return pa.array(mended, pa.string())


def _quoted(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith('"') else f'"{match[0]}"'


def marked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give columns that are declared to be JSON text the type of JSON, if their values are JSON.

    A field says so by its type (``arrow.json``) or by its metadata, ``type: json``, as contracts
    write it. A column with a value that is not JSON is text: a database would refuse it.
    """
    columns = [
        _marked(column) if _says_json(field) else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _says_json(field: pa.Field) -> bool:
    declared = (field.metadata or {}).get(b"type") == b"json"
    return isinstance(field.type, pa.JsonType) or (declared and pa.types.is_string(field.type))


def _marked(column: pa.Array) -> pa.Array:
    text = getattr(column, "storage", column).cast(pa.string())
    if all(value is None or _is_json(value) for value in text.to_pylist()):
        return pa.ExtensionArray.from_storage(pa.json_(pa.string()), text)
    return text


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def rows_as_json(batch: pa.RecordBatch) -> pa.Array:
    """Return each row as a JSON object."""
    fields = [pa.field(f.name, f.type) for f in batch.schema]
    return as_json(pa.StructArray.from_arrays(batch.columns, fields=fields))
