"""One load into a SQL database: what is durable when, and what becomes visible together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import CheckResult, LoadReport, SchemaChange
from airflow_provider_spotify.core.sinks.base import Load, LoadSpec, Progress
from airflow_provider_spotify.core.sinks.sql.audit import judge
from airflow_provider_spotify.core.sinks.sql.beginning import begin, moves_cursor, plan_of
from airflow_provider_spotify.core.sinks.sql.buffer import Buffer
from airflow_provider_spotify.core.sinks.sql.ledger import (
    COMMITTED,
    PARTIAL,
    STAGING,
    Ledger,
    encoded,
)
from airflow_provider_spotify.core.sinks.sql.tables import Tables, staging_tables

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.config.rules import Check
    from airflow_provider_spotify.core.sinks.sql.session import Database, Session


class SqlLoad(Load):
    """A load under way.

    Three ways lead to the table. An ``append`` that nothing may stop writes straight into it, and
    each checkpoint shows what came so far. Everything else goes to a staging table, which
    ``publish`` swaps in (``replace``) or works into the target (``merge``, ``scd2``, ``append``).
    A database whose transactions keep nobody waiting holds one open from checkpoint to checkpoint;
    in the other kind rows wait in memory, and overflow into staging.

    :param lock: held already; released when the load is left
    """

    def __init__(
        self, spec: LoadSpec, *, database: Database, lock: AbstractContextManager[None]
    ) -> None:
        self._spec = spec
        self._database = database
        self._lock = lock
        self._session: Session | None = None
        self._buffer = Buffer(
            database.dialect, key=spec.write.key if spec.write.mode in ("merge", "scd2") else ()
        )
        self._changes: list[SchemaChange] = []
        self._broken = False
        with database.transaction() as session:
            ledger, tables = self._ledger(session), Tables(session, spec)
            session.prepare()
            ledger.create()
            self._start = begin(ledger, spec, tables)
            self._replays = tables.waiting() if spec.run.replay else set()
        self._record = self._start.record
        self._staged, self._staged_rejects = self._start.staged, self._start.staged_rejects
        self.since, self.before = self._start.since, self._start.before
        self.done = self._start.done
        self.schema = self._start.done.schema

    @property
    def full(self) -> bool:
        """Say whether half of what may wait in memory does, and a checkpoint would empty it.

        Measured 2026-11-22 on DuckDB, 4.2 M rows: 3.0 s where every checkpoint came in time, 6.0 s
        where rows overflowed into staging before each.
        """
        if self._database.keeps_open or not moves_cursor(self._spec):
            return False
        return self._buffer.bytes * 2 >= self._database.buffer_bytes

    @property
    def refused(self) -> int:
        """How many rows this attempt found that the database cannot hold; they are rejected."""
        return self._buffer.refused

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows; put what has gathered into a table once it is much."""
        self._buffer.add(batch)
        self._overflow()

    def reject(self, batch: pa.RecordBatch) -> None:
        """Take rejected records."""
        self._buffer.reject(batch)
        self._overflow()

    def checkpoint(self, progress: Progress) -> None:
        """Make everything taken so far durable.

        A load that could not resume has nothing to gain from it and does nothing; nor does one
        whose last transaction failed, because rows that it had taken are lost to this attempt.
        """
        if self._broken or not moves_cursor(self._spec):
            return
        with self._work() as session:
            if self._start.direct:
                self._show(session, progress)
            else:
                self._keep(session, progress)

    def audit(self, check: Check) -> CheckResult:
        """Judge ``unique`` over the table as it would be after publishing."""
        with self._work(ends=not self._database.keeps_open) as session:
            self._flush(session, visible=False)
            self._note(session)
            superseded = self._superseded(self._ledger(session))
            return judge(check, session, tables=Tables(session, self._spec), superseded=superseded)

    def publish(self, progress: Progress, report: LoadReport) -> Sequence[SchemaChange]:
        """Make the load visible: rows, rejects, cursor and ledger in one transaction."""
        with self._work() as session:
            ledger, tables = self._ledger(session), Tables(session, self._spec)
            superseded = self._superseded(ledger)
            self._flush(session, visible=True)
            if not self._start.direct:
                self._changes += tables.publish(superseded)
            tables.publish_rejects(self._buffer, self._obsolete(ledger, superseded))
            tables.replayed(self._replays)
            tables.discard()
            self._tidy(session)
            ledger.supersede(superseded - {self._spec.load_id})
            self._commit(ledger, progress, report)
            self._buffer.clear()
        return self._changes

    def abandon(self) -> None:
        """Discard what waits and what is staged; what is visible already stays."""
        self._undo()
        self._buffer.clear()
        with self._database.transaction() as session:
            Tables(session, self._spec).discard()
            record = self._ledger(session).find(self._spec.load_id)
            if record is None or record.progress is None:
                return
            if record.status == STAGING:
                self._ledger(session).forget(record.load_id)
            else:
                kept = plan_of(self._spec) if record.status == PARTIAL else None
                self._ledger(session).save(record._replace(progress=kept))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._undo()
        self._lock.__exit__(None, None, None)
        self._database.close()

    # ── transactions ─────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _work(self, *, ends: bool = True) -> Iterator[Session]:
        """Yield the open transaction, or a new one; commit it at the end if it ``ends`` here.

        :raises TransientError: if an earlier transaction of this load failed
        """
        if self._broken:
            raise TransientError(
                f"load {self._spec.load_id} of {self._spec.import_name} failed before; run it again"
            )
        try:
            session = self._session = self._session or self._database.begin()
            yield session
            if ends:
                session.commit()
                self._session = None
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        """Roll back; what the transaction had taken from the buffer is gone."""
        self._broken = True
        if self._session is not None:
            self._session.rollback()
            self._session = None

    def _overflow(self) -> None:
        if self._buffer.bytes < self._database.buffer_bytes:
            return
        with self._work(ends=not self._database.keeps_open) as session:
            self._flush(session, visible=False)
            self._note(session)

    # ── inside a transaction ─────────────────────────────────────────────────────────────────

    def _ledger(self, session: Session) -> Ledger:
        spec = self._spec
        return Ledger(
            session,
            tenant=spec.tenant,
            import_name=spec.import_name,
            partition=spec.run.partition,
        )

    def _flush(self, session: Session, *, visible: bool) -> None:
        """Put buffered rows into their table; ``visible`` says that they may be seen afterwards.

        Rejects stay in the buffer if they may be seen: they have a table of their own.
        """
        tables = Tables(session, self._spec)
        if self._start.direct and (visible or self._database.keeps_open):
            self._changes += tables.append(self._buffer)
            self._staged = 0
        else:
            tables.stage(self._buffer, first=self._staged)
            self._staged += self._buffer.count
        if not visible:
            tables.stage_rejects(self._buffer, first=self._staged_rejects)
            self._staged_rejects += sum(batch.num_rows for batch in self._buffer.rejected)
        self._buffer.clear(rejects=not visible)

    def _note(self, session: Session) -> None:
        """See to it that a load which left something staged has a row in the ledger."""
        if self._record.progress is None and not self._database.keeps_open:
            self._save(session, progress=plan_of(self._spec))

    def _save(self, session: Session, **changes: Any) -> None:
        record = self._record._replace(**changes)
        if record.status == STAGING:
            record = record._replace(cursor_before=self._start.before)
        self._ledger(session).save(record)
        self._record = record

    def _show(self, session: Session, progress: Progress) -> None:
        """Make what came so far visible, with the cursor behind it."""
        self._flush(session, visible=True)
        Tables(session, self._spec).publish_rejects(self._buffer, ())
        self._staged_rejects = 0
        self._buffer.clear()
        self._tidy(session)
        self._save(
            session,
            status=PARTIAL,
            progress=plan_of(self._spec) | {"newest": dict(progress.newest)},
            rows=self._rows,
            rejected=progress.rejected + self.refused,
            cursor_before=self._start.before,
            cursor_after=progress.cursor if progress.cursor is not None else self.since,
            schema=encoded(progress.schema),
        )

    def _keep(self, session: Session, progress: Progress) -> None:
        """Make what came so far durable in staging."""
        self._flush(session, visible=False)
        start = self._start
        staged = {
            "rows": self._rows,
            "visible": start.done.rows - start.staged,
            "rejected": progress.rejected + self.refused,
            "rejects": self._staged_rejects,
            "cursor": progress.cursor,
            "newest": dict(progress.newest),
            "schema": encoded(progress.schema),
            "before": start.before,
            "replaces": start.replaces,
        }
        self._save(session, progress=plan_of(self._spec) | {"staged": staged})

    @property
    def _rows(self) -> int:
        return self._start.done.rows + self._buffer.taken

    def _superseded(self, ledger: Ledger) -> set[int]:
        """Return the loads whose rows and rejects give way to those of this one."""
        start, own = self._start, self._spec.load_id
        if start.direct or start.replaces == "nothing":
            return set()
        if start.replaces == "itself":
            return {own}
        after = None if start.replaces == "all" else start.record.sequence
        return {record.load_id for record in ledger.visible(after=after)} | {own}

    def _obsolete(self, ledger: Ledger, superseded: set[int]) -> set[int]:
        """Return the loads whose rejects give way: of a table that is replaced, all of them.

        Everything was read again, so what is still wrong was rejected again. In the ledger those
        loads stay committed: the history of row counts is theirs.
        """
        if plan_of(self._spec)["mode"] != "replace":
            return superseded
        return superseded | {record.load_id for record in ledger.visible()}

    def _tidy(self, session: Session) -> None:
        """End other loads of this import that stopped half-way: they can no longer go on.

        What they had made visible stays, and counts as committed; what was staged goes.
        """
        ledger = self._ledger(session)
        own, moves = self._spec.load_id, moves_cursor(self._spec)
        for record in ledger.unfinished(but=own, moves_cursor=moves):
            for table in staging_tables(record.load_id):
                session.drop(table)
            if record.status == STAGING:
                ledger.forget(record.load_id)
            else:
                ledger.save(record._replace(status=COMMITTED, progress=None))

    def _commit(self, ledger: Ledger, progress: Progress, report: LoadReport) -> None:
        spec, before = self._spec, self._start.before
        reached = before
        if moves_cursor(spec):
            reached = progress.cursor if progress.cursor is not None else self.since
        ledger.save(
            self._record._replace(
                sequence=ledger.next_sequence(),
                table=spec.table,
                mode=plan_of(spec)["mode"],
                status=COMMITTED,
                rows=self._rows,
                rejected=progress.rejected + self.refused,
                bytes=report.bytes,
                cursor_before=before,
                cursor_after=reached,
                schema=encoded(progress.schema),
                started_at=spec.started_at,
                finished_at=datetime.now(UTC),
                progress=None,
                report=report.model_dump_json(),
            )
        )
