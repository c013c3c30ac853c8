"""What a load holds in memory until it goes into a table: rows, and records it had to refuse."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA, rejects
from airflow_provider_spotify.core.sinks.sql.dialect import Dialect, Refusal
from airflow_provider_spotify.core.sinks.sql.nested import marked, rows_as_json
from airflow_provider_spotify.core.sinks.sql.statements import DELETED, RESERVED

STAGE = "destination"
"""The stage of a record that the destination itself cannot hold; it is as privacy left it."""


class Buffer:
    """Rows and rejected records that wait.

    ``taken`` and ``refused`` count the rows of the whole attempt, ``count`` and ``bytes`` what
    waits now.

    :param key: columns in which every row needs a value
    :param deleted: the column, not stored, that says which rows take others away
    """

    def __init__(self, dialect: Dialect, *, key: Sequence[str], deleted: str | None = None) -> None:
        self._dialect = dialect
        self._deleted = None if deleted is None else dialect.fold(dialect.fit(deleted))
        self._key = {dialect.fold(dialect.fit(name)) for name in key}
        self.rows: list[pa.RecordBatch] = []
        self.rejected: list[pa.RecordBatch] = []
        self.bytes = 0
        self.count = 0
        self.taken = 0
        self.refused = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows under names that the database has, leaving out those it cannot hold.

        :raises DataError: if a column has a name that only a load may give, or if the one that
            says what is deleted is not boolean
        """
        batch = self._held(self._dialect.prepare(marked(self._named(batch))))
        if self._deleted is not None:
            batch = self._deletes(batch, self._deleted)
        self.rows.append(batch)
        self.bytes += batch.nbytes
        self.count += batch.num_rows
        self.taken += batch.num_rows

    def reject(self, batch: pa.RecordBatch) -> None:
        """Take rejected records."""
        columns = [self._dialect.text(batch.column(name)) for name in REJECTED_SCHEMA.names]
        self.rejected.append(pa.RecordBatch.from_arrays(columns, schema=REJECTED_SCHEMA))
        self.bytes += batch.nbytes

    def clear(self, *, rejects: bool = True) -> None:
        """Forget what is in a table now: the rows, and the rejects unless they wait on."""
        self.rows, self.bytes, self.count = [], 0, 0
        if rejects:
            self.rejected = []

    def _named(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        names = [self._dialect.fit(name) for name in batch.schema.names]
        if taken := RESERVED & {self._dialect.fold(name) for name in names}:
            raise DataError(
                f"column {min(taken)!r} belongs to the loads themselves; exclude it in the "
                "contract, or give it another name there with source_name"
            )
        return batch if names == batch.schema.names else batch.rename_columns(names)

    def _held(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that can be stored; keep the others as rejected records."""
        refused: pa.Array | None = None
        for refusal in [*self._keyless(batch), *self._dialect.values(batch)]:
            fresh = refusal.mask if refused is None else pc.and_not(refusal.mask, refused)
            self._refuse(batch.filter(fresh), refusal)
            refused = refusal.mask if refused is None else pc.or_(refused, refusal.mask)
        return batch if refused is None else batch.filter(pc.invert(refused))

    def _deletes(self, batch: pa.RecordBatch, deleted: str) -> pa.RecordBatch:
        """Return the batch with what is deleted under the name that staging has for it."""
        flags = pa.repeat(pa.scalar(False), batch.num_rows)
        for number, name in enumerate(batch.schema.names):
            if self._dialect.fold(name) == deleted:
                flags = _flags(batch.column(number), name)
                batch = batch.remove_column(number)
                break
        return batch.append_column(DELETED, flags)

    def _refuse(self, batch: pa.RecordBatch, refusal: Refusal) -> None:
        if not batch.num_rows:
            return
        self.refused += batch.num_rows
        self.reject(
            rejects(
                rows_as_json(batch).to_pylist(),
                stage=STAGE,
                reason=[refusal.reason] * batch.num_rows,
                column=[refusal.column] * batch.num_rows,
            )
        )

    def _keyless(self, batch: pa.RecordBatch) -> list[Refusal]:
        """Find rows that miss a value of the key: they could never be found again."""
        return [
            Refusal(pc.is_null(column), name, f"{name} is part of the key and has no value")
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
            if self._dialect.fold(name) in self._key and column.null_count
        ]


def _flags(column: pa.Array, name: str) -> pa.Array:
    if not (pa.types.is_boolean(column.type) or pa.types.is_null(column.type)):
        raise DataError(
            f"column {name!r} says which rows are deleted (write.deleted), but it is "
            f"{column.type}, not boolean; declare it as boolean in the contract"
        )
    return pc.fill_null(column.cast(pa.bool_()), False)
