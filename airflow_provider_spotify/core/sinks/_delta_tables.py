"""The tables of one load into Delta, each reached by one commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.model import LOAD_ID, SchemaChange
from airflow_provider_spotify.core.sinks._delta_plans import (
    Append,
    DeltaPublication,
    Merge,
    Plan,
    Replace,
    Rewrite,
    Version,
)
from airflow_provider_spotify.core.sinks._delta_rejects import DeltaRejected
from airflow_provider_spotify.core.sinks.base import LoadSpec
from airflow_provider_spotify.core.sinks.sql.evolution import conform, difference, evolve, wanted
from airflow_provider_spotify.core.sinks.sql.statements import load_column
from airflow_provider_spotify.core.sinks.sql.tables import Tables

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks._delta_session import DeltaSession
    from airflow_provider_spotify.core.sinks._delta_staging import Staging
    from airflow_provider_spotify.core.sinks.sql.buffer import Buffer
    from airflow_provider_spotify.core.sinks.sql.dialect import Column

_COPY = "_rewritten"


class DeltaTables(Tables):
    """The tables of one load, in one transaction, which holds a plan until it commits."""

    _session: DeltaSession

    def __init__(self, session: DeltaSession, spec: LoadSpec, *, staging: Staging) -> None:
        super().__init__(session, spec)
        self._files = staging
        self.rejected = DeltaRejected(
            session, table=spec.table, staged=self.staged.rejects, load_id=self._owner
        )

    def append(self, buffer: Buffer, *, first: int, staged: bool) -> list[SchemaChange]:
        """Add buffered rows from memory, or with those that had to be staged."""
        session, dialect = self._session, self._dialect
        if staged:
            self.stage(buffer, first=first)
            return self._publish_staged()
        if not buffer.rows:
            return []
        rows, columns = (
            list(buffer.rows),
            wanted(buffer.rows, dialect=dialect, known=session.columns(self.target)),
        )
        changes = evolve(session, self.target, columns=columns, tail=[load_column(dialect)])

        def batches(columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
            return (self._loaded(batch, columns) for batch in rows)

        session.plan(self.target, Append(batches))
        return changes

    def merge(self, buffer: Buffer, *, first: int, staged: bool) -> list[SchemaChange]:
        """Work buffered rows into the target, by way of a file."""
        if not (staged or buffer.rows):
            return []
        self.stage(buffer, first=first)
        return self._publish_staged()

    def publish(self, superseded: Collection[int]) -> list[SchemaChange]:
        """Plan how the staged rows reach the target, in the place of those of superseded loads."""
        columns, session = self.staged.columns(), self._session
        if self.mode == "replace":
            return self._replace(columns)
        there = bool(session.columns(self.target))
        unversions = self.mode == "scd2" and superseded and there and self._takes_back()
        if not self.staged.present():
            if there and superseded and self.mode == "append":
                session.plan(self.target, Append(self._staged_rows, superseded=superseded))
            elif unversions:
                session.plan(self.target, self._rewrite({}, superseded))
            return []
        changes = self._shape(columns)
        session.plan(self.target, self._planned(columns, superseded if there else (), unversions))
        return changes

    def _takes_back(self) -> bool:
        return not self._spec.run.full_refresh and not self._spec.run.window

    def _planned(
        self, columns: Mapping[str, Column], superseded: Collection[int], unversions: object
    ) -> Plan:
        if self.mode == "append":
            return Append(self._staged_rows, superseded=superseded)
        if unversions:
            return self._rewrite(columns, superseded)
        if self.mode == "merge":
            return Merge(self._work(columns))
        return Version(self._work(columns), at=self._spec.started_at.isoformat())

    def _work(self, columns: Mapping[str, Column]) -> Callable[[], DeltaPublication]:
        """Return what makes the publication anew, whatever the transaction has dropped by then."""
        source, deletes = self.staged.relation(), self.staged.deletes()

        def make() -> DeltaPublication:
            publication = self._publication(columns, source=source, deletes=deletes)
            assert isinstance(publication, DeltaPublication)
            return publication

        return make

    def _rewrite(self, columns: Mapping[str, Column], superseded: Collection[int]) -> Plan:
        """Take versions back and open others, on a copy of the table in the engine."""
        source = self.staged.relation() if columns else ""

        def compute(session: DeltaSession) -> str:
            session.copy(self.target, to=_COPY)
            known = columns or session.columns(self.target)
            work = self._publication(known, source=source, deletes=False)
            work.target = _COPY
            work.unversion(superseded)
            if columns:
                work.version(self._spec.started_at)
            return f"SELECT * FROM {session.name(_COPY)}"

        return Rewrite(compute)

    def _replace(self, columns: Mapping[str, Column]) -> list[SchemaChange]:
        """Plan to put the staged rows in the place of the target's, columns and all."""
        session, before = self._session, self._session.columns(self.target)
        if not columns:
            if before:
                session.plan(self.target, Replace(self._staged_rows))
            return []
        tail = load_column(self._dialect)
        shape = {**columns, self._dialect.fold(LOAD_ID): tail}
        session.create(self.target, columns=[*shape.values()])
        session.plan(self.target, Replace(self._staged_rows))
        return difference(before, shape)

    def _staged_rows(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Yield the staged rows in order, with exactly these columns."""
        for table in self.staged.tables:
            for batch in self._files.batches(table):
                yield self._loaded(batch, columns)

    def _loaded(self, batch: pa.RecordBatch, columns: Iterable[Column]) -> pa.RecordBatch:
        rows = conform(batch, columns=[*columns], dialect=self._dialect)
        place = rows.schema.names.index(LOAD_ID)
        load = pa.repeat(pa.scalar(self._owner, pa.int64()), rows.num_rows)
        return rows.set_column(place, LOAD_ID, load)
