"""Collects what is wrong with the rows of one batch, and sets those rows aside."""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.rejects import rejects
from airflow_provider_spotify.core.transforms.applied import Applied, locations, records
from airflow_provider_spotify.core.transforms.detect import kind_of

VALUE_DISCARDED = "value discarded"
"""How the reason begins where a row stays and only a value went (``discard_value``)."""
_SHOWN = 40


class Fault(NamedTuple):
    """One thing that is wrong with some rows of a batch.

    :param values: the column as it came, to quote from; None to quote nothing
    :param problem: what is wrong, after the quoted value
    :param discards: only the value goes, the row stays
    """

    mask: pa.BooleanArray
    column: str | None
    problem: str
    values: pa.Array | None = None
    discards: bool = False


def quoted(value: object, *, shape: bool = False) -> str:
    """Quote a value for a message: cut short, and never one that looks like personal data.

    :param shape: show only its shape, with ``9`` for digits and ``a`` for letters
    """
    text = str(value)
    kind = kind_of(text)
    if kind is not None:
        return f"a value that looks like {kind}"
    if shape:
        text = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text))
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f"a value like {cut!r}" if shape else repr(cut)


class Faults:
    """The faults of one batch.

    :param shape: the import has personal columns, so quote no more than the shape of a value
    """

    def __init__(self, original: pa.RecordBatch, *, stage: str, shape: bool = False) -> None:
        self._original = original
        self._stage = stage
        self._shape = shape
        self._found: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Note a fault; a row is reported with the first one that rejects it."""
        self._found.append(fault)

    def split(self, batch: pa.RecordBatch) -> Applied:
        """Return the rows without fault, and a record for every row that has one."""
        if not self._found:
            return Applied(batch, None)
        told: dict[int, Fault] = {}
        gone: set[int] = set()
        for fault in sorted(self._found, key=lambda fault: fault.discards):
            for row in pc.indices_nonzero(pc.fill_null(fault.mask, False)).to_pylist():
                told.setdefault(row, fault)
                if not fault.discards:
                    gone.add(row)
        if not told:
            return Applied(batch, None)
        rows = sorted(told)
        rejected = self._rejected(rows, [told[row] for row in rows])
        return Applied(_without(batch, gone), rejected)

    def _rejected(self, rows: list[int], faults: list[Fault]) -> pa.RecordBatch:
        reasons = [self.reason(row, fault) for row, fault in zip(rows, faults, strict=True)]
        return rejects(
            records(self._original, rows=rows),
            stage=self._stage,
            reason=reasons,
            column=[fault.column for fault in faults],
            location=locations(self._original, rows=rows),
        )

    def reason(self, row: int, fault: Fault) -> str:
        """Say what is wrong with one row."""
        said = fault.problem
        if fault.values is not None:
            value = fault.values[row].as_py() if _readable(fault.values) else "a value"
            said = f"{quoted(value, shape=self._shape)} {said}"
        elif fault.column is not None and said.startswith("is "):
            said = f"a value {said}"
        return f"{VALUE_DISCARDED}: {said}" if fault.discards else said


def _readable(values: pa.Array) -> bool:
    """Nanoseconds need pandas to be shown; do without."""
    return not (pa.types.is_temporal(values.type) and "ns" in str(values.type))


def _without(batch: pa.RecordBatch, gone: set[int]) -> pa.RecordBatch:
    if not gone or batch.num_rows == 0:
        return batch
    keep = [True] * batch.num_rows
    for row in gone:
        keep[row] = False
    return batch.filter(pa.array(keep, pa.bool_()))
