"""The table of rejected records of one load's target, and the staging of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC as UTC_ZONE
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA
from airflow_provider_spotify.core.sinks.sql.evolution import evolve
from airflow_provider_spotify.core.sinks.sql.statements import SEQUENCE, remove, sequence_column
from airflow_provider_spotify.core.sinks.sql.types import UTC

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect
    from airflow_provider_spotify.core.sinks.sql.session import Session

REJECTED_AT, REPLAYED_BY = "rejected_at", "replayed_by"


def rejected_table(table: str, dialect: Dialect) -> str:
    """Return the name of the table that holds the rejected records of a table."""
    return dialect.fit(table, suffix="__rejected")


class Rejected:
    """The rejected records of one load, in one transaction.

    :param staged: where they wait: one table, or one for each part
    :param load_id: the load that they are said to be of
    """

    def __init__(
        self, session: Session, *, table: str, staged: Sequence[str], load_id: int
    ) -> None:
        self._session = session
        self._dialect = session.dialect
        self._table = rejected_table(table, session.dialect)
        self._staged = staged
        self._load_id = load_id

    def waiting(self) -> set[int]:
        """Return the loads of which rejected records wait for a replay."""
        session = self._session
        if not session.columns(self._table):
            return set()
        rows = session.execute(
            f"SELECT DISTINCT {self._dialect.quote(LOAD_ID)} FROM {session.name(self._table)} "
            f"WHERE {self._dialect.quote(REPLAYED_BY)} IS NULL"
        )
        return {int(row[0]) for row in rows}

    def replayed(self, loads: Collection[int]) -> None:
        """Mark the waiting records of these loads as replayed by this one."""
        if loads and self._session.columns(self._table):
            listed = ", ".join(str(load) for load in sorted(loads))
            mark = self._dialect.quote(REPLAYED_BY)
            self._session.execute(
                f"UPDATE {self._session.name(self._table)} SET {mark} = {self._load_id} "
                f"WHERE {mark} IS NULL AND {self._dialect.quote(LOAD_ID)} IN ({listed})"
            )

    def stage(self, batches: Sequence[pa.RecordBatch], *, first: int) -> None:
        """Keep records until the load publishes; ``first`` is the number of the first of them."""
        self._keep(self._staged[0], batches, first=first)

    def publish(
        self, batches: Sequence[pa.RecordBatch], *, superseded: Collection[int], staged: bool
    ) -> None:
        """Make records visible, in the place of those of superseded loads.

        :param staged: some wait in staging, too
        """
        remove(self._session, table=self._table, loads=superseded)
        if staged:
            self._publish_staged()
        self._keep(self._table, batches)

    def _publish_staged(self) -> None:
        session, columns = self._session, _columns(self._dialect)
        names = self._dialect.names(columns)
        for table in self._staged:
            if session.columns(table):
                evolve(session, self._table, columns=columns)
                session.execute(
                    f"INSERT INTO {session.name(self._table)} ({names}) "
                    f"SELECT {names} FROM {session.name(table)}"
                )
                if len(self._staged) == 1:  # those of parts are dropped with the parts
                    session.drop(table)

    def _keep(
        self, table: str, batches: Sequence[pa.RecordBatch], *, first: int | None = None
    ) -> None:
        if not batches:
            return
        columns = _columns(self._dialect)
        if first is not None:
            columns[SEQUENCE] = sequence_column(self._dialect)
        evolve(self._session, table, columns=columns)
        now = pa.scalar(datetime.now(UTC_ZONE), UTC)
        filled = []
        for batch in batches:
            count = batch.num_rows
            load, none = repeat(self._load_id, count), pa.nulls(count, pa.int64())
            arrays = [*batch.columns, load, pa.repeat(now, count), none]
            if first is not None:
                arrays.append(pa.arange(first, first + count))
                first += count
            names = [column.name for column in columns.values()]
            filled.append(pa.RecordBatch.from_arrays(arrays, names=names))
        self._session.ingest(table, columns=[*columns.values()], batches=filled)


def repeat(load_id: int, count: int) -> pa.Array:
    """Return a column that names one load in every row."""
    return pa.repeat(pa.scalar(load_id, pa.int64()), count)


def _columns(dialect: Dialect) -> dict[str, Column]:
    own = {LOAD_ID: pa.int64(), REJECTED_AT: UTC, REPLAYED_BY: pa.int64()}
    kinds = {field.name: field.type for field in REJECTED_SCHEMA} | own
    return {dialect.fold(name): dialect.column(name, kind) for name, kind in kinds.items()}
