"""Values that PostgreSQL wrote as text become what reading the same column of a table gives.

The plain types are parsed here; for the others, and for values such as ``infinity`` that Arrow
cannot parse, the server is asked to read its own text back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.clients.postgres import quoted
from airflow_provider_spotify.core.clients.postgres_columns import (
    Column,
    columns_of,
    pg_type,
    select_list,
)
from airflow_provider_spotify.core.clients.postgres_pgoutput import Attribute, Value
from airflow_provider_spotify.core.clients.postgres_query import select
from airflow_provider_spotify.core.clients.postgres_reader import PostgresReader, literal
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials

Parse = Callable[[pa.Array], pa.Array]
_SAME_TEXT = frozenset(
    {
        *("uuid", "interval", "timetz", "bit", "varbit", "xml", "macaddr", "macaddr8"),
        *("numeric", "tsvector", "tsquery", "point", "line", "lseg", "box", "path", "polygon"),
        *("circle", "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"),
    }
)
"""Types whose cast to text writes what their output function writes; of inet, for one, it does not.
"""


class Texts:
    """The columns of a table as they were at some time, and how to read their values from text.

    :param place: the table, for messages
    :param numeric: what numeric without bounds becomes
    :raises ConfigurationError: if a column's type is no longer there
    """

    def __init__(
        self,
        credentials: Credentials,
        attributes: Sequence[Attribute],
        *,
        place: str,
        numeric: str,
    ) -> None:
        self._credentials = credentials
        with PostgresReader(credentials) as reader:
            self._types = _types(reader, attributes, place=place)
            nulls = [
                f"NULL::{kind} AS {quoted(each.name)}"
                for kind, each in zip(self._types, attributes, strict=True)
            ]
            schema = reader.schema(f"SELECT {', '.join(nulls)}")
        self.columns = columns_of(schema, numeric=numeric)
        self._fields = list(schema)
        self._parsers = [_parser(c, f) for c, f in zip(self.columns, schema, strict=True)]

    def arrays(self, values: Sequence[Sequence[Value]]) -> tuple[list[pa.Array], pa.RecordBatch]:
        """Return what a SELECT of ``select_list(columns)`` would: the columns, and the guards.

        :param values: one sequence per column
        """
        texts = [pa.array(each, pa.binary()).cast(pa.string()) for each in values]
        found: list[pa.Array | None] = [
            _tried(parse, text) for parse, text in zip(self._parsers, texts, strict=True)
        ]
        asked = [at for at, array in enumerate(found) if array is None]
        rows = len(texts[0])
        guards = pa.RecordBatch.from_arrays([], names=[])
        if asked and rows:
            answer = self._answer(asked, texts)
            for position, at in enumerate(asked):
                found[at] = answer.column(position)
            guards = answer.select(range(len(asked), answer.num_columns))
        elif asked:
            for at in asked:
                found[at] = pa.array([], self._fields[at].type)
        return [array for array in found if array is not None], guards

    def _answer(self, asked: Sequence[int], texts: Sequence[pa.Array]) -> pa.RecordBatch:
        """Let the server read columns."""
        columns = [self.columns[at] for at in asked]
        names = [quoted(column.name) for column in columns]
        typed = [f"a.{n}::{self._types[at]} AS {n}" for n, at in zip(names, asked, strict=True)]
        arrays = ", ".join(f"{literal(_array(texts[at]))}::text[]" for at in asked)
        rows = select(", ".join(typed), f"unnest({arrays}) AS a({', '.join(names)})", ())
        with PostgresReader(self._credentials) as reader:
            return reader.batch(select(select_list(columns), f"({rows}) AS source", ()))


def _types(reader: PostgresReader, attributes: Sequence[Attribute], *, place: str) -> list[str]:
    """Write the types as SQL; a domain and an enum by their own names."""
    asked = [f"format_type({a.oid}, {a.modifier}) AS t{at}" for at, a in enumerate(attributes)]
    (row,) = reader.rows(f"SELECT {', '.join(asked)}")
    for name, kind in zip((a.name for a in attributes), row.values(), strict=True):
        if "???" in kind:
            raise ConfigurationError(
                f"{place}: the type of column {name} was dropped while changes of it were still to "
                "be read; run once with full refresh"
            )
    return [str(kind) for kind in row.values()]


def _array(texts: pa.Array) -> str:
    """Write an array as PostgreSQL reads it."""
    bare = (
        None if v is None else v.replace("\\", "\\\\").replace('"', '\\"') for v in _each(texts)
    )
    return "{" + ",".join("NULL" if v is None else f'"{v}"' for v in bare) + "}"


def _each(texts: pa.Array) -> list[str | None]:
    values: list[str | None] = texts.to_pylist()
    return values


def _tried(parse: Parse | None, texts: pa.Array) -> pa.Array | None:
    if parse is None:
        return None
    try:
        return parse(texts)
    except (pa.ArrowInvalid, ValueError):
        return None


def _parser(column: Column, field: pa.Field) -> Parse | None:
    """Say how to parse a column; None: the server must."""
    kind, plain = pg_type(field), column.sql == quoted(column.name)
    if column.guard is not None:
        return None
    if plain and (column.kind != "plain" or pa.types.is_string(field.type)):
        return _same
    if not plain:
        return _cast_parser(column, kind)
    if pa.types.is_boolean(field.type):
        return lambda texts: pc.equal(texts, "t")
    if pa.types.is_binary(field.type):
        return _bytes
    if pa.types.is_time(field.type):
        return _times
    numbers = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    if numbers or pa.types.is_temporal(field.type):
        return lambda texts: texts.cast(field.type)
    return None


def _cast_parser(column: Column, kind: str) -> Parse | None:
    """Say how to parse a column that a table read casts."""
    cast = column.sql.removeprefix(quoted(column.name))
    if cast == "::text" and kind in _SAME_TEXT:
        return _same
    if kind == "numeric" and cast == "::float8":
        return lambda texts: texts.cast(pa.float64())
    if kind == "oid" and cast == "::int8":
        return lambda texts: texts.cast(pa.int64())
    return None


def _same(texts: pa.Array) -> pa.Array:
    return texts


def _times(texts: pa.Array) -> pa.Array:
    """Parse times of day, which Arrow reads only behind a date."""
    moments = pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp("us"))
    return moments.cast(pa.time64("us"))


def _bytes(texts: pa.Array) -> pa.Array:
    values = [None if v is None else bytes.fromhex(v.removeprefix("\\x")) for v in _each(texts)]
    return pa.array(values, pa.binary())
