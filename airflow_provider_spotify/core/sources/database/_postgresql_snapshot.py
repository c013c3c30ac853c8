"""Reads the rows that a table held right before the first change of a replication slot.

A new slot exports a snapshot of the moment its changes begin, so nothing is missing and nothing
comes twice. That snapshot is gone once this process is. A read that was cut short therefore goes on
behind the last row in a snapshot of its own, and a read from the beginning takes one of now where
the slot is there already (a first load that is run again, a full refresh). The slot still tells
every change since what it was told to forget: what changed in between comes again, as a row and as
the changes that led to it, deletes among them. Applied in order, by key, the table ends right, also
one that was filled before; a log of changes tells some of them twice, and its order ends right too.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.postgres_columns import (
    Converter,
    columns_of,
    select_list,
)
from airflow_provider_spotify.core.clients.postgres_query import select
from airflow_provider_spotify.core.clients.postgres_reader import PostgresReader, identifier
from airflow_provider_spotify.core.clients.postgres_slots import Published
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.database._postgresql_changes import (
    META,
    META_COLUMNS,
    Position,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlConfig

_OID, _TID = "_tableoid", "_ctid"


class Rows:
    """The rows of a table, before its changes.

    :param start: where the changes begin
    :param limit: rows to give; None: no bound
    """

    def __init__(
        self,
        config: PostgresqlConfig,
        table: Published,
        *,
        start: Position,
        limit: int | None,
    ) -> None:
        self._config = config
        self._table = table
        self._start = start
        self._limit = limit
        self._place = f"{config.schema_}.{config.table}"

    def chunks(self, reader: PostgresReader, behind: Cursor | None) -> Generator[Chunk, None, None]:
        """Yield the rows in the order in which they lie in the table.

        :param behind: the cursor of a read that was cut short
        """
        names = [c.name for c in self._table.columns if self._wanted(c.name)]
        relation = identifier(self._config.schema_, str(self._config.table))
        listed = ", ".join(identifier(name) for name in names)
        schema = reader.schema(select(listed, relation, ()))
        columns = columns_of(schema, numeric=self._config.numeric)
        hidden = f"tableoid::int8 AS {_OID}, ctid::text AS {_TID}"
        statement = select(
            f"{select_list(columns)}, {hidden}", relation, self._conditions(behind), tail=self._tail
        )
        convert = Converter([*columns, *META_COLUMNS], place=self._place).convert
        done = int(behind["rows"]) if behind else 0
        held: Chunk | None = None
        with closing(reader.stream(statement, rows=self._config.batch_size)) as batches:
            for answer in batches:
                if held is not None:
                    yield held
                batch, rejected = convert(self._told(answer, len(columns), done))
                done += answer.num_rows
                row = [answer.column(_OID)[-1].as_py(), answer.column(_TID)[-1].as_py()]
                held = Chunk(batch, {**self._start.cursor, "row": row, "rows": done}, rejected)
        if held is not None:
            whole = self._limit is None or done < self._limit
            yield held._replace(cursor=self._start.cursor) if whole else held

    def _told(self, answer: pa.RecordBatch, width: int, done: int) -> pa.RecordBatch:
        """Add what each row of a stream says besides its columns, right before its first change."""
        count = answer.num_rows
        said = [
            pa.repeat("snapshot", count),
            pa.repeat(pa.scalar(self._start.lsn - 1, pa.int64()), count),
            pa.array(range(done, done + count), pa.int64()),
            pa.nulls(count, META.field("_commit_time").type),
            pa.nulls(count, pa.int64()),
            pa.repeat(False, count),
        ]
        guards = answer.select(range(width, answer.num_columns - 2))
        arrays: Sequence[Any] = [*answer.columns[:width], *said, *guards.columns]
        names = [*answer.schema.names[:width], *META.names, *guards.schema.names]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _conditions(self, behind: Cursor | None) -> list[str]:
        found = [self._table.filter] if self._table.filter else []
        if behind is None:
            return found
        oid, tid = int(behind["row"][0]), str(behind["row"][1])
        block, number = (int(part) for part in tid.strip("()").split(","))
        at = f"'({block},{number})'::tid"
        if self._table.partitioned:
            return [*found, f"(tableoid, ctid) > ({oid}::oid, {at})"]
        return [*found, f"ctid > {at}"]

    @property
    def _tail(self) -> str:
        """A table is read as it lies; a partitioned one must be told to."""
        order = "ORDER BY tableoid, ctid" if self._table.partitioned else ""
        return order if self._limit is None else f"{order} LIMIT {self._limit}"

    def _wanted(self, name: str) -> bool:
        return self._config.columns is None or name in self._config.columns
