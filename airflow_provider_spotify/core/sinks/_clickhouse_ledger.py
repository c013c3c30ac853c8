"""The ledger in ClickHouse: a row is never changed, a newer version of it is inserted.

All rows that a transaction writes are one insert, which is one part, which is there or is not: it
is what commits. ``FINAL`` gives the newest version of each row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.clickhouse import literal
from airflow_provider_spotify.core.sinks.sql.ledger import (
    PUBLISHED,
    SUPERSEDED,
    TABLE,
    Ledger,
    Record,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks._clickhouse_session import ClickHouseSession

FORGOTTEN = "forgotten"
_TIME = "Nullable(DateTime64(6, 'UTC'))"
COLUMNS = {
    "load_id": "Int64",
    "sequence": "Int64",
    "tenant": "String",
    "import": "String",
    "partition": "Nullable(String)",
    "run_id": "String",
    "table": "String",
    "mode": "String",
    "status": "String",
    "moves_cursor": "Bool",
    "rows": "Int64",
    "rejected": "Int64",
    "bytes": "Int64",
    "cursor_before": "Nullable(String)",
    "cursor_after": "Nullable(String)",
    "schema": "Nullable(String)",
    "window_start": _TIME,
    "window_end": _TIME,
    "started_at": _TIME,
    "finished_at": _TIME,
    "progress": "Nullable(String)",
    "report": "Nullable(String)",
}
"""As the ledger of every SQL sink; then ``intent``, what is still to be done, and ``version``."""
NAMES = ", ".join(f"`{name}`" for name in COLUMNS)
_STRUCTURE = ", ".join(f"`{name}` {type_}" for name, type_ in COLUMNS.items())


class ClickHouseLedger(Ledger):
    """The ledger as one import sees it; what it writes waits in the session for the commit."""

    _session: ClickHouseSession

    def __init__(
        self,
        session: ClickHouseSession,
        *,
        tenant: str,
        import_name: str,
        partition: str | None = None,
    ) -> None:
        super().__init__(session, tenant=tenant, import_name=import_name, partition=partition)
        self._mine = "tenant = $1 AND import = $2 AND partition IS NOT DISTINCT FROM $3"

    def create(self) -> None:
        """Create the table if it is not there."""
        if self._session.columns(TABLE):
            return
        self._session.forget(TABLE)
        self._session.server.run(
            f"CREATE TABLE IF NOT EXISTS {self._session.name(TABLE)} "
            f"({_STRUCTURE}, intent String, version UInt64) "
            "ENGINE = ReplacingMergeTree(version) ORDER BY load_id"
        )

    def next_sequence(self) -> int:
        """Return the number of the next load to commit; only one load asks at a time."""
        self._table = self._relation()
        return super().next_sequence()

    def save(self, record: Record) -> None:
        """Write a row, in the place of an earlier one of the same load."""
        self._session.entries[record.load_id] = record

    def update(self, record: Record, *, before: Record) -> None:
        """Write a row that was there before."""
        if record != before:
            self.save(record)

    def forget(self, *loads: int) -> None:
        """Delete the rows of loads of which nothing was ever visible."""
        for record in self.among(loads).values():
            self.save(record._replace(status=FORGOTTEN, progress=None))

    def release(self, parts: Sequence[int]) -> None:
        """Mark parts whose rows are in the table now."""
        for record in self.among(parts).values():
            self.save(record._replace(status=PUBLISHED))

    def supersede(self, loads: Collection[int]) -> None:
        """Mark loads whose rows another load replaces."""
        if loads:
            for record in self.among([*loads]).values():
                self.save(record._replace(status=SUPERSEDED, progress=None))

    def _select(
        self, condition: str, parameters: Sequence[Any], *, limit: int | None = None
    ) -> list[Record]:
        self._table = self._relation()
        return super()._select(condition, parameters, limit=limit)

    def _relation(self) -> str:
        """Return the newest rows, those that wait for the commit included."""
        stored = f"SELECT {NAMES} FROM {self._session.name(TABLE)} FINAL"
        if entries := self._session.entries:
            listed = ", ".join(str(int(load)) for load in entries)
            stored += f" WHERE load_id NOT IN ({listed}) UNION ALL SELECT {NAMES} FROM "
            stored += written([*entries.values()])
        return f"(SELECT * FROM ({stored}) WHERE status != '{FORGOTTEN}')"


def written(records: Sequence[Record]) -> str:
    """Return rows of the ledger as something to select from."""
    lines = "\n".join(json.dumps(_row(record), ensure_ascii=False) for record in records)
    return f"format(JSONEachRow, {literal(_STRUCTURE)}, {literal(lines)})"


def _row(record: Record) -> Mapping[str, Any]:
    values = zip(COLUMNS, record.values(), strict=True)
    return {name: _plain(value) for name, value in values}


def _plain(value: Any) -> Any:
    """Write a moment as ClickHouse reads it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return value
