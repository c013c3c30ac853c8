"""Turns JSON objects into typed Arrow rows; what does not fit becomes a rejected record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from airflow_provider_spotify.core.sources.web.columns import Column, ColumnType, arrow_type
from airflow_provider_spotify.core.sources.web.times import parse_time

if TYPE_CHECKING:
    import pyarrow as pa

Json = dict[str, Any]


class Record(NamedTuple):
    """One object of the API.

    :param context: what the request knew: key, position and the like
    :param location: where it stood, for messages
    """

    context: Mapping[str, Any]
    body: Json
    location: str


class Reject(NamedTuple):
    """One record that is not a row, and why."""

    record: Any
    reason: str
    location: str
    column: str | None = None


def schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of a resource."""
    import pyarrow as pa

    return pa.schema([pa.field(c.name, arrow_type(c.type)) for c in columns])


def rows(
    columns: Sequence[Column], records: Sequence[Record]
) -> tuple[pa.RecordBatch, list[Reject]]:
    """Build a batch of the records; one whose value has the wrong type is rejected whole."""
    import pyarrow as pa

    values = [_values(column, records) for column in columns]
    built = [_fitting(column.type, cells) for column, cells in zip(columns, values, strict=True)]
    arrays = [array for array in built if array is not None]
    if len(arrays) == len(columns):
        return pa.RecordBatch.from_arrays(arrays, schema=schema(columns)), []
    bad = {
        row: column
        for column, cells, array in zip(columns, values, built, strict=True)
        if array is None
        for row in _misfits(column, cells)
    }
    good = [row for row in range(len(records)) if row not in bad]
    values = [[cells[row] for row in good] for cells in values]
    arrays = [_array(column.type, cells) for column, cells in zip(columns, values, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema(columns))
    return batch, [_misfit(records[row], column) for row, column in sorted(bad.items())]


def rejected(found: Sequence[Reject]) -> pa.RecordBatch | None:
    """Build a batch of rejected records; None if there are none."""
    from airflow_provider_spotify.core.rejects import rejects

    if not found:
        return None
    return rejects(
        [orjson.dumps(each.record).decode() for each in found],
        stage="source",
        reason=[each.reason for each in found],
        column=[each.column for each in found],
        location=[each.location for each in found],
    )


def _values(column: Column, records: Sequence[Record]) -> list[Any]:
    if column.path.startswith("@"):
        name = column.path[1:]
        return [record.context.get(name) for record in records]
    find = _finder(column.path)
    return [find(record.body) for record in records]


def _finder(path: str) -> Callable[[Json], Any]:
    ways = [way.split(".") for way in path.split("|")]
    if ways == [[path]]:
        return lambda body: body.get(path)
    if len(ways) == 1:
        return lambda body: _walk(body, ways[0])

    def find(body: Json) -> Any:
        return next((v for way in ways if (v := _walk(body, way)) is not None), None)

    return find


def _walk(value: Any, way: Sequence[str]) -> Any:
    for step in way:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _array(kind: ColumnType, cells: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    target = arrow_type(kind)
    if kind == "timestamp":
        return _instants(cells, target)
    if kind == "json":
        texts = [None if cell is None else orjson.dumps(cell).decode() for cell in cells]
        return pa.array(texts, pa.string())
    if kind in ("timestamp[s]", "timestamp[ms]"):
        since = pa.array([_whole(cell) for cell in cells], pa.int64())
        return since.cast(pa.timestamp(kind[10:-1], "UTC")).cast(target)
    try:
        return pa.array(cells, target)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        if kind not in _SPELLED:
            raise
        return pa.array([_SPELLED[kind](cell) for cell in cells], target)


def _instants(cells: Sequence[Any], target: pa.DataType) -> pa.Array:
    """Read times; Arrow reads ISO 8601 at once, other ways of writing are read one by one."""
    import pyarrow as pa

    try:
        return pa.array(cells, pa.string()).cast(target)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([_instant(cell) for cell in cells], target)


def _instant(cell: Any) -> Any:
    time = parse_time(cell)
    if time is None and cell not in (None, ""):
        raise ValueError("not a time")
    return time


def _text(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, str) else orjson.dumps(cell).decode()


def _whole(cell: Any) -> Any:
    return cell if not isinstance(cell, str) else int(cell) if cell else None


def _fraction(cell: Any) -> Any:
    return cell if not isinstance(cell, str) else float(cell) if cell else None


def _truth(cell: Any) -> Any:
    """Read ``0``, ``"1"`` and ``"true"``; an empty text is no value."""
    known = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True, "": None}
    if cell is None or isinstance(cell, bool):
        return cell
    if (lowered := cell.lower() if isinstance(cell, str) else cell) not in known:
        raise ValueError("not a truth value")
    return known[lowered]


def _day(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    return date.fromisoformat(cell) if cell else None


_SPELLED: Mapping[ColumnType, Callable[[Any], Any]] = {
    "text": _text,
    "bigint": _whole,
    "double": _fraction,
    "boolean": _truth,
    "date": _day,
}


def _fitting(kind: ColumnType, cells: Sequence[Any]) -> pa.Array | None:
    """Build an array; None if a cell does not fit."""
    import pyarrow as pa

    try:
        return _array(kind, cells)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _misfits(column: Column, cells: Sequence[Any]) -> list[int]:
    """Return the rows whose cell does not fit."""
    return [row for row, cell in enumerate(cells) if _fitting(column.type, [cell]) is None]


def _misfit(record: Record, column: Column) -> Reject:
    reason = f"{column.name} is not a {column.type}"
    return Reject(record.body, reason, record.location, column.name)
