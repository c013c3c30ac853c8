"""Cuts a sorted stream of rows only between different values, so that a cut can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class Section(NamedTuple):
    """Rows of a sorted stream.

    :param upto: the greatest value so far; every row with it is in this section or before it
    :param last: no row follows
    """

    rows: pa.RecordBatch
    upto: pa.Scalar | None
    last: bool


def sections(batches: Iterable[pa.RecordBatch], *, by: str) -> Iterator[Section]:
    """Cut batches, sorted by column ``by`` with nulls last, where its value changes.

    Rows that share one value are held together, all nulls too; memory holds the largest such group
    and one batch.
    """
    held: list[pa.RecordBatch] = []
    upto: pa.Scalar | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        start = _last_group(batch.column(by))
        if held and (start or _tail(held[-1], by) != _tail(batch, by)):
            # Rows before the last group close what is held; they may share its value.
            rows = pa.concat_batches([*held, batch.slice(0, start)])
            upto = _greatest(rows, by, upto)
            yield Section(rows, upto, last=False)
            held = []
        elif start:
            rows = batch.slice(0, start)
            upto = _greatest(rows, by, upto)
            yield Section(rows, upto, last=False)
        held.append(batch.slice(start))
    if held:
        rows = pa.concat_batches(held)
        yield Section(rows, _greatest(rows, by, upto), last=True)


def _last_group(column: pa.Array) -> int:
    """Return where the rows begin that share the last row's value."""
    last = column[-1]
    same = column.null_count if not last.is_valid else pc.sum(pc.equal(column, last)).as_py()
    return len(column) - int(same or 0)


def _tail(batch: pa.RecordBatch, by: str) -> pa.Scalar:
    return batch.column(by)[-1]


def _greatest(rows: pa.RecordBatch, by: str, before: pa.Scalar | None) -> pa.Scalar | None:
    known = pc.drop_null(rows.column(by))
    return known[-1] if len(known) else before
