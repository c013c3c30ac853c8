"""The columns of a resource, as data: name, type, where the value stands, what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal[
    "string",
    "text",
    "bigint",
    "double",
    "boolean",
    "timestamp",
    "timestamp[s]",
    "timestamp[ms]",
    "date",
    "json",
    "list<string>",
    "list<named>",
]
"""``text`` takes whatever comes, texts as they are and all else as JSON, for values that are typed
by whoever sent them. ``timestamp`` is microseconds in UTC, from ISO 8601 text, or from seconds or
milliseconds since 1970 where it says so; ``date`` from ``YYYY-MM-DD`` or ``YYYYMMDD``; ``bigint``,
``double`` and the two since 1970 take numbers and numerals; ``boolean`` also ``0``/``1`` and
``"true"``; ``json`` is a nested value as JSON text; ``list<named>`` a list of structs with id and
name."""


class Column(NamedTuple):
    """One column of a resource.

    :param path: where its value stands: names joined by dots in the object, alternatives by
        ``|``, a list's element by its number; ``@name`` is something the request knew
    :param doc: what it means, with its unit
    """

    name: str
    type: ColumnType
    path: str
    doc: str


def arrow_type(name: ColumnType) -> pa.DataType:
    """Return the Arrow type of a column type."""
    import pyarrow as pa

    named = pa.struct([("id", pa.string()), ("name", pa.string())])
    instant = pa.timestamp("us", "UTC")
    return {
        "string": pa.string(),
        "text": pa.string(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": instant,
        "timestamp[s]": instant,
        "timestamp[ms]": instant,
        "date": pa.date32(),
        "json": pa.string(),
        "list<string>": pa.list_(pa.string()),
        "list<named>": pa.list_(named),
    }[name]
