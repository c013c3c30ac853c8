"""The tables of one load: the target, its rejects, and the staging of both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC as UTC_ZONE
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.model import LOAD_ID, SchemaChange
from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA
from airflow_provider_spotify.core.sinks.base import LoadSpec
from airflow_provider_spotify.core.sinks.sql.beginning import mode
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.evolution import conform, difference, evolve, wanted
from airflow_provider_spotify.core.sinks.sql.statements import (
    RESERVED,
    SEQUENCE,
    Publication,
    last_of_key,
    load_column,
    remove,
    sequence_column,
    version_columns,
)
from airflow_provider_spotify.core.sinks.sql.types import UTC

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.buffer import Buffer
    from airflow_provider_spotify.core.sinks.sql.dialect import Dialect
    from airflow_provider_spotify.core.sinks.sql.session import Session

REJECTED_AT, REPLAYED_BY = "rejected_at", "replayed_by"


def rejected_table(table: str, dialect: Dialect) -> str:
    """Return the name of the table that holds the rejected records of a table."""
    return dialect.fit(table, suffix="__rejected")


def staging_tables(load_id: int) -> tuple[str, str]:
    """Return the names of the tables where a load keeps rows and rejects until it publishes."""
    return f"_staging_{load_id}", f"_staging_{load_id}_rejected"


class Tables:
    """The tables of one load, in one transaction."""

    def __init__(self, session: Session, spec: LoadSpec) -> None:
        self._session = session
        self._dialect = session.dialect
        self._spec = spec
        self.mode = mode(spec)
        self.target = self._dialect.fit(spec.table)
        self.rejected = rejected_table(spec.table, self._dialect)
        self.staging, self.staged_rejects = staging_tables(spec.load_id)
        keyed = self.mode in ("merge", "scd2")
        self.key = [self._dialect.fit(name) for name in spec.write.key] if keyed else []

    # ── staging ──────────────────────────────────────────────────────────────────────────────

    def restore(self, *, rows: int, rejects: int) -> bool:
        """Bring staging back to its last checkpoint; say whether all that it held is there."""
        return self._restored(self.staging, rows) and self._restored(self.staged_rejects, rejects)

    def _restored(self, table: str, rows: int) -> bool:
        session, present = self._session, self._session.columns(table)
        if not present:
            return rows == 0
        if self._dialect.fold(SEQUENCE) in present:
            sequence = self._dialect.quote(SEQUENCE)
            session.execute(f"DELETE FROM {session.name(table)} WHERE {sequence} >= {int(rows)}")
        ((found,),) = session.execute(f"SELECT count(*) FROM {session.name(table)}")
        return int(found) == rows

    def discard(self) -> None:
        """Drop what is staged."""
        self._session.drop(self.staging)
        self._session.drop(self.staged_rejects)

    def stage(self, buffer: Buffer, *, first: int) -> None:
        """Put the buffered rows into staging; ``first`` is the number of the first of them."""
        session, dialect = self._session, self._dialect
        if not buffer.rows:
            return
        known = session.columns(self.target) | session.columns(self.staging)
        columns = wanted(buffer.rows, dialect=dialect, known=known)
        ordered = bool(self.key) or not session.keeps_open
        tail = [load_column(dialect), *([sequence_column(dialect)] if ordered else [])]
        scratch = self.mode != "replace"
        evolve(session, self.staging, columns=columns, tail=tail, scratch=scratch)
        self._fill(self.staging, buffer, names=[*columns], tail=tail, first=first)

    def stage_rejects(self, buffer: Buffer, *, first: int) -> None:
        """Put the buffered rejects into their staging; ``first`` numbers the first of them."""
        self._keep_rejects(self.staged_rejects, buffer, first=first)

    # ── the target ───────────────────────────────────────────────────────────────────────────

    def append(self, buffer: Buffer) -> list[SchemaChange]:
        """Put buffered rows straight into the target, after those that had to be staged."""
        session, dialect = self._session, self._dialect
        changes = self.publish([]) if session.columns(self.staging) else []
        session.drop(self.staging)
        if not buffer.rows:
            return changes
        columns = wanted(buffer.rows, dialect=dialect, known=session.columns(self.target))
        tail = [load_column(dialect)]
        changes += evolve(session, self.target, columns=columns, tail=tail)
        self._fill(self.target, buffer, names=[*columns], tail=tail, first=0)
        return changes

    def publish(self, superseded: Collection[int]) -> list[SchemaChange]:
        """Move the staged rows into the target, in the place of those of superseded loads."""
        staged = self._session.columns(self.staging)
        columns = {name: column for name, column in staged.items() if name not in RESERVED}
        if self.mode == "replace":
            return self._replace(columns)
        self._give_way(superseded)
        if not staged:
            return []
        fresh = not self._session.columns(self.target)
        changes = evolve(self._session, self.target, columns=columns, tail=self._tail())
        publication = self._publication(columns)
        if self.mode == "append":
            publication.append()
        elif self.mode == "merge":
            publication.merge()
        else:
            publication.version(self._spec.started_at)
        if fresh and publication.key:
            self._session.keyed(self.target, key=publication.key)
        return changes

    def _tail(self) -> list[Column]:
        """Return the columns that this package adds to every row of the target."""
        versions = version_columns(self._dialect) if self.mode == "scd2" else []
        return [load_column(self._dialect), *versions]

    def _give_way(self, superseded: Collection[int]) -> None:
        """Remove what superseded loads added; merged rows stay until rows of their key come."""
        present = self._session.columns(self.target)
        if not superseded or not present:
            return
        if self.mode == "append":
            remove(self._session, table=self.target, loads=superseded)
        elif self.mode == "scd2" and not self._spec.run.full_refresh and not self._spec.run.window:
            self._publication(present).unversion(superseded)

    def _replace(self, columns: dict[str, Column]) -> list[SchemaChange]:
        """Put staging in the place of the target; without a staging the target becomes empty."""
        session, before = self._session, self._session.columns(self.target)
        if not columns:
            if before:
                session.execute(f"DELETE FROM {session.name(self.target)}")
            return []
        if self._dialect.fold(SEQUENCE) in session.columns(self.staging):
            sequence = self._dialect.quote(SEQUENCE)
            session.execute(f"ALTER TABLE {session.name(self.staging)} DROP COLUMN {sequence}")
        if session.swap(self.staging, target=self.target):
            return difference(before, session.columns(self.target))
        changes = evolve(session, self.target, columns=columns, tail=self._tail())
        session.execute(f"DELETE FROM {session.name(self.target)}")
        self._publication(columns).append()
        return changes

    def latest(self) -> str:
        """Return a query, in brackets, for the last staged row of each key."""
        return f"({last_of_key(self._session, self.staging, key=self.key)})"

    def _publication(self, columns: dict[str, Column]) -> Publication:
        return Publication(
            self._session,
            target=self.target,
            staging=self.staging,
            columns=columns,
            key=self.key,
            load_id=self._spec.load_id,
        )

    def _fill(
        self,
        table: str,
        buffer: Buffer,
        *,
        names: Collection[str],
        tail: Sequence[Column],
        first: int,
    ) -> None:
        """Put the buffered rows into a table that has the columns for them."""
        present = self._session.columns(table)
        columns = [present[name] for name in names]
        batches = []
        for batch in buffer.rows:
            rows = conform(batch, columns=columns, dialect=self._dialect)
            rows = rows.append_column(LOAD_ID, _repeat(self._spec.load_id, rows.num_rows))
            if len(tail) > 1:
                order = pa.arange(first, first + rows.num_rows)
                rows = rows.append_column(SEQUENCE, order)
            first += rows.num_rows
            batches.append(rows)
        self._session.ingest(table, columns=[*columns, *tail], batches=batches)

    # ── rejects ──────────────────────────────────────────────────────────────────────────────

    def waiting(self) -> set[int]:
        """Return the loads of which rejected records wait for a replay."""
        session = self._session
        if not session.columns(self.rejected):
            return set()
        rows = session.execute(
            f"SELECT DISTINCT {self._dialect.quote(LOAD_ID)} FROM {session.name(self.rejected)} "
            f"WHERE {self._dialect.quote(REPLAYED_BY)} IS NULL"
        )
        return {int(row[0]) for row in rows}

    def replayed(self, loads: Collection[int]) -> None:
        """Mark the waiting records of these loads as replayed by this one."""
        if loads and self._session.columns(self.rejected):
            listed = ", ".join(str(load) for load in sorted(loads))
            mark = self._dialect.quote(REPLAYED_BY)
            self._session.execute(
                f"UPDATE {self._session.name(self.rejected)} SET {mark} = {self._spec.load_id} "
                f"WHERE {mark} IS NULL AND {self._dialect.quote(LOAD_ID)} IN ({listed})"
            )

    def publish_rejects(self, buffer: Buffer, superseded: Collection[int]) -> None:
        """Make the rejects of this load visible, in the place of those of superseded loads."""
        session = self._session
        remove(session, table=self.rejected, loads=superseded)
        if session.columns(self.staged_rejects):
            evolve(session, self.rejected, columns=_reject_columns(self._dialect))
            names = self._dialect.names(_reject_columns(self._dialect))
            session.execute(
                f"INSERT INTO {session.name(self.rejected)} ({names}) "
                f"SELECT {names} FROM {session.name(self.staged_rejects)}"
            )
            session.drop(self.staged_rejects)
        self._keep_rejects(self.rejected, buffer)

    def _keep_rejects(self, table: str, buffer: Buffer, *, first: int | None = None) -> None:
        if not buffer.rejected:
            return
        columns = _reject_columns(self._dialect)
        if first is not None:
            columns[SEQUENCE] = sequence_column(self._dialect)
        evolve(self._session, table, columns=columns)
        now = pa.scalar(datetime.now(UTC_ZONE), UTC)
        batches = []
        for batch in buffer.rejected:
            count = batch.num_rows
            load, none = _repeat(self._spec.load_id, count), pa.nulls(count, pa.int64())
            arrays = [*batch.columns, load, pa.repeat(now, count), none]
            if first is not None:
                arrays.append(pa.arange(first, first + count))
                first += count
            names = [column.name for column in columns.values()]
            batches.append(pa.RecordBatch.from_arrays(arrays, names=names))
        self._session.ingest(table, columns=[*columns.values()], batches=batches)


def _repeat(load_id: int, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(load_id, pa.int64()), count)


def _reject_columns(dialect: Dialect) -> dict[str, Column]:
    own = {LOAD_ID: pa.int64(), REJECTED_AT: UTC, REPLAYED_BY: pa.int64()}
    kinds = {field.name: field.type for field in REJECTED_SCHEMA} | own
    return {dialect.fold(name): dialect.column(name, kind) for name, kind in kinds.items()}
