"""A transaction over Delta tables: decided in DuckDB, kept by an intent and one commit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.delta import delta_errors, retried
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.sinks._delta_ledger import Intent
from airflow_provider_spotify.core.sinks._delta_plans import DeltaPublication, Plan, Write, typed
from airflow_provider_spotify.core.sinks._delta_staging import Staging
from airflow_provider_spotify.core.sinks._delta_types import DIALECT, columns_of, schema_of
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.evolution import widest
from airflow_provider_spotify.core.sinks.sql.ledger import _COLUMNS, TABLE
from airflow_provider_spotify.core.sinks.sql.session import Session

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from airflow_provider_spotify.core.sinks._delta_database import DeltaDatabase


class DeltaSession(Session):
    """One transaction. Nothing but staging files changes before it commits."""

    dialect = DIALECT
    keeps_open = False

    def __init__(self, database: DeltaDatabase) -> None:
        super().__init__()
        self._database = database
        self._place, self._engine = database.place, database.engine()
        self._staging = database.staging
        self.schema = database.schema
        self.options = self._place.options or None
        self._shapes: dict[str, dict[str, Column]] = {}
        self._unseen: dict[str, tuple[DeltaTable, dict[str, Column]]] = {}
        self._dropped: list[str] = []
        self._claims: dict[str, AbstractContextManager[None]] = {}
        self._plan: tuple[str, Plan] | None = None
        self.rejects: dict[str, Any] | None = None

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def name(self, table: str) -> str:
        """Return a table's quoted name in the engine, which sees its rows from then on."""
        if opened := self._unseen.pop(table, None):
            with delta_errors(self._place.uri(self.schema, table)):
                self._engine.show_table(table, *opened)
        return self.dialect.quote(table)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement in the engine and return its rows."""
        return self._engine.execute(sql, parameters)

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Return the rows of a query as they are computed."""
        return self._engine.stream(sql)

    def is_settled(self, table: str) -> bool:
        """Say yes: what a transaction saw of a table is what it goes by until it commits."""
        return table != TABLE

    def described(self, table: str) -> dict[str, Column]:
        """Return a table's columns; the engine sees its rows once it is named."""
        if table == TABLE:
            return {name: Column(name, native, None) for name, native in _COLUMNS.items()}
        if Staging.is_staging(table):
            return self._described_staging(table)
        with delta_errors(self._place.uri(self.schema, table)):
            opened = self._database.opened(table)
            if opened is None:
                return self._shapes.get(table, {})
            columns = self._shapes.get(table) or columns_of(pa.schema(opened.schema().to_arrow()))
            self._unseen[table] = (opened, dict(columns))
        return dict(columns)

    def _described_staging(self, table: str) -> dict[str, Column]:
        if table in self._dropped:
            return {}
        with delta_errors(self._place.uri(self.schema, "_staging")):
            columns = self._staging.columns(table)
            if columns:
                self._engine.show(table, self._staging.datasets(table), columns, stored=False)
        return columns | self._shapes.get(table, {})

    # ── shaping ──────────────────────────────────────────────────────────────────────────────

    def prepare(self) -> None:
        """Do nothing: a folder is there once something is in it."""

    def create(self, table: str, *, columns: Sequence[Column], scratch: bool = False) -> None:
        """Remember the columns of a table that the commit, or the first file, creates."""
        self._reshape(table, {self.dialect.fold(c.name): c for c in columns})

    def add(self, table: str, *, column: Column) -> None:
        """Remember a column that the commit adds."""
        shape = self.columns(table)
        self._reshape(table, shape | {self.dialect.fold(column.name): column})

    def widen(self, table: str, *, old: Column, new: Column) -> None:
        """Remember a column that the commit widens."""
        shape = self.columns(table)
        self._reshape(table, shape | {self.dialect.fold(old.name): new})

    def _reshape(self, table: str, columns: dict[str, Column]) -> None:
        self._shapes[table] = columns
        self._known.pop(table, None)

    def drop(self, table: str) -> None:
        """Drop a staging table when the transaction commits."""
        self._known.pop(table, None)
        self._shapes.pop(table, None)
        if table not in self._dropped:
            self._dropped.append(table)

    def cut(self, table: str, *, rows: int) -> bool:
        """Delete what a staging table has beyond so many rows; say whether those are there."""
        self._known.pop(table, None)
        with delta_errors(self._place.uri(self.schema, "_staging")):
            return self._staging.cut(table, rows=rows)

    def ingest(
        self, table: str, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]
    ) -> None:
        """Write batches to a staging table."""
        with delta_errors(self._place.uri(self.schema, "_staging")):
            if table in self._dropped:  # it begins anew
                self._staging.drop(table)
                self._dropped.remove(table)
            self._staging.add(table, batches)
        self._known.pop(table, None)
        self._shapes.pop(table, None)

    def lend(self, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]) -> str:
        """Refuse: ``DeltaTables`` stages what other databases are lent."""
        raise AssertionError("rows for a Delta table are staged, not lent")

    def copy(self, table: str, *, to: str) -> None:
        """Copy a table into the engine, where SQL may change it; the copy spills to disk."""
        columns = self.columns(table)
        self.execute(f"CREATE OR REPLACE TEMP TABLE {self.name(to)} AS FROM {self.name(table)}")
        self._known[to] = columns

    def publication(self, **words: Any) -> DeltaPublication:
        """Return how staged rows are worked into a table."""
        return DeltaPublication(self, **words)

    def claim(self, name: str) -> bool:
        """Take a lock until the transaction ends, if nobody has it."""
        if name not in self._claims and name != self._database.chain:
            held = self._database.claimed(name)
            try:
                held.__enter__()
            except TransientError:
                return False
            self._claims[name] = held
        return True

    # ── committing ───────────────────────────────────────────────────────────────────────────

    def plan(self, table: str, plan: Plan) -> None:
        """Say what the commit does to the target."""
        self._plan = (table, plan)

    def commit(self) -> None:
        """Write the ledger, and around an intent the target and the rejects."""
        rows, gone = self._engine.changed()
        book, number = self._database.book, self._database.next_number()
        if self._plan is None and self.rejects is None:
            self._clear()
            if rows or gone:
                book.save(number, rows=rows, gone=gone)
        else:
            intent = Intent(
                number,
                self._database.app,
                self._database.chain,
                self._plan[0] if self._plan else None,
                self.rejects,
                [*self._dropped],
            )
            book.save(number, rows=rows, gone=gone, intent=intent)
            if self._plan:
                self._write(*self._plan, number=number)
            self._database.fulfil(intent)
        self._end()

    def _clear(self) -> None:
        for table in self._dropped:
            self._staging.drop(table)

    def rollback(self) -> None:
        """Forget what was decided; what is staged is counted by the ledger."""
        self._database.forget()
        self._end()

    def _end(self) -> None:
        for held in self._claims.values():
            held.__exit__(None, None, None)
        self._claims.clear()

    def _write(self, target: str, plan: Plan, *, number: int) -> None:
        uri = self._place.uri(self.schema, target)
        properties = self._database.properties(number)

        def act() -> None:
            table = self._shaped(target) if plan.evolves else self._database.opened(target)
            app = self._database.app
            if table is not None and (table.transaction_version(app) or 0) >= number:
                raise TransientError(f"{uri}: another load of this import has taken over")
            self._known.pop(target, None)
            shape = None if plan.evolves else self._shapes.get(target)
            columns = shape or self.columns(target)  # and the engine sees the newest rows
            plan.run(Write(self, table, uri, columns, properties))

        with delta_errors(uri):
            retried(act)

    def _shaped(self, target: str) -> DeltaTable | None:
        """Open a table and give it the columns that the transaction wants.

        Delta has no wider type for a column that is there (deltalake 1.6): all rows are written
        anew. Neither changes what a reader sees but for columns of nulls and wider types.
        """
        table, wanted = self._database.opened(target), self._shapes.get(target)
        if table is None or wanted is None:
            return table
        present = columns_of(pa.schema(table.schema().to_arrow()))
        wanted = self._shapes[target] = widest([present, wanted], dialect=self.dialect)
        if any(wanted[name].type != column.type for name, column in present.items()):
            self._rewrite(target, table, wanted)
        elif missing := [column for name, column in wanted.items() if name not in present]:
            from deltalake import Schema

            table.alter.add_columns(Schema.from_arrow(schema_of(missing)).fields)
        else:
            return table
        return self._database.opened(target)

    def _rewrite(self, target: str, table: DeltaTable, columns: dict[str, Column]) -> None:
        from deltalake import CommitProperties

        self._unseen[target] = (table, columns)
        none = CommitProperties()
        write = Write(self, table, self._place.uri(self.schema, target), columns, none)
        listed = [*columns.values()]
        rows = typed(write.select(f"SELECT * FROM {self.name(target)}", listed), listed)
        write.put(rows, overwrite=True, schema_mode="overwrite")
