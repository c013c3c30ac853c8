"""What the end of a load means for others: whose rows give way, and what they left half-way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.model import LoadReport
from airflow_provider_spotify.core.sinks.base import LoadSpec, Progress
from airflow_provider_spotify.core.sinks.sql.beginning import Beginning, mode, moves_cursor
from airflow_provider_spotify.core.sinks.sql.ledger import (
    COMMITTED,
    PARTS,
    STAGING,
    Ledger,
    Record,
    encoded,
)
from airflow_provider_spotify.core.sinks.sql.parts import AT_ONCE, Parts
from airflow_provider_spotify.core.sinks.sql.staged import staging_tables

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.session import Session


def superseded(ledger: Ledger, spec: LoadSpec, start: Beginning) -> set[int]:
    """Return the loads whose rows and rejects give way to those of this one."""
    if start.direct or start.replaces == "nothing":
        return set()
    if start.replaces == "itself":
        return {spec.load_id}
    after = None if start.replaces == "all" else start.record.sequence
    return {record.load_id for record in ledger.visible(after=after)} | {spec.load_id}


def obsolete(ledger: Ledger, spec: LoadSpec, gone: set[int]) -> set[int]:
    """Return the loads whose rejects give way: of a table that is replaced, all of them.

    Everything was read again, so what is still wrong was rejected again. In the ledger those
    loads stay committed: the history of row counts is theirs.
    """
    if mode(spec) != "replace":
        return gone
    return gone | {record.load_id for record in ledger.visible()}


def tidy(session: Session, *, ledger: Ledger, spec: LoadSpec) -> None:
    """End other loads of this import that stopped half-way: they can no longer go on.

    What they had made visible stays, and counts as committed; what was staged goes.
    """
    unfinished = ledger.unfinished(but=spec.load_id, moves_cursor=moves_cursor(spec))
    mine = [r for r in unfinished if r.status in PARTS and r.load_id not in spec.parts]
    parts = Parts(session, ledger=ledger, spec=spec)
    for record in mine[:AT_ONCE]:
        parts.give_up(record)
    for record in unfinished:
        if record.status in PARTS:
            continue
        for table in staging_tables(record.load_id):
            session.drop(table)
        if record.status == STAGING:
            ledger.forget(record.load_id)
        else:
            ledger.save(record._replace(status=COMMITTED, progress=None))


def committed(
    record: Record,
    ledger: Ledger,
    spec: LoadSpec,
    start: Beginning,
    *,
    progress: Progress,
    report: LoadReport,
) -> Record:
    """Return the row of the ledger that a load leaves when it commits."""
    reached = start.before
    if moves_cursor(spec):
        reached = progress.cursor if progress.cursor is not None else start.since
    return record._replace(
        sequence=ledger.next_sequence(),
        table=spec.table,
        mode=mode(spec),
        status=COMMITTED,
        bytes=report.bytes,
        cursor_before=start.before,
        cursor_after=reached,
        schema=encoded(progress.schema),
        started_at=spec.started_at,
        finished_at=datetime.now(UTC),
        progress=None,
        report=report.model_dump_json(),
    )
