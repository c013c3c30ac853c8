"""The ledger ``_imports``: which loads a schema holds, and where each import goes on."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Cursor, LoadReport
from airflow_provider_spotify.core.sinks.base import LedgerEntry

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks.sql.session import Session

TABLE = "_imports"
STAGING, PARTIAL, COMMITTED, SUPERSEDED = "staging", "partial", "committed", "superseded"
VISIBLE = (COMMITTED, PARTIAL)
"""``partial``: the load is under way, and what it checkpointed is visible already."""
PART, HELD, PUBLISHED = "part", "held", "published"
"""A part of a load: under way or given up; waiting for the others; about to be dropped."""
PARTS = (PART, HELD, PUBLISHED)

_COLUMNS = {
    "load_id": "BIGINT PRIMARY KEY",
    "sequence": "BIGINT NOT NULL",
    "tenant": "TEXT NOT NULL",
    "import": "TEXT NOT NULL",
    "partition": "TEXT",
    "run_id": "TEXT NOT NULL",
    "table": "TEXT NOT NULL",
    "mode": "TEXT NOT NULL",
    "status": "TEXT NOT NULL",
    "moves_cursor": "BOOLEAN NOT NULL",
    "rows": "BIGINT NOT NULL",
    "rejected": "BIGINT NOT NULL",
    "bytes": "BIGINT NOT NULL",
    "cursor_before": "JSON",
    "cursor_after": "JSON",
    "schema": "TEXT",
    "window_start": "TIMESTAMP WITH TIME ZONE",
    "window_end": "TIMESTAMP WITH TIME ZONE",
    "started_at": "TIMESTAMP WITH TIME ZONE NOT NULL",
    "finished_at": "TIMESTAMP WITH TIME ZONE",
    "progress": "JSON",
    "report": "JSON",
}
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)


class Record(NamedTuple):
    """One row of the ledger.

    What it says of rows, cursor and schema is what is visible. ``progress`` says what the load
    under way has made durable and not yet visible; publishing clears it.
    """

    load_id: int
    sequence: int
    tenant: str
    import_name: str
    partition: str | None
    run_id: str
    table: str
    mode: str
    status: str
    moves_cursor: bool
    rows: int = 0
    rejected: int = 0
    bytes: int = 0
    cursor_before: Cursor | None = None
    cursor_after: Cursor | None = None
    schema: str | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Mapping[str, Any] | None = None
    report: str | None = None

    @classmethod
    def read(cls, row: Sequence[Any]) -> Record:
        """Take a row as the database gives it."""
        record = cls(*row)
        return record._replace(
            cursor_before=_loaded(record.cursor_before),
            cursor_after=_loaded(record.cursor_after),
            progress=_loaded(record.progress),
        )

    def values(self) -> list[Any]:
        """Return the row as the database takes it."""
        return list(
            self._replace(
                cursor_before=dumped(self.cursor_before),  # type: ignore[arg-type]
                cursor_after=dumped(self.cursor_after),  # type: ignore[arg-type]
                progress=dumped(self.progress),  # type: ignore[arg-type]
            )
        )

    def entry(self) -> LedgerEntry:
        """Return what the rest of the package is told."""
        assert self.started_at is not None
        return LedgerEntry(
            load_id=self.load_id,
            import_name=self.import_name,
            run_id=self.run_id,
            table=self.table,
            status=self.status,
            rows=self.rows,
            rejected=self.rejected,
            cursor_before=self.cursor_before,
            cursor_after=self.cursor_after,
            started_at=self.started_at,
            finished_at=self.finished_at,
            report=_report(self.report),
        )


def _report(text: str | None) -> LoadReport | None:
    """Read a report; one that another version of this package wrote may not be readable."""
    try:
        return LoadReport.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _loaded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def dumped(value: Mapping[str, Any] | None) -> str | None:
    """Write a cursor as JSON.

    :raises DataError: if it is not JSON; the source that gave it is wrong
    """
    try:
        return None if value is None else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the source gave a cursor that is not JSON: {error}") from error


def encoded(schema: pa.Schema | None) -> str | None:
    """Write an Arrow schema as text."""
    if schema is None:
        return None
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def decoded(text: str | None) -> pa.Schema | None:
    """Read an Arrow schema."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))) if text else None


