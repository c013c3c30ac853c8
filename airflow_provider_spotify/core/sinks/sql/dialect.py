"""How one database spells identifiers and types."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from airflow_provider_spotify.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


class Column(NamedTuple):
    """One column of a table.

    :param native: its type as the database spells it
    :param type: the Arrow type it holds; None for a type that this package never creates
    """

    name: str
    native: str
    type: pa.DataType | None


class Refusal(NamedTuple):
    """Why rows cannot be stored: a boolean mask, the column and the reason."""

    mask: pa.Array
    column: str
    reason: str


class Dialect(ABC):
    """The spelling of one database."""

    max_bytes: ClassVar[int | None] = None
    """The longest identifier, in bytes of UTF-8."""

    def quote(self, name: str) -> str:
        """Return an identifier that stands for exactly this name.

        :raises DataError: if it is empty or holds a NUL, which no identifier may
        """
        if not name or "\0" in name:
            raise DataError(f"{name!r} cannot name a table or a column; rename it in the contract")
        return '"' + name.replace('"', '""') + '"'

    def fit(self, name: str, *, suffix: str = "") -> str:
        """Return ``name + suffix``, shortened with a digest where the database would cut it."""
        whole = name + suffix
        if self.max_bytes is None or len(whole.encode()) <= self.max_bytes:
            return whole
        digest = "_" + hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
        room = self.max_bytes - len((digest + suffix).encode())
        return name.encode()[:room].decode(errors="ignore") + digest + suffix

    def fold(self, name: str) -> str:
        """Return what two names share when the database takes them for the same."""
        return name

    def prepare(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with values in a form that ``values`` and ``store`` know."""
        return batch

    def values(self, batch: pa.RecordBatch) -> Sequence[Refusal]:
        """Find rows whose values this database cannot hold."""
        return ()

    def text(self, array: pa.Array) -> pa.Array:
        """Return text that this database can hold, for rejected records."""
        return array

    @abstractmethod
    def store(self, type_: pa.DataType) -> pa.DataType:
        """Return the Arrow type under which values of ``type_`` are stored here."""

    @abstractmethod
    def native(self, type_: pa.DataType) -> str:
        """Spell a type that ``store`` returned."""

    def cast(self, expression: str, *, old: Column, new: Column) -> str:
        """Return SQL that turns a value of one column into a value of another."""
        if old.native == new.native:
            return expression
        return f"CAST({expression} AS {new.native})"

    def compared(self, expression: str, column: Column) -> str:
        """Return what to compare in the place of a value whose type has no equality."""
        return expression

    def column(self, name: str, type_: pa.DataType) -> Column:
        """Return the column that would hold values of an Arrow type."""
        stored = self.store(type_)
        return Column(name, self.native(stored), stored)

    def names(self, columns: Mapping[str, Column] | Sequence[str], *, alias: str = "") -> str:
        """Return a list of quoted names for SQL."""
        dot = f"{alias}." if alias else ""
        return ", ".join(dot + self.quote(name) for name in self.spelled(columns))

    @staticmethod
    def spelled(columns: Mapping[str, Column] | Sequence[str]) -> Sequence[str]:
        """Return the names of columns as the table spells them."""
        if isinstance(columns, Mapping):
            return [column.name for column in columns.values()]
        return columns
