"""Holds every batch against the agreed columns, and lets the agreement follow the data or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.config.rules import ContractPlan
from airflow_provider_spotify.core.errors import ContractViolation
from airflow_provider_spotify.core.model import SchemaChange
from airflow_provider_spotify.core.transforms.applied import Applied
from airflow_provider_spotify.core.transforms.arrow_types import is_text
from airflow_provider_spotify.core.transforms.columns import Column
from airflow_provider_spotify.core.transforms.faults import Fault, Faults
from airflow_provider_spotify.core.transforms.layout import Layout
from airflow_provider_spotify.core.transforms.parsing import without_empty

DEFERRED = b"deferred"
"""Schema metadata of a batch: columns that exist but have no value, hence no type, yet."""


class Contract:
    r"""The agreed columns of one load. It widens as the load goes on, and never narrows.

    *Names* become snake_case; ``source_name`` renames; ``select`` and ``exclude`` choose.

    *Types* are those declared, else those known, else those of the data. A column without any
    value yet has no type: it is left out of the output, and named in the batch's schema metadata
    (``deferred``), until its first value comes.

    *Values* that do not fit widen the column (``evolve``; a declared type stays and the row is
    rejected), stop the load (``freeze``), set the row aside (``discard_row``) or go alone
    (``discard_value``: the row stays, and a record whose reason begins with "value discarded"
    keeps the original). Where nothing is known before, the first batch makes the agreement.

    *Text* (``textual``): ``""`` and ``\N`` are null everywhere; ``NULL`` and ``null`` are null in
    columns that are not text. Dates that turn into text midway are written in ISO 8601, like
    those before them.

    :param known: the schema as last committed, before privacy
    :param textual: the source gives text only
    :raises ConfigurationError: if a column is declared by a name that is not snake_case
    """

    def __init__(self, plan: ContractPlan, *, known: pa.Schema | None, textual: bool) -> None:
        self._mode = plan.mode
        self._textual = textual
        self._layout = Layout(plan)
        self._columns: dict[str, Column] = {}
        self._changes: list[SchemaChange] = []
        self._open = known is None
        self._shape = any(column.pii for column in plan.columns.values())
        self._recall(plan, known if known is not None else pa.schema([]))
        self._schema = self._drawn()

    def _recall(self, plan: ContractPlan, known: pa.Schema) -> None:
        """Set up the columns that are known, then those that are only declared."""
        declared = plan.columns
        for field in known:
            if not self._layout.keeps(field.name):
                continue
            column = Column.of(field.name, plan=declared.get(field.name), known=field)
            self._columns[field.name] = column
            before = Column.of(field.name, plan=None, known=field)
            if column.type != before.type and before.type is not None:
                self._note(column, "widened", before.kind)
        for name, plan_of in declared.items():
            if name not in self._columns and self._layout.keeps(name):
                self._columns[name] = Column.of(name, plan=plan_of, known=None)
                if not self._open and self._columns[name].type is not None:
                    self._note(self._columns[name], "added", None)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows that ``apply`` returns from now on."""
        return self._schema

    @property
    def agreed(self) -> pa.Schema | None:
        """The schema that the next load starts from; None as long as there was no row.

        Declared columns alone are no agreement: the first rows bring the others.
        """
        return None if self._open else self._schema

    @property
    def changes(self) -> list[SchemaChange]:
        """The steps the schema took since the load began."""
        return list(self._changes)

    def apply(self, batch: pa.RecordBatch) -> Applied:
        """Return the rows that keep the contract, and records of those that do not.

        Every row is in exactly one of the two (``discard_value`` alone reports rows that stay).

        :raises ConfigurationError: if two columns get the same name
        :raises ContractViolation: if the contract is frozen and the data differs
        """
        positions = self._layout.resolve(batch.schema)
        faults = Faults(batch, stage="contract", shape=self._shape)
        if self._is_settled(batch, positions):
            rows = batch
            for column, array in zip(self._typed_columns(), batch.columns, strict=True):
                column.note_width(array)
        else:
            arrays = self._fitted(batch, positions, faults)
            rows = self._rows(arrays, batch, faults)
        self._open = self._open and batch.num_rows == 0
        self._check_required(rows, faults)
        return faults.split(rows)

    def _typed_columns(self) -> list[Column]:
        return [column for column in self._columns.values() if column.type is not None]

    def _drawn(self) -> pa.Schema:
        return pa.schema([column.field for column in self._typed_columns()])

    def _is_settled(self, batch: pa.RecordBatch, positions: Mapping[str, int]) -> bool:
        """Tell whether the batch already is as agreed, so that nothing needs copying."""
        return (
            not self._textual
            and bool(self._schema.names)
            and len(self._typed_columns()) == len(self._columns)
            and batch.schema.equals(self._schema)
            and list(positions) == batch.schema.names
            and not any(column.json for column in self._columns.values())
        )

    def _fitted(
        self, batch: pa.RecordBatch, positions: Mapping[str, int], faults: Faults
    ) -> dict[str, pa.Array]:
        """Bring the batch's columns into the agreed types; redraw the schema."""
        arrays: dict[str, pa.Array] = {}
        for name, position in positions.items():
            array = batch.column(position)
            column = self._column(name, array, faults)
            if column is not None and self._has_type(column, array):
                arrays[name] = self._fit(column, array, faults)
        if self._open:  # the first batch gives the order
            ordered = {name: self._columns[name] for name in positions if name in self._columns}
            self._columns = ordered | self._columns
        self._schema = self._drawn()
        return arrays

    def _column(self, name: str, array: pa.Array, faults: Faults) -> Column | None:
        """Return the agreed column of that name; a new one is taken on only if it may be."""
        if name in self._columns:
            return self._columns[name]
        if self._mode == "evolve" or self._open:
            self._columns[name] = Column(name)
            return self._columns[name]
        filled = _filled(array, textual=self._textual)
        if filled.true_count:
            told = "is in a new column that the contract does not know"
            self._refuse(Fault(filled, name, told, array), faults)
        return None

    def _has_type(self, column: Column, array: pa.Array) -> bool:
        """Give the column a type if it has none yet; False if the data does not show one."""
        if column.type is not None:
            return True
        if not column.settle(array, textual=self._textual):
            return False
        if not self._open:
            self._note(column, "added", None)
        return True

    def _fit(self, column: Column, array: pa.Array, faults: Faults) -> pa.Array:
        fitted = column.fit(array, textual=self._textual)
        if fitted.bad is None:
            return fitted.values
        if not column.declared and (self._mode == "evolve" or self._open):
            before = column.kind
            fitted = column.widen(array, fitted, textual=self._textual)
            if not self._open:
                self._note(column, "widened", before)
        if fitted.bad is not None:
            article = "an" if column.kind == "integer" else "a"
            how = f" in the format {column.format!r}" if column.format else ""
            shown = None if column.personal else array
            fault = Fault(fitted.bad, column.name, f"is not {article} {column.kind}{how}", shown)
            self._refuse(fault, faults)
        return fitted.values

    def _refuse(self, fault: Fault, faults: Faults) -> None:
        """Deal with values that break the contract as its mode says."""
        if self._mode == "freeze":
            row = pc.index(fault.mask, True).as_py()
            said = faults.reason(row, fault)
            raise ContractViolation(
                f"column {fault.column!r}: {said}, and the contract is frozen. Nothing was "
                f"published. Mend the source, or change contract.columns.{fault.column}, "
                f"or set contract.mode to evolve (follow), discard_row or discard_value"
            )
        faults.add(fault._replace(discards=self._mode == "discard_value"))

    def _rows(
        self, arrays: Mapping[str, pa.Array], batch: pa.RecordBatch, faults: Faults
    ) -> pa.RecordBatch:
        """Put the columns in the schema's order, null where the batch has none."""
        count = batch.num_rows
        if not self._schema.names:
            # Arrow cannot say "3 rows of no columns", and nothing would be stored.
            everything = pa.array([True] * count, pa.bool_())
            faults.add(Fault(everything, None, "the row holds no value in any column"))
            return batch.slice(0, 0).select([])
        untyped = [column.name for column in self._columns.values() if column.type is None]
        notes = {DEFERRED: ",".join(untyped).encode()} if untyped else None
        columns = [
            arrays[field.name] if field.name in arrays else pa.nulls(count, field.type)
            for field in self._schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema.with_metadata(notes))

    def _check_required(self, rows: pa.RecordBatch, faults: Faults) -> None:
        for column in self._columns.values():
            if not column.required or rows.num_rows == 0:
                continue
            if column.type is None:
                missing = pa.array([True] * rows.num_rows, pa.bool_())
            else:
                array = rows.column(column.name)
                if array.null_count == 0:
                    continue
                missing = array.is_null()
            if self._mode == "freeze":
                raise ContractViolation(
                    f"column {column.name!r} is required, and {missing.true_count} of "
                    f"{rows.num_rows} rows have no value in it; the contract is frozen. Mend the "
                    f"source, or drop required from contract.columns.{column.name}"
                )
            faults.add(Fault(missing, column.name, "required, but the row has no value"))

    def _note(
        self, column: Column, change: Literal["added", "widened"], before: str | None
    ) -> None:
        step = SchemaChange(column=column.name, change=change, old=before, new=column.kind)
        self._changes.append(step)


def _filled(array: pa.Array, *, textual: bool) -> pa.BooleanArray:
    """Mark the rows that hold a value."""
    if textual and is_text(array.type):
        return without_empty(array.cast(pa.string())).is_valid()
    return array.is_valid()
