"""Turns the messages of a replication stream into chunks, in the order of the commits.

A cursor is a position of the log and a number of rows: everything that committed before the
position is done, and so many rows of the transaction whose commit stands right there. So a chunk
may end within a transaction, however large that is. The server repeats a transaction in the same
order, and rows that are done are skipped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.clients import postgres_pgoutput as messages
from airflow_provider_spotify.core.clients.postgres_columns import Column, Converter
from airflow_provider_spotify.core.clients.postgres_pgoutput import (
    UNCHANGED,
    Attribute,
    Begin,
    Change,
    Relation,
    Value,
)
from airflow_provider_spotify.core.clients.postgres_replication import written
from airflow_provider_spotify.core.clients.postgres_slots import Published
from airflow_provider_spotify.core.clients.postgres_texts import Texts
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.rejects import rejects
from airflow_provider_spotify.core.sources.database._postgresql_unchanged import Unchanged

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlConfig

BATCH_BYTES = 4 << 20
"""Of values as text: a batch is given when it holds so much, however few rows that is."""
READ_AGAIN = (
    "Run this import once with full refresh; a table that it merges into must be emptied before, "
    "for it would keep rows that are gone"
)
META = pa.schema(
    [
        ("_op", pa.string()),
        ("_lsn", pa.int64()),
        ("_index", pa.int64()),
        ("_commit_time", pa.timestamp("us", "UTC")),
        ("_xid", pa.int64()),
        ("_deleted", pa.bool_()),
    ]
)
"""What each row says besides the table's columns."""
META_COLUMNS = [Column(name, "") for name in META.names]


class Position(NamedTuple):
    """Where reading stands.

    :param rows: how many of the transaction that committed at ``lsn`` are done
    :param held: what the slot must keep, so that the load that began there can be run again
    :param covered: the rows that were read tell what happened up to here
    """

    lsn: int
    rows: int
    held: int
    covered: int = 0

    @property
    def cursor(self) -> Cursor:
        """Return it as JSON."""
        known = {"lsn": self.lsn, "index": self.rows, "held": self.held}
        return known | ({"covered": self.covered} if self.covered > self.lsn else {})

    @classmethod
    def of(cls, cursor: Cursor) -> Position:
        """Read a cursor."""
        names = ("lsn", "index", "held", "covered")
        return cls(*(int(cursor.get(name, 0)) for name in names))


class _Pending:
    """Rows that wait to be given, column by column of what each says besides its values."""

    def __init__(self) -> None:
        self.values: list[list[Value]] = []
        self.ops: list[str] = []
        self.indexes: list[int] = []
        self.begun: list[Begin] = []
        self.size = 0
        self.since = 0.0

    def add(self, op: str, values: list[Value], begun: Begin, index: int) -> None:
        """Take a row of a transaction."""
        if not self.values:
            self.since = time.monotonic()
        self.values.append(values)
        self.ops.append(op)
        self.indexes.append(index)
        self.begun.append(begun)

    def without(self, rows: Collection[int]) -> _Pending:
        """Return all but some rows."""
        kept = _Pending()
        for at, row in enumerate(zip(self.ops, self.values, self.begun, self.indexes, strict=True)):
            if at not in rows:
                kept.add(*row)
        return kept

    def told(self) -> list[pa.Array]:
        """Return the columns of ``META``."""
        columns: list[list[object]] = [
            [*self.ops],
            [begun.lsn for begun in self.begun],
            [*self.indexes],
            [begun.micros for begun in self.begun],
            [begun.xid for begun in self.begun],
            [op == "delete" for op in self.ops],
        ]
        return [pa.array(c, f.type) for c, f in zip(columns, META, strict=True)]


