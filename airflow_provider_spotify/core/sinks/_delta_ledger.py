"""The ledger ``_imports`` as a Delta table: a log of changes that is only appended to.

Appends never conflict, so the imports of a tenant commit side by side; a partition for each import
keeps reading small. A row of the ledger is what the change with the highest number says of it. A
transaction with effects outside the ledger is first written as an intent: its rows count once it
is marked as done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_spotify.core.clients.delta import Place, delta_errors, retried
from airflow_provider_spotify.core.sinks.sql.ledger import _COLUMNS, TABLE
from airflow_provider_spotify.core.sinks.sql.types import UTC

if TYPE_CHECKING:
    from deltalake import DeltaTable

Row = tuple[Any, ...]
NAMES = tuple(_COLUMNS)
ROW, GONE, WOULD, WOULD_GO, INTENT, DONE, UNDONE = (
    "row",
    "gone",
    "would",
    "would go",
    "intent",
    "done",
    "undone",
)
_MANY_FILES = 100
_TYPES = {"BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "TIMESTAMP": UTC}
SCHEMA = pa.schema(
    [
        *(pa.field(n, _TYPES.get(t.split()[0], pa.string())) for n, t in _COLUMNS.items()),
        pa.field("event", pa.int64()),
        pa.field("change", pa.string()),
        pa.field("intent", pa.string()),
    ]
)
"""The columns of a row, then the number of the transaction and what it says of the row."""
_STORED = [name for name in SCHEMA.names if name != "import"]


class Intent(NamedTuple):
    """What a transaction decided to do outside the ledger.

    :param number: its number: the version of the app transaction that its data commit carries
    :param app: the app transaction's id, one for each chain of loads
    :param chain: the name of the lock under which it was decided
    :param table: the table of its data commit; None if it has none
    :param rejects: what becomes of rejected records, as ``DeltaRejects`` applies it
    :param drops: staging tables that nobody needs afterwards
    """

    number: int
    app: str
    chain: str
    table: str | None
    rejects: Mapping[str, Any] | None
    drops: Sequence[str]


class Book:
    """What the ledger says of one import; files that were read once are not read again."""

    def __init__(self, place: Place, *, schema: str, tenant: str, import_name: str) -> None:
        self._place = place
        self._steps = (schema, TABLE)
        self._tenant = tenant
        self._import = import_name
        self._table: DeltaTable | None = None
        self._read: set[str] = set()
        self._ended: dict[int, bool] = {}
        self._waiting: dict[int, Intent] = {}
        self._would: dict[int, dict[int, Row | None]] = {}
        self._events: dict[int, int] = {}
        self._seen: set[int] = set()
        self._told: set[int] = set()
        self.rows: dict[int, Row] = {}
        """The rows by the ids of their loads."""
        self.newest = 0

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def sync(self) -> None:
        """Read what is new."""
        with delta_errors(self._place.uri(*self._steps)):
            if self._table is None:
                self._table = self._place.table(*self._steps)
            else:
                self._table.update_incremental()
            if self._table is None:
                return
            mine = f"/import={self._import}/"
            uris = [uri for uri in self._table.file_uris() if mine in uri]
            fresh = [uri for uri in uris if uri not in self._read]
            for uri in fresh:
                self._take(self._file(uri))
            self._read = set(uris)
        self._settle()

    def told(self) -> set[int]:
        """Return the loads of which something new was read since this was last asked."""
        told, self._told = self._told, set()
        return told

    def _file(self, uri: str) -> pa.Table:
        below = uri[uri.rindex(f"import={self._import}/") :]
        path = self._place.file(*self._steps, below)
        columns = pq.read_table(path, filesystem=self._place.files, partitioning=None)
        return columns.select(_STORED)

    def _take(self, table: pa.Table) -> None:
        place = {name: number for number, name in enumerate(_STORED)}
        for values in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if values[place["tenant"]] != self._tenant:
                continue
            number, change, load = (values[place[n]] for n in ("event", "change", "load_id"))
            self._seen.add(number)
            self.newest = max(self.newest, number)
            row = tuple(self._import if n == "import" else values[place[n]] for n in NAMES)
            if change in (ROW, GONE):
                self._apply(number, {load: row if change == ROW else None})
            elif change in (WOULD, WOULD_GO):
                rows = self._would.setdefault(number, {})
                rows[load] = row if change == WOULD else None
            elif change == INTENT:
                self._waiting[number] = Intent(**json.loads(values[place["intent"]]))
            else:
                self._ended[number] = change == DONE

    def _settle(self) -> None:
        """Apply the intents that are done, and forget them with those that are undone."""
        for number in sorted(self._ended.keys() & self._waiting.keys()):
            del self._waiting[number]
            rows = self._would.pop(number, {})
            if self._ended[number]:
                self._apply(number, rows)

    def _apply(self, number: int, rows: Mapping[int, Row | None]) -> None:
        for load, row in rows.items():
            if self._events.get(load, 0) > number:
                continue
            self._events[load] = number
            self._told.add(load)
            if row is None:
                self.rows.pop(load, None)
            else:
                self.rows[load] = row

    def pending(self) -> list[Intent]:
        """Return the intents that are neither done nor undone, in their order."""
        return [self._waiting[number] for number in sorted(self._waiting)]

    def presume(self, intent: Intent) -> None:
        """Take an intent as done without writing so: somebody else is about to."""
        self._ended[intent.number] = True
        self._settle()

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def save(
        self, number: int, *, rows: Iterable[Row], gone: Iterable[int], intent: Intent | None = None
    ) -> None:
        """Append changes of rows; with an intent, they count once it is done."""
        kinds = (WOULD, WOULD_GO) if intent else (ROW, GONE)
        changes = [self._change(number, kinds[0], row=row) for row in rows]
        changes += [self._change(number, kinds[1], load=load) for load in gone]
        if intent:
            text = json.dumps(intent._asdict())
            changes.append(self._change(number, INTENT, intent=text))
        self._append(changes)

    def end(self, intent: Intent, *, done: bool) -> None:
        """Say of an intent that it is done, or will never be."""
        self._append([self._change(intent.number, DONE if done else UNDONE)])

    def _change(
        self,
        number: int,
        change: str,
        *,
        row: Row | None = None,
        load: int | None = None,
        intent: str | None = None,
    ) -> dict[str, Any]:
        given: dict[str, Any] = dict(zip(NAMES, row, strict=True)) if row else {"load_id": load}
        own = {"tenant": self._tenant, "import": self._import, "event": number}
        return given | own | {"change": change, "intent": intent}

    def _append(self, changes: Sequence[Mapping[str, Any]]) -> None:
        from deltalake import write_deltalake

        rows = pa.Table.from_pylist(list(changes), schema=SCHEMA)
        uri = self._place.uri(*self._steps)

        def act() -> None:
            opened = self._table or self._place.table(*self._steps)
            self._table = None  # after a conflict it is opened anew
            write_deltalake(
                opened or uri,
                rows,
                mode="append",
                partition_by=["import"],
                storage_options=self._place.options or None,
            )
            self._table = opened

        with delta_errors(uri):
            retried(act)
        self.sync()

    def tidy(self) -> None:
        """Drop what later changes made void, and put many small files together.

        It may meet other writers' tidying; it is tried again another time.
        """
        if self._table is None or len(self._read) < _MANY_FILES:
            return
        with delta_errors(self._place.uri(*self._steps)):
            needed = {*self._events.values(), *self._waiting}
            retried(lambda: self._prune(needed))
        self.sync()

    def _prune(self, needed: set[int]) -> None:
        table = self._place.table(*self._steps)
        assert table is not None
        if void := sorted(self._seen - needed):
            mine = f"import = '{self._import}' AND tenant = '{self._tenant}'"
            table.delete(f"{mine} AND event IN ({', '.join(map(str, void))})")
        table.optimize.compact(partition_filters=[("import", "=", self._import)])
