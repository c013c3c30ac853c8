"""Turns the cells of one column into an Arrow array of the type that they have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 2.0**53
"""Up to here a double, which is all that Excel has, holds every integer."""

_TYPES: tuple[tuple[set[type], pa.DataType], ...] = (
    ({str}, pa.string()),
    ({bool}, pa.bool_()),
    ({date}, pa.date32()),
    ({datetime}, pa.timestamp("us")),
    ({time}, pa.time64("us")),
    ({timedelta}, pa.duration("us")),
)


def is_empty(row: Sequence[Any]) -> bool:
    """Say whether no cell of a row has a value."""
    return not any(cell != "" for cell in row)


def column(cells: Sequence[Any]) -> pa.Array:
    """Return cells as an array: of the one type that they have, else of text.

    A whole number is an integer if all numbers around it are, for Excel keeps none.
    """
    values = [None if cell == "" else cell for cell in cells] if "" in cells else cells
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {int, float}:
        return _numbers(pa.array(values, pa.float64()))
    if kinds == {date, datetime}:  # a time at midnight comes as a date
        values = [datetime.combine(v, time()) if type(v) is date else v for v in values]
        kinds = {datetime}
    for members, kind in _TYPES:
        if kinds <= members:
            return pa.array(values, kind)
    return pa.array([None if v is None else spelled(v) for v in values], pa.string())


def _numbers(array: pa.Array) -> pa.Array:
    whole = pc.and_(pc.equal(array, pc.trunc(array)), pc.less_equal(pc.abs(array), _EXACT))
    return array.cast(pa.int64()) if pc.all(whole).as_py() else array


def spelled(cell: Any) -> str:
    """Return a cell as text: 2026 without a point, dates in ISO 8601."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT:
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date | datetime | time) else str(cell)
