"""What a database must be able to do for a load: the seam that every SQL sink fills."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks.sql.statements import Publication


class Session(ABC):
    """One transaction under way. Tables are named plainly; ``name`` qualifies and quotes them."""

    dialect: Dialect
    schema: str
    keeps_open: bool
    """As of its database."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Column]] = {}

    def name(self, table: str) -> str:
        """Return a table's quoted name with its schema."""
        return f"{self.dialect.quote(self.schema)}.{self.dialect.quote(table)}"

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement (``$1``, ``$2`` … stand for parameters) and return its rows."""

    def columns(self, table: str) -> dict[str, Column]:
        """Return a table's columns in order, by folded name; empty where there is no table."""
        known = self._known.get(table)
        if known is None:
            known = self.described(table)
            if self.is_settled(table):
                self._known[table] = known
        return dict(known)

    @abstractmethod
    def described(self, table: str) -> dict[str, Column]:
        """Ask the database for a table's columns."""

    def is_settled(self, table: str) -> bool:
        """Say whether no other transaction can change the table's columns while this one lasts."""
        return False

    @abstractmethod
    def ingest(
        self, table: str, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]
    ) -> None:
        """Append batches, whose columns are exactly these in name, order and Arrow type."""

    @abstractmethod
    def lend(self, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]) -> str:
        """Return what to select batches from, once in a transaction and as long as it lasts."""

    @abstractmethod
    def claim(self, name: str) -> bool:
        """Take a lock of the database until the transaction ends; say whether it was free."""

    @abstractmethod
    def commit(self) -> None:
        """End the transaction and keep its work."""

    @abstractmethod
    def rollback(self) -> None:
        """End the transaction and undo its work; never raises."""

    def prepare(self) -> None:
        """Create the schema if it is missing."""
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.dialect.quote(self.schema)}")

    def create(self, table: str, *, columns: Sequence[Column], scratch: bool = False) -> None:
        """Create a table; ``scratch`` says that losing it in a server crash does no harm."""
        self._known.pop(table, None)
        spelled = ", ".join(f"{self.dialect.quote(c.name)} {c.native}" for c in columns)
        self.execute(f"CREATE TABLE {self.name(table)} ({spelled})")

    def drop(self, table: str) -> None:
        """Drop a table if it is there."""
        self._known.pop(table, None)
        self.execute(f"DROP TABLE IF EXISTS {self.name(table)}")

    def add(self, table: str, *, column: Column) -> None:
        """Add a column."""
        self._known.pop(table, None)
        spelled = f"{self.dialect.quote(column.name)} {column.native}"
        self.execute(f"ALTER TABLE {self.name(table)} ADD COLUMN {spelled}")

    def omit(self, table: str, *, column: str) -> None:
        """Take a column away."""
        self._known.pop(table, None)
        self.execute(f"ALTER TABLE {self.name(table)} DROP COLUMN {self.dialect.quote(column)}")

    def widen(self, table: str, *, old: Column, new: Column) -> None:
        """Change a column's type and convert its values."""
        self._known.pop(table, None)
        name = self.dialect.quote(old.name)
        using = self.dialect.cast(name, old=old, new=new)
        self.execute(
            f"ALTER TABLE {self.name(table)} ALTER COLUMN {name} TYPE {new.native} USING {using}"
        )

    def swap(self, staging: str, *, target: str) -> bool:
        """Put one table in the place of another by renaming; say whether that was possible."""
        self.drop(target)
        self._known.pop(staging, None)
        renamed = self.dialect.quote(target)
        self.execute(f"ALTER TABLE {self.name(staging)} RENAME TO {renamed}")
        return True

    def alone(self, table: str) -> None:
        """Wait until no other transaction changes the table's shape, and keep others out."""

    def guard(self, table: str) -> None:
        """Keep other writers off the table until the transaction ends; readers may go on."""

    def cut(self, table: str, *, rows: int) -> bool:
        """Delete what a staging table has beyond so many rows; say whether those are there."""
        from airflow_provider_spotify.core.sinks.sql.statements import SEQUENCE  # loads pyarrow

        present = self.columns(table)
        if not present:
            return rows == 0
        if self.dialect.fold(SEQUENCE) in present:
            sequence = self.dialect.quote(SEQUENCE)
            self.execute(f"DELETE FROM {self.name(table)} WHERE {sequence} >= {int(rows)}")
        ((found,),) = self.execute(f"SELECT count(*) FROM {self.name(table)}")
        return int(found) == rows

    def settle(self, table: str) -> None:
        """Let the planner know what was put into a table."""

    def publication(self, **words: Any) -> Publication:
        """Return how staged rows are worked into a table; ``words`` are its arguments."""
        from airflow_provider_spotify.core.sinks.sql.statements import Publication  # loads pyarrow

        return Publication(self, **words)

    def keyed(self, table: str, *, key: Sequence[str]) -> None:
        """Make finding rows by their key fast, on a table that was just created."""


class Database(ABC):
    """A schema of a database, and how to begin a transaction in it."""

    dialect: Dialect
    schema: str
    keeps_open: bool
    """A transaction may stay open between writes: others are not kept waiting by it."""
    buffer_bytes: int
    """How many bytes of rows wait in memory before they are put into a table."""
    lingers: bool = False
    """Transactions follow each other soon: what one opened may be left open for the next."""

    @abstractmethod
    def begin(self) -> Session:
        """Begin a transaction."""

    @abstractmethod
    def lock(self, name: str) -> AbstractContextManager[None]:
        """Exclude others who lock the same name, until released or killed.

        :raises TransientError: if another holds it, saying who
        """

    @abstractmethod
    def exists(self) -> bool:
        """Say whether the database is there, creating nothing."""

    def close(self) -> None:
        """Give up what is held between transactions."""

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a transaction that commits at the end, or rolls back on an error."""
        session = self.begin()
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