class Ledger:
    """The ledger as one import sees it; ``partition`` is a chain of its own.

    :param session: the transaction to read and write in
    """

    def __init__(
        self, session: Session, *, tenant: str, import_name: str, partition: str | None = None
    ) -> None:
        self._session = session
        self._chain = [tenant, import_name, partition]
        self._table = session.name(TABLE)
        self._mine = (
            '"tenant" = $1 AND "import" = $2 AND "partition" IS NOT DISTINCT FROM CAST($3 AS TEXT)'
        )

    def create(self) -> None:
        """Create the table if it is not there."""
        if not self._session.columns(TABLE):
            self._session.alone(TABLE)
            spelled = ", ".join(f'"{name}" {type_}' for name, type_ in _COLUMNS.items())
            self._session.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({spelled})")

    def find(self, load_id: int) -> Record | None:
        """Return the row of a load."""
        rows = self._select('"load_id" = $1', [load_id])
        return rows[0] if rows else None

    def among(self, loads: Sequence[int]) -> dict[int, Record]:
        """Return the rows of these loads, by their ids."""
        listed = ", ".join(str(int(load)) for load in loads)
        return {record.load_id: record for record in self._select(f'"load_id" IN ({listed})', [])}

    def latest(self) -> Record | None:
        """Return the committed load that the cursor of this import comes from."""
        rows = self._select(
            f'{self._mine} AND "moves_cursor" AND {_visible()}', self._chain, limit=1
        )
        return rows[0] if rows else None

    def schema(self) -> str | None:
        """Return the contract's schema as last committed."""
        condition = f'{self._mine} AND "schema" IS NOT NULL AND {_visible()}'
        rows = self._select(condition, self._chain, limit=1)
        return rows[0].schema if rows else None

    def all(self, *, limit: int | None = None) -> list[Record]:
        """Return the loads of this import, newest first, of every partition; not their parts."""
        parts = ", ".join(f"'{status}'" for status in PARTS)
        condition = f'"tenant" = $1 AND "import" = $2 AND "status" NOT IN ({parts})'
        return self._select(condition, self._chain[:2], limit=limit)

    def visible(self, *, after: int | None = None) -> list[Record]:
        """Return the visible loads; with ``after``, those that moved the cursor since."""
        condition = f"{self._mine} AND {_visible()}"
        if after is not None:
            condition += f' AND "moves_cursor" AND "sequence" > {after}'
        return self._select(condition, self._chain)

    def unfinished(self, *, but: int, moves_cursor: bool) -> list[Record]:
        """Return other loads that left something staged."""
        condition = f'{self._mine} AND "progress" IS NOT NULL AND "load_id" <> {but}'
        found = self._select(condition, self._chain)
        return [record for record in found if moves_cursor or not record.moves_cursor]

    def next_sequence(self) -> int:
        """Return the number of the next load to commit; only one load asks at a time."""
        sql = f'SELECT coalesce(max("sequence"), 0) + 1 FROM {self._table} WHERE {self._mine}'
        ((number,),) = self._session.execute(sql, self._chain)
        return int(number)

    def save(self, record: Record) -> None:
        """Write a row, in the place of an earlier one of the same load."""
        marks = ", ".join(f"${number + 1}" for number in range(len(_COLUMNS)))
        changed = ", ".join(f'"{n}" = excluded."{n}"' for n in _COLUMNS if n != "load_id")
        self._session.execute(
            f"INSERT INTO {self._table} ({_NAMES}) VALUES ({marks}) "
            f'ON CONFLICT ("load_id") DO UPDATE SET {changed}',
            record.values(),
        )

    def update(self, record: Record, *, before: Record) -> None:
        """Write what changed since the row was written; a stream does so many times a second."""
        values = zip(_COLUMNS, record.values(), before.values(), strict=True)
        changed = {name: value for name, value, old in values if value != old}
        if not changed:
            return
        marks = ", ".join(f'"{name}" = ${number}' for number, name in enumerate(changed, 1))
        found = self._session.execute(
            f"UPDATE {self._table} SET {marks} "
            f'WHERE "load_id" = {int(record.load_id)} RETURNING "load_id"',
            [*changed.values()],
        )
        if not found:
            self.save(record)

    def forget(self, *loads: int) -> None:
        """Delete the rows of loads of which nothing was ever visible."""
        listed = ", ".join(str(int(load)) for load in loads)
        self._session.execute(f'DELETE FROM {self._table} WHERE "load_id" IN ({listed})')

    def release(self, parts: Sequence[int]) -> None:
        """Mark parts whose rows are in the table now."""
        listed = ", ".join(str(int(part)) for part in parts)
        self._session.execute(
            f'UPDATE {self._table} SET "status" = \'{PUBLISHED}\' WHERE "load_id" IN ({listed})'
        )

    def supersede(self, loads: Collection[int]) -> None:
        """Mark loads whose rows another load replaces."""
        if loads:
            listed = ", ".join(str(int(load)) for load in sorted(loads))
            self._session.execute(
                f'UPDATE {self._table} SET "status" = \'{SUPERSEDED}\', "progress" = NULL '
                f'WHERE "load_id" IN ({listed})'
            )

    def _select(
        self, condition: str, parameters: Sequence[Any], *, limit: int | None = None
    ) -> list[Record]:
        bound = "" if limit is None else f" LIMIT {int(limit)}"
        sql = (
            f"SELECT {_NAMES} FROM {self._table} WHERE {condition} "
            f'ORDER BY "sequence" DESC, "started_at" DESC{bound}'
        )
        return [Record.read(row) for row in self._session.execute(sql, parameters)]


def _visible() -> str:
    return f"\"status\" IN ('{COMMITTED}', '{PARTIAL}')"