class Assembler:
    """Takes messages, gives chunks.

    :param start: where reading begins
    :param shape: reads the values of columns from text
    :param unchanged: finds the large values that updates leave out
    :param limit: rows to give altogether; None: no bound
    :ivar begun: the transaction under way
    """

    def __init__(
        self,
        config: PostgresqlConfig,
        table: Published,
        *,
        start: Position,
        shape: Callable[[Sequence[Attribute]], Texts],
        unchanged: Unchanged,
        limit: int | None,
    ) -> None:
        self._config = config
        self._table = table
        self._shape = shape
        self._unchanged = unchanged
        self._place = f"{config.schema_}.{config.table}"
        self._start = start
        self._lsn, self._done = start.lsn, start.rows
        self._left = sys.maxsize if limit is None else limit
        self._nth = self._skip = 0
        self._oid = -1
        self._identity = ""
        self._most = config.batch_size
        self._attributes = list(table.columns)
        self._keys: Sequence[int] = ()
        self._rows = _Pending()
        self.begun: Begin | None = None

    @property
    def at(self) -> Position:
        """Where reading stands after the rows taken."""
        return self._start._replace(lsn=self._lsn, rows=self._done)

    @property
    def pending(self) -> int:
        """How many rows wait to be given."""
        return len(self._rows.values)

    @property
    def full(self) -> bool:
        """All the rows that were asked for are taken."""
        return self._left == 0

    def lingered(self) -> float:
        """Return how many more seconds a batch may wait for rows; 0 and less: it is due."""
        longest: timedelta = self._config.linger
        return self._rows.since + longest.total_seconds() - time.monotonic()

    def take(self, message: bytes) -> Sequence[Chunk]:
        """Take a message; return what must be given before it.

        :raises DataError: if the table was truncated, and a truncation is an error
        """
        kind = message[0]
        if kind in (messages.INSERT, messages.UPDATE, messages.DELETE):
            if messages.relation_of(message) != self._oid:
                return ()
            self._rows.size += len(message)
            change = messages.change(message)
            if change.old is None and change.new is not None:
                return self._add("insert" if kind == messages.INSERT else "update", change.new)
            return self._replaced(change)
        if kind == messages.BEGIN:
            self.begun = messages.begin(message)
            self._nth = 0
            self._skip = self._start.rows if self.begun.lsn == self._start.lsn else 0
        elif kind == messages.COMMIT:
            self.begun = None
            if not self.full:
                self._lsn, self._done = messages.commit_end(message), 0
        elif kind == messages.RELATION:
            return self._look(messages.relation(message))
        elif kind == messages.TRUNCATE and self._oid in messages.truncated(message):
            return self._truncated()
        return ()

    def flush(self) -> Chunk | None:
        """Give what waits."""
        rows, self._rows = self._rows, _Pending()
        if not rows.values:
            return None
        holes = self._unchanged.fill(rows.values, self._attributes, self._keys)
        rejected = self._lost([rows.values[at] for at in holes]) if holes else None
        batch, refused = self._converted(rows.without(holes) if holes else rows)
        both = [each for each in (rejected, refused) if each is not None]
        return Chunk(batch, self.at.cursor, pa.concat_batches(both) if both else None)

    def nothing(self, lsn: int) -> Chunk:
        """Give no rows, and the cursor of a position that was reached without any."""
        self._lsn, self._done = lsn, 0
        return Chunk(self._converted(_Pending())[0], self.at.cursor)

    # ── rows ─────────────────────────────────────────────────────────────────────────────────

    def _add(self, op: str, values: list[Value]) -> Sequence[Chunk]:
        begun = self.begun
        assert begun is not None
        index = self._nth
        self._nth = index + 1
        if index < self._skip or self._left == 0:
            return ()
        rows = self._rows
        given: Sequence[Chunk] = ()
        if len(rows.values) >= self._most or rows.size >= BATCH_BYTES:
            given = self._given()
            rows = self._rows
        rows.add(op, values, begun, index)
        self._lsn, self._done = begun.lsn, index + 1
        self._left -= 1
        return given

    def _given(self) -> Sequence[Chunk]:
        chunk = self.flush()
        return () if chunk is None else (chunk,)

    def _replaced(self, change: Change) -> Sequence[Chunk]:
        """Take a change of a row that was; an update that changes the key is two."""
        old, new = change.old or [], change.new
        if new is None:
            return self._add("delete", old)
        known = range(len(new)) if change.whole else self._keys
        for at in known:
            if new[at] is UNCHANGED:
                new[at] = old[at]
        if all(old[at] == new[at] for at in self._keys or known):
            return self._add("update", new)
        return (*self._add("delete", old), *self._add("insert", new))

    def _look(self, relation: Relation) -> Sequence[Chunk]:
        """Learn what a table looks like from here on."""
        if (relation.schema, relation.table) != (self._config.schema_, self._config.table):
            return ()
        given: Sequence[Chunk] = ()
        if list(relation.columns) != self._attributes or relation.identity != self._identity:
            given = self._given()
        self._identity, self._oid = relation.identity, relation.oid
        self._attributes = list(relation.columns)
        names = [column.name for column in relation.columns]
        self._keys = [at for at, column in enumerate(relation.columns) if column.key]
        if relation.identity == "f":
            self._keys = [names.index(name) for name in self._table.key if name in names]
        return given

    def _truncated(self) -> Sequence[Chunk]:
        assert self.begun is not None
        if self._config.cdc.truncate == "row":
            return self._add("truncate", [None] * len(self._attributes))
        if self._nth < self._skip or self.begun.lsn < self._start.covered:
            return ()
        raise DataError(
            f"{self._place} was truncated at {written(self.begun.lsn)}, which no key can follow. "
            f"{READ_AGAIN}, or let truncations come as rows: cdc: {{truncate: row}}"
        )

    # ── batches ──────────────────────────────────────────────────────────────────────────────

    def _converted(self, rows: _Pending) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
        texts, chosen = self._texts()
        columns = [*zip(*rows.values, strict=True)] or [()] * len(self._attributes)
        arrays, guards = texts.arrays([columns[at] for at in chosen])
        told = rows.told()
        names = [column.name for column in texts.columns]
        answer = pa.RecordBatch.from_arrays(
            [*arrays, *told, *guards.columns], names=[*names, *META.names, *guards.schema.names]
        )
        converter = Converter([*texts.columns, *META_COLUMNS], place=self._place)
        return converter.convert(answer)

    def _texts(self) -> tuple[Texts, list[int]]:
        """Return how to read the columns that are wanted, and which they are."""
        wanted = self._config.columns
        chosen = [
            at for at, each in enumerate(self._attributes) if wanted is None or each.name in wanted
        ]
        if not chosen:
            raise ConfigurationError(f"{self._place} has none of the columns: {wanted}")
        return self._shape([self._attributes[at] for at in chosen]), chosen

    def _lost(self, rows: Sequence[Sequence[Value]]) -> pa.RecordBatch:
        """Reject rows with a value that is nowhere any more."""
        return rejects(
            [self._unchanged.record(row, self._attributes) for row in rows],
            stage="source",
            reason=[
                "an update left out a large value that it did not change, and the row is gone "
                "since; ALTER TABLE … REPLICA IDENTITY FULL makes updates tell it"
            ]
            * len(rows),
            location=[self._place] * len(rows),
        )
