"""Rejected records in a Delta table beside the target, added and removed by an intent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC as UTC_ZONE
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.clients.delta import Place, delta_errors, retried
from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.sinks._delta_staging import Staging
from airflow_provider_spotify.core.sinks._delta_types import DIALECT, reader
from airflow_provider_spotify.core.sinks.sql.evolution import conform
from airflow_provider_spotify.core.sinks.sql.rejected import REPLAYED_BY, Rejected, _columns

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks._delta_ledger import Intent
    from airflow_provider_spotify.core.sinks._delta_session import DeltaSession


class DeltaRejected(Rejected):
    """The rejected records of one load; what becomes of them is decided here, done by ``apply``."""

    _session: DeltaSession

    def publish(
        self, batches: Sequence[pa.RecordBatch], *, superseded: Collection[int], staged: bool
    ) -> None:
        """Decide that records become visible, in the place of those of superseded loads."""
        there = bool(self._session.columns(self._table))
        loads = sorted(superseded) if there else []
        present = [table for table in self._staged if staged and self._session.columns(table)]
        if batches:
            count = self._waiting_rows(present)
            own = (
                self._staged[0] if len(self._staged) == 1 else f"_staging_{self._load_id}_rejected"
            )
            self._keep(own, batches, first=count)
            present = [*present, *([] if own in present else [own])]
            self._session.drop(own)
        if loads or present:
            self._note(gone=loads, staged=present)

    def _waiting_rows(self, tables: Sequence[str]) -> int:
        counts = [
            self._session.execute(f"SELECT count(*) FROM {self._session.name(t)}") for t in tables
        ]
        return sum(int(count) for ((count,),) in counts)

    def replayed(self, loads: Collection[int]) -> None:
        """Decide that the waiting records of these loads count as replayed by this one."""
        if loads and self._session.columns(self._table):
            self._note(replayed=sorted(loads))

    def _note(self, **words: object) -> None:
        now = datetime.now(UTC_ZONE).isoformat()
        known = self._session.rejects or {
            "table": self._table,
            "load": self._load_id,
            "at": now,
            "gone": [],
            "staged": [],
            "replayed": [],
        }
        self._session.rejects = known | words


def apply(place: Place, staging: Staging, schema: str, intent: Intent) -> None:
    """Do what was decided, each step once: the table's app transactions say which were done."""
    words = intent.rejects
    assert words is not None
    steps = (schema, words["table"])
    with delta_errors(place.uri(*steps)):
        if words["replayed"]:
            retried(lambda: _mark(place, steps, intent))
        if words["gone"] and not _is_done(place, steps, f"{intent.app}.added", intent.number):
            retried(lambda: _remove(place, steps, intent))
        if words["staged"]:
            retried(lambda: _add(place, staging, steps, intent))


def _is_done(place: Place, steps: Sequence[str], app: str, number: int) -> bool:
    table = place.table(*steps)
    return table is not None and (table.transaction_version(app) or 0) >= number


def _mark(place: Place, steps: Sequence[str], intent: Intent) -> None:
    table, words = place.table(*steps), intent.rejects
    if (
        table is None
        or words is None
        or _is_done(place, steps, f"{intent.app}.added", intent.number)
    ):
        return
    listed = ", ".join(str(load) for load in words["replayed"])
    table.update(
        updates={REPLAYED_BY: f"CAST({words['load']} AS BIGINT)"},
        predicate=f"{REPLAYED_BY} IS NULL AND {LOAD_ID} IN ({listed})",
    )


def _remove(place: Place, steps: Sequence[str], intent: Intent) -> None:
    table, words = place.table(*steps), intent.rejects
    if table is not None and words is not None:
        table.delete(f"{LOAD_ID} IN ({', '.join(str(load) for load in words['gone'])})")


def _add(place: Place, staging: Staging, steps: Sequence[str], intent: Intent) -> None:
    from deltalake import CommitProperties, Transaction, write_deltalake

    app, words = f"{intent.app}.added", intent.rejects
    if words is None or _is_done(place, steps, app, intent.number):
        return
    columns = [*_columns(DIALECT).values()]

    def rows() -> Iterator[pa.RecordBatch]:
        for table in words["staged"]:
            for batch in staging.batches(table):
                yield conform(batch, columns=columns, dialect=DIALECT)

    opened = place.table(*steps)
    write_deltalake(
        opened if opened is not None else place.uri(*steps),
        reader(rows(), columns),
        mode="append",
        storage_options=place.options or None,
        commit_properties=CommitProperties(app_transactions=[Transaction(app, intent.number)]),
    )
