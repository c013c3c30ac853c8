"""The parts of one load: which are held, whether they still fit together, and their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import Part
from airflow_provider_spotify.core.sinks._parts import named, require_held, summed, whole_id
from airflow_provider_spotify.core.sinks.base import LoadSpec, Progress
from airflow_provider_spotify.core.sinks.sql.beginning import (
    Beginning,
    afresh,
    moves_cursor,
    plan_of,
    progress_of,
)
from airflow_provider_spotify.core.sinks.sql.ledger import HELD, PART, PUBLISHED, Ledger, Record
from airflow_provider_spotify.core.sinks.sql.staged import staging_tables
from airflow_provider_spotify.core.sinks.sql.tables import restored

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.session import Session

AT_ONCE = 50
"""How many parts are dropped in one transaction: a server has room for so many locks only.

PostgreSQL by default for 6,400, and a dropped part takes six (max_locks_per_transaction,
https://www.postgresql.org/docs/current/runtime-config-locks.html).
"""
_PATIENCE = timedelta(days=7)
"""How long parts of a window wait for the others while other windows are loaded."""


def lock_name(spec: LoadSpec, *, part: Part | None) -> str:
    """Return the name by which loads exclude each other; each part has its own."""
    names = [spec.tenant, spec.import_name]
    if spec.run.partition is not None:
        names.append(spec.run.partition)
    if part is not None:
        names.append(f"part {part.number} of {part.of}")
    return ".".join(names)


def remembered(spec: LoadSpec, start: Beginning) -> dict[str, Any]:
    """Return what the ledger remembers of a load under way: its intent, and whose part it is."""
    plan = plan_of(spec)
    if spec.run.part is None:
        return plan
    part = spec.run.part.model_dump() | {"whole": whole_id(spec)}
    return plan | {"part": part, "committed": start.committed}


class Parts:
    """The parts of a load, in one transaction."""

    def __init__(self, session: Session, *, ledger: Ledger, spec: LoadSpec) -> None:
        self._session = session
        self._ledger = ledger
        self._spec = spec

    def begin(self) -> tuple[Beginning, list[Record]]:
        """Start the load that publishes held parts; return them as well, in their order.

        :raises ConfigurationError: if a part is not held
        """
        spec = self._spec
        start = afresh(self._ledger, spec, found=self._ledger.find(spec.load_id))
        found = self._ledger.among(spec.parts)
        if any(record.progress and record.progress.get("given_up") for record in found.values()):
            return start, []
        records = self._held(found)
        progress = [self.progress(record) for record in records]
        done = summed(progress, since=start.since)
        if done.schema is None:
            done = done._replace(schema=start.done.schema)
        rejects = sum(record.progress["staged"]["rejects"] for record in records if record.progress)
        return start._replace(done=done, staged_rejects=rejects, direct=False), records

    @staticmethod
    def progress(record: Record) -> Progress:
        """Return what a held part made durable."""
        assert record.progress is not None
        return progress_of(record.progress["staged"])

    def _held(self, found: dict[int, Record]) -> list[Record]:
        """Return the parts in order, if each is held and all that it staged is there."""
        held = {load: record for load, record in found.items() if self._whole(record)}
        require_held(self._spec, held)
        return [held[load] for load in self._spec.parts]

    def _whole(self, record: Record) -> bool:
        if record.status != HELD or record.progress is None:
            return False
        plan = plan_of(self._spec)
        if {name: record.progress.get(name) for name in plan} != plan:
            return False
        staged = record.progress["staged"]
        rows, rejects = staging_tables(record.load_id)
        return restored(self._session, rows, staged["rows"]) and restored(
            self._session, rejects, staged["rejects"]
        )

    def overtaken(self, records: Sequence[Record], start: Beginning) -> bool:
        """Say whether the import went on since a part began, so that they no longer fit."""
        if not records:
            return True
        if not moves_cursor(self._spec):
            return False
        latest = self._ledger.latest()
        committed = latest.cursor_after if latest else None
        return any(
            record.progress is None
            or record.progress["committed"] != committed
            or record.progress["staged"]["before"] != start.before
            for record in records
        )

    def overtaken_error(self) -> TransientError:
        """Return what to raise then."""
        return TransientError(
            f"{self._spec.import_name}: another load was published after the parts of run "
            f"{self._spec.run.run_id!r} began; run the parts again"
        )

    def keep(self, records: Sequence[Record], start: Beginning) -> None:
        """Keep the parts as they were when the load began, until the transaction ends.

        :raises TransientError: if one is being loaded again, or the import went on
        :raises ConfigurationError: if one is no longer held
        """
        for number, before in enumerate(records, 1):
            if not self._claim(before):
                part = named([number], of=len(records))
                raise TransientError(
                    f"{self._spec.import_name}: {part} of run {self._spec.run.run_id!r} is being "
                    "loaded again; publish when it is held"
                )
        found = self._ledger.among(self._spec.parts)
        require_held(self._spec, found)
        changed = [n for n, r in enumerate(records, 1) if found[r.load_id] != r]
        if changed:
            raise TransientError(
                f"{self._spec.import_name}: {named(changed, of=len(records))} of run "
                f"{self._spec.run.run_id!r} changed meanwhile; publish again"
            )
        if self.overtaken(records, start):
            raise self.overtaken_error()

    def discard(self, parts: Sequence[int], *, published: bool) -> None:
        """Drop what parts staged, but for one that is under way again.

        :param published: drop only those whose rows are in the table now
        """
        for record in self._ledger.among(parts).values():
            if published and record.status != PUBLISHED:
                continue
            if self._claim(record):
                self._drop(record)
                self._ledger.forget(record.load_id)

    def give_up(self, record: Record) -> None:
        """Drop a part of another run that can no longer be published, unless it is under way.

        Its row says so to the load that would have published it, until the next load commits.
        """
        assert record.progress is not None
        whole = record.progress["part"]["whole"]
        ours = whole == self._spec.load_id or record.status == PUBLISHED
        if not record.moves_cursor and not ours and _is_recent(record):
            return
        if not self._claim(record):
            return
        self._drop(record)
        if record.status == PUBLISHED or record.progress.get("given_up"):
            self._ledger.forget(record.load_id)
            return
        progress = {name: v for name, v in record.progress.items() if name != "staged"}
        given_up = record._replace(status=PART, progress=progress | {"given_up": True})
        self._ledger.update(given_up, before=record)

    def _claim(self, record: Record) -> bool:
        assert record.progress is not None
        part = record.progress["part"]
        name = lock_name(self._spec, part=Part(number=part["number"], of=part["of"]))
        return self._session.claim(name)

    def _drop(self, record: Record) -> None:
        for table in staging_tables(record.load_id):
            self._session.drop(table)


def _is_recent(record: Record) -> bool:
    return record.started_at is not None and datetime.now(UTC) - record.started_at < _PATIENCE
