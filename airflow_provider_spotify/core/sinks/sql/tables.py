"""The tables of one load: the target, its rejects, and the staging of both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.model import LOAD_ID, SchemaChange
from airflow_provider_spotify.core.sinks._parts import whole_id
from airflow_provider_spotify.core.sinks.base import LoadSpec
from airflow_provider_spotify.core.sinks.sql.beginning import mode
from airflow_provider_spotify.core.sinks.sql.evolution import conform, difference, evolve, wanted
from airflow_provider_spotify.core.sinks.sql.rejected import Rejected, repeat
from airflow_provider_spotify.core.sinks.sql.staged import Staged, staging_tables
from airflow_provider_spotify.core.sinks.sql.statements import (
    DELETED,
    RESERVED,
    SEQUENCE,
    Publication,
    deleted,
    last_of_key,
    load_column,
    remove,
    sequence_column,
    spelled_key,
    version_columns,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.buffer import Buffer
    from airflow_provider_spotify.core.sinks.sql.dialect import Column
    from airflow_provider_spotify.core.sinks.sql.session import Session


class Tables:
    """The tables of one load, in one transaction. Rows carry the id of the whole load."""

    def __init__(self, session: Session, spec: LoadSpec) -> None:
        self._session = session
        self._dialect = session.dialect
        self._spec = spec
        self._owner = whole_id(spec)
        self.mode = mode(spec)
        self.target = self._dialect.fit(spec.table)
        keyed = self.mode in ("merge", "scd2")
        self.key = [self._dialect.fit(name) for name in spec.write.key] if keyed else []
        self.staging, _ = staging_tables(spec.load_id)
        self.staged = Staged(session, loads=spec.parts or [spec.load_id], ordered=bool(self.key))
        self.rejected = Rejected(
            session, table=spec.table, staged=self.staged.rejects, load_id=self._owner
        )

    # ── staging ──────────────────────────────────────────────────────────────────────────────

    def restore(self, *, rows: int, rejects: int) -> bool:
        """Bring staging back to its last checkpoint; say whether all that it held is there."""
        (staging,), (rejected,) = self.staged.tables, self.staged.rejects
        return restored(self._session, staging, rows) and restored(self._session, rejected, rejects)

    def discard(self) -> None:
        """Drop what this load itself has staged; parts are dropped one by one."""
        for table in staging_tables(self._spec.load_id):
            self._session.drop(table)

    def stage(self, buffer: Buffer, *, first: int) -> None:
        """Put the buffered rows into staging; ``first`` is the number of the first of them."""
        session, dialect = self._session, self._dialect
        if not buffer.rows:
            return
        known = session.columns(self.target) | session.columns(self.staging)
        columns = wanted(buffer.rows, dialect=dialect, known=known)
        ordered = bool(self.key) or not session.keeps_open
        tail = [load_column(dialect), *([sequence_column(dialect)] if ordered else [])]
        scratch = self.mode != "replace" or self._spec.run.part is not None
        evolve(session, self.staging, columns=columns, tail=tail, scratch=scratch)
        present = session.columns(self.staging)
        columns = {name: present[name] for name in columns}
        batches = self._filled(buffer, columns=columns, tail=tail, first=first)
        session.ingest(self.staging, columns=[*columns.values(), *tail], batches=batches)

    def check_key(self) -> None:
        """See that the staged rows have a key.

        :raises DataError: if they lack one of its columns
        """
        if columns := self.staged.columns():
            spelled_key(self.key, columns=columns, dialect=self._dialect, table=self.target)

    # ── the target ───────────────────────────────────────────────────────────────────────────

    def append(self, buffer: Buffer, *, first: int, staged: bool) -> list[SchemaChange]:
        """Put buffered rows straight into the target, after those that had to be staged."""
        session, dialect = self._session, self._dialect
        changes = self._publish_staged() if staged else []
        if not buffer.rows:
            return changes
        columns = wanted(buffer.rows, dialect=dialect, known=session.columns(self.target))
        tail = [load_column(dialect)]
        changes += evolve(session, self.target, columns=columns, tail=tail)
        present = session.columns(self.target)
        columns = {name: present[name] for name in columns}
        batches = self._filled(buffer, columns=columns, tail=tail, first=0)
        session.ingest(self.target, columns=[*columns.values(), *tail], batches=batches)
        return changes

    def merge(self, buffer: Buffer, *, first: int, staged: bool) -> list[SchemaChange]:
        """Work buffered rows into the target, together with those that had to be staged."""
        session, dialect = self._session, self._dialect
        if staged:
            self.stage(buffer, first=first)
            return self._publish_staged()
        if not buffer.rows:
            return []
        brought = wanted(buffer.rows, dialect=dialect, known=session.columns(self.target))
        fresh = not session.columns(self.target)
        changes = self._shape(_own(brought))
        tail = [load_column(dialect), sequence_column(dialect)]
        present = session.columns(self.target)
        lent = {name: present.get(name, column) for name, column in brought.items()}
        batches = self._filled(buffer, columns=lent, tail=tail, first=0)
        source = session.lend(columns=[*lent.values(), *tail], batches=batches)
        publication = self._publication(
            _own(lent), source=source, deletes=dialect.fold(DELETED) in lent
        )
        publication.merge()
        if fresh:
            session.keyed(self.target, key=publication.key)
        return changes

    def _publish_staged(self) -> list[SchemaChange]:
        changes = self.publish([])
        self._session.drop(self.staging)
        return changes

    def publish(self, superseded: Collection[int]) -> list[SchemaChange]:
        """Move the staged rows into the target, in the place of those of superseded loads."""
        columns = self.staged.columns()
        if self.mode == "replace":
            return self._replace(columns)
        self._give_way(superseded)
        if not self.staged.present():
            return []
        fresh = not self._session.columns(self.target)
        changes = self._shape(columns)
        if self.key:
            self.staged.settle()
        publication = self._publication(
            columns, source=self.staged.relation(), deletes=self.staged.deletes()
        )
        if self.mode == "append":
            publication.append()
        elif self.mode == "merge":
            publication.merge()
        else:
            publication.version(self._spec.started_at)
        if fresh and self.key:
            self._session.keyed(self.target, key=publication.key)
        return changes

    def _shape(self, columns: Mapping[str, Column]) -> list[SchemaChange]:
        """Make the target able to hold these columns, and keep others out where keys decide."""
        if self.key:
            spelled_key(self.key, columns=columns, dialect=self._dialect, table=self.target)
        changes = evolve(self._session, self.target, columns=columns, tail=self._tail())
        if self.key:
            self._session.guard(self.target)
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
            self._publication(present, source="", deletes=False).unversion(superseded)

    def _replace(self, columns: Mapping[str, Column]) -> list[SchemaChange]:
        """Put staging in the place of the target; without a staging the target becomes empty."""
        session, before = self._session, self._session.columns(self.target)
        if not columns:
            if before:
                session.execute(f"DELETE FROM {session.name(self.target)}")
            return []
        if self._spec.parts:
            self._gather(columns)
        if self._dialect.fold(SEQUENCE) in session.columns(self.staging):
            session.omit(self.staging, column=SEQUENCE)
        if session.swap(self.staging, target=self.target):
            return difference(before, session.columns(self.target))
        changes = evolve(session, self.target, columns=columns, tail=self._tail())
        session.execute(f"DELETE FROM {session.name(self.target)}")
        self._publication(columns, source=session.name(self.staging), deletes=False).append()
        session.drop(self.staging)
        return changes

    def _gather(self, columns: Mapping[str, Column]) -> None:
        """Bring the rows of all parts into one staging, which can take the target's place."""
        session, dialect = self._session, self._dialect
        session.drop(self.staging)
        session.create(self.staging, columns=[*columns.values(), load_column(dialect)])
        names = dialect.names(columns)
        session.execute(
            f"INSERT INTO {session.name(self.staging)} ({names}, {dialect.quote(LOAD_ID)}) "
            f"SELECT {names}, {self._owner} FROM {self.staged.relation()} AS s"
        )

    def latest(self) -> str:
        """Return a query, in brackets, for the last staged row of each key, if it is to stay."""
        last = last_of_key(self._dialect, self.staged.relation(), key=self.key)
        if self.staged.deletes():
            last = f"SELECT * FROM ({last}) AS d WHERE NOT {deleted(self._dialect, alias='d')}"
        return f"({last})"

    def _publication(
        self, columns: Mapping[str, Column], *, source: str, deletes: bool
    ) -> Publication:
        return self._session.publication(
            target=self.target,
            source=source,
            columns=columns,
            key=self.key,
            load_id=self._owner,
            deletes=deletes,
        )

    def _filled(
        self,
        buffer: Buffer,
        *,
        columns: Mapping[str, Column],
        tail: Sequence[Column],
        first: int,
    ) -> list[pa.RecordBatch]:
        """Return the buffered rows with exactly these columns, and those that loads add."""
        batches = []
        for batch in buffer.rows:
            rows = conform(batch, columns=[*columns.values()], dialect=self._dialect)
            rows = rows.append_column(LOAD_ID, repeat(self._owner, rows.num_rows))
            if len(tail) > 1:
                order = pa.arange(first, first + rows.num_rows)
                rows = rows.append_column(SEQUENCE, order)
            first += rows.num_rows
            batches.append(rows)
        return batches


def restored(session: Session, table: str, rows: int) -> bool:
    """Cut a staging table to so many rows; say whether they are all there."""
    return session.cut(table, rows=rows)


def _own(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if name not in RESERVED}
