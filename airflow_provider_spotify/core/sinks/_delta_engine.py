"""The DuckDB engine in memory that answers questions about Delta tables and staged files."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.duckdb import duckdb_errors
from airflow_provider_spotify.core.sinks._delta_ledger import NAMES, SCHEMA, Row
from airflow_provider_spotify.core.sinks._delta_types import DIALECT, columns_of, incoming
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.ledger import _COLUMNS, TABLE
from airflow_provider_spotify.core.sinks.sql.staged import _value

if TYPE_CHECKING:
    from deltalake import DeltaTable

_BEFORE = "_imports_before"
_LEDGER = ", ".join(DIALECT.quote(name) for name in NAMES)
_WHERE = "the engine of the delta destination"


class Engine:
    """A DuckDB database that holds the ledger of one import and views of everything else."""

    def __init__(self, *, memory_limit: str, threads: int | None) -> None:
        import duckdb

        self._spill = tempfile.TemporaryDirectory(prefix="delta-")
        settings: dict[str, Any] = {
            "memory_limit": memory_limit,
            "python_enable_replacements": False,
        }
        settings |= {"temp_directory": self._spill.name} | ({"threads": threads} if threads else {})
        with duckdb_errors(_WHERE):
            self._connection = duckdb.connect(":memory:", config=settings)
            self._connection.execute("SET TimeZone = 'UTC'")
            spelled = ", ".join(f'"{name}" {type_}' for name, type_ in _COLUMNS.items())
            self._connection.execute(f"CREATE TABLE {TABLE} ({spelled})")
            self._connection.execute(f"CREATE TABLE {_BEFORE} AS FROM {TABLE}")
        self._given: dict[str, list[str]] = {}
        self._views = 0

    def close(self) -> None:
        """Give back memory and disk."""
        self._connection.close()
        self._spill.cleanup()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with duckdb_errors(_WHERE):
            relation: Any = self._connection.sql(sql, params=list(parameters) or None)
            columns = [] if relation is None else relation.to_arrow_table().columns
        return list(zip(*(column.to_pylist() for column in columns), strict=True))

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Return the rows of a query as they are computed; nothing else runs meanwhile."""
        with duckdb_errors(_WHERE):
            return self._connection.sql(sql).to_arrow_reader(65_536)

    def query(self, sql: str, parameters: Sequence[Any]) -> pa.Table:
        """Run a user's query, which may look at nothing but views."""
        with duckdb_errors(_WHERE):
            self._connection.execute("SET enable_external_access = false")
            self._connection.execute("SET lock_configuration = true")
            return self._connection.sql(sql, params=list(parameters) or None).to_arrow_table()

    def writes(self, sql: str) -> bool:
        """Say whether some statement is other than a query."""
        import duckdb

        with duckdb_errors(_WHERE):
            kinds = {statement.type for statement in self._connection.extract_statements(sql)}
        return bool(kinds - {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})

    # ── views ────────────────────────────────────────────────────────────────────────────────

    def show(
        self,
        name: str,
        sources: Iterable[tuple[Mapping[str, Column], Any]],
        columns: Mapping[str, Column],
        *,
        stored: bool,
    ) -> None:
        """Give a name to rows of Arrow datasets, each with the columns that all have together.

        :param sources: datasets and the columns that each has
        :param stored: times and durations are as Delta stores them
        """
        selects, before = [], self._given.pop(name, [])
        for own, dataset in sources:
            self._views += 1
            given = f"_given_{self._views}"
            self._connection.register(given, dataset)
            self._given.setdefault(name, []).append(given)
            if stored:
                listed = ", ".join(
                    f"{incoming(c)} AS {DIALECT.quote(c.name)}" for c in own.values()
                )
                given = f"(SELECT {listed} FROM {given})"
            chosen = ", ".join(
                f"{_value(folded, column, own, DIALECT)} AS {DIALECT.quote(column.name)}"
                for folded, column in columns.items()
            )
            selects.append(f"SELECT {chosen} FROM {given} AS p")
        view = f"CREATE OR REPLACE TEMP VIEW {DIALECT.quote(name)} AS {' UNION ALL '.join(selects)}"
        with duckdb_errors(_WHERE):
            self._connection.execute(view)
            for given in before:
                self._connection.unregister(given)

    def show_table(
        self, name: str, table: DeltaTable, columns: Mapping[str, Column] | None = None
    ) -> None:
        """Give a name to the rows of a Delta table, perhaps with more or wider columns."""
        own = columns_of(pa.schema(table.schema().to_arrow()))
        self.show(name, [(own, table.to_pyarrow_dataset())], columns or own, stored=True)

    # ── the ledger ───────────────────────────────────────────────────────────────────────────

    def learn(self, loads: Collection[int], rows: Mapping[int, Row]) -> None:
        """Take what the ledger says now of these loads."""
        if not loads:
            return
        listed = ", ".join(str(load) for load in loads)
        given = [dict(zip(NAMES, rows[load], strict=True)) for load in loads if load in rows]
        known = pa.Table.from_pylist(given, schema=pa.schema([SCHEMA.field(n) for n in NAMES]))
        with duckdb_errors(_WHERE):
            self._connection.register("_known", known)
            for table in (TABLE, _BEFORE):
                self._connection.execute(f"DELETE FROM {table} WHERE load_id IN ({listed})")
                self._connection.execute(f"INSERT INTO {table} SELECT {_LEDGER} FROM _known")
            self._connection.unregister("_known")

    def fold(self, events: str) -> None:
        """Let the ledger of a query be what the log of its changes says."""
        done = f"(SELECT event FROM {events} WHERE change = 'done')"
        with duckdb_errors(_WHERE):
            self._connection.execute(f"DROP TABLE {TABLE}")
            self._connection.execute(
                f"CREATE TEMP VIEW {TABLE} AS SELECT {_LEDGER} FROM (SELECT * FROM {events} "
                "WHERE change IN ('row', 'gone') "
                f"OR (change IN ('would', 'would go') AND event IN {done}) "
                "QUALIFY row_number() OVER (PARTITION BY load_id ORDER BY event DESC) = 1) "
                "WHERE change IN ('row', 'would')"
            )

    def changed(self) -> tuple[list[Row], list[int]]:
        """Return the rows of the ledger that are new or different, and the loads that are gone."""
        rows = self.execute(f"SELECT {_LEDGER} FROM (FROM {TABLE} EXCEPT FROM {_BEFORE})")
        gone = self.execute(f"SELECT load_id FROM {_BEFORE} ANTI JOIN {TABLE} USING (load_id)")
        return rows, [int(load) for (load,) in gone]
