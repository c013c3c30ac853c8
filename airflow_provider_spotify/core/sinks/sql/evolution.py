"""Bringing a table's columns to what the rows need: create, add, widen, never narrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import SchemaChange
from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect
from airflow_provider_spotify.core.sinks.sql.types import convert, join

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.session import Session


def wanted(
    batches: Sequence[pa.RecordBatch], *, dialect: Dialect, known: Mapping[str, Column]
) -> dict[str, Column]:
    """Return the columns that the batches bring, as wide as the widest of them.

    A column that holds only nulls has no type of its own: it takes the type it is known by, or
    stays away until there is a value.

    :raises DataError: if two columns of one batch have the same name to this database
    """
    found: dict[str, Column] = {}
    for schema in {batch.schema for batch in batches}:
        for name, field in _fields(schema, dialect).items():
            before = found.get(name)
            if pa.types.is_null(field.type):
                if name in known and before is None:
                    found[name] = known[name]
                continue
            stored = dialect.store(field.type)
            if before is not None and before.type is not None:
                stored = dialect.store(join(before.type, stored))
            if before is None or before.type is not None:
                found[name] = Column(field.name, dialect.native(stored), stored)
    return found


def widest(tables: Sequence[Mapping[str, Column]], *, dialect: Dialect) -> dict[str, Column]:
    """Return the columns of all tables, each as wide as the widest of it.

    A type that this package never creates gives way to one that it does.
    """
    found: dict[str, Column] = {}
    for table in tables:
        for name, column in table.items():
            before = found.get(name)
            if before is None or before.type is None:
                found[name] = column
            elif column.type is not None and column.type != before.type:
                wide = join(before.type, column.type)
                found[name] = before if wide == before.type else dialect.column(before.name, wide)
    return found


def _fields(schema: pa.Schema, dialect: Dialect) -> dict[str, pa.Field]:
    fields: dict[str, pa.Field] = {}
    for field in schema:
        name = dialect.fold(field.name)
        if name in fields:
            raise DataError(
                f"columns {fields[name].name!r} and {field.name!r} are the same to this database; "
                "rename one in the contract"
            )
        fields[name] = field
    return fields


def evolve(
    session: Session,
    table: str,
    *,
    columns: Mapping[str, Column],
    tail: Sequence[Column] = (),
    scratch: bool = False,
) -> list[SchemaChange]:
    """Make a table able to hold these columns; create it, with ``tail`` last, if it is not there.

    :returns: what changed; nothing for a table that was created
    """
    present = session.columns(table)
    if present and not _steps(session, present, columns, tail):
        return []
    session.alone(table)
    present = session.columns(table)  # another load may have been here first
    if not present:
        session.create(table, columns=[*columns.values(), *tail], scratch=scratch)
        return []
    steps = _steps(session, present, columns, tail)
    for old, new in steps:
        if old is None:
            session.add(table, column=new)
        else:
            session.widen(table, old=old, new=new)
    return [_change(old, new) for old, new in steps]


def _steps(
    session: Session,
    present: Mapping[str, Column],
    columns: Mapping[str, Column],
    tail: Sequence[Column],
) -> list[tuple[Column | None, Column]]:
    """Return what to add (no old column) and what to widen."""
    dialect = session.dialect
    steps: list[tuple[Column | None, Column]] = []
    for name, column in [*columns.items(), *((dialect.fold(c.name), c) for c in tail)]:
        old = present.get(name)
        if old is None:
            steps.append((None, column))
        elif old.type is not None and column.type is not None:
            wide = dialect.column(old.name, join(old.type, column.type))
            if wide.type != old.type:
                steps.append((old, wide))
    return steps


def _change(old: Column | None, new: Column) -> SchemaChange:
    if old is None:
        return SchemaChange(column=new.name, change="added", new=new.native)
    return SchemaChange(column=new.name, change="widened", old=old.native, new=new.native)


def difference(old: Mapping[str, Column], new: Mapping[str, Column]) -> list[SchemaChange]:
    """Return how the table that replaces another differs from it."""
    if not old:
        return []
    changes = [
        SchemaChange(column=c.name, change="dropped", old=c.native)
        for name, c in old.items()
        if name not in new
    ]
    for name, column in new.items():
        before = old.get(name)
        if before is None or before.native != column.native:
            changes.append(_change(before, column))
    return changes


def conform(
    batch: pa.RecordBatch, *, columns: Sequence[Column], dialect: Dialect
) -> pa.RecordBatch:
    """Return the batch with exactly these columns; those it lacks are null.

    :raises DataError: if a value does not fit, naming the column
    """
    place = {dialect.fold(name): number for number, name in enumerate(batch.schema.names)}
    arrays = []
    for column in columns:
        number = place.get(dialect.fold(column.name))
        type_ = column.type or pa.string()  # a type of the user's own reads its values from text
        if number is None:
            arrays.append(pa.nulls(batch.num_rows, type_))
        else:
            arrays.append(convert(batch.column(number), type_, column=column.name))
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
