"""Finds the large values that an update did not change, and that the log therefore leaves out.

PostgreSQL stores large values apart from their row (TOAST), and writes an unchanged one to the log
only where the table has REPLICA IDENTITY FULL. Elsewhere it is looked up in the table as it is
now: if it has changed since, the change that did so follows in the stream, so that a table which
is merged ends right; a log of changes shows the newer value a little early. If the row is gone
since, the value is nowhere, and the change is rejected; the delete that follows still comes.
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (TupleData)
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from airflow_provider_spotify.core.clients.postgres import connect, postgres_errors
from airflow_provider_spotify.core.clients.postgres_pgoutput import UNCHANGED, Attribute, Value
from airflow_provider_spotify.core.clients.postgres_query import select
from airflow_provider_spotify.core.clients.postgres_reader import identifier
from airflow_provider_spotify.core.clients.postgres_replication import SETTINGS
from airflow_provider_spotify.core.model import Credentials

_OF_SENDER = ("wal_sender_timeout",)


class Unchanged:
    """Looks large values up.

    :param schema, table: where they are
    """

    def __init__(self, credentials: Credentials, *, schema: str, table: str) -> None:
        self._credentials = credentials
        self._relation = identifier(schema, table)

    def fill(
        self, rows: Sequence[list[Value]], attributes: Sequence[Attribute], keys: Sequence[int]
    ) -> set[int]:
        """Fill in what is missing; return the rows of which something stays missing."""
        holed = [at for at, row in enumerate(rows) if UNCHANGED in row]
        if not holed:
            return set()
        missing = sorted({at for row in holed for at, v in enumerate(rows[row]) if v is UNCHANGED})
        found = self._look_up([rows[at] for at in holed], attributes, keys, missing)
        for number, at in enumerate(holed):
            for column, value in zip(missing, found.get(number, ()), strict=False):
                if rows[at][column] is UNCHANGED:
                    rows[at][column] = value
        return {at for at in holed if any(v is UNCHANGED for v in rows[at])}

    def record(self, values: Sequence[Value], attributes: Sequence[Attribute]) -> str:
        """Write what is known of a row as JSON."""
        known = {
            each.name: None if value is None else value.decode()
            for each, value in zip(attributes, values, strict=True)
            if value is not UNCHANGED
        }
        return orjson.dumps(known).decode()

    def _look_up(
        self,
        rows: Sequence[list[Value]],
        attributes: Sequence[Attribute],
        keys: Sequence[int],
        missing: Sequence[int],
    ) -> dict[int, list[Value]]:
        """Return the values of the missing columns by the number of the row."""
        import psycopg

        if not keys:
            return {}
        names = [identifier(attributes[at].name) for at in keys]
        values = [[_text(row[at]) for row in rows] for at in keys]
        with connect(self._credentials) as connection, postgres_errors(self._credentials):
            for name, value in SETTINGS.items():
                if name not in _OF_SENDER:
                    connection.execute(f"SET {name} = '{value}'".encode())
            kinds = [self._kind(connection, attributes[at]) for at in keys]
            arrays = ", ".join(f"${at + 1}::text[]" for at in range(len(keys)))
            wanted = ", ".join(f"k{at}" for at in range(len(keys)))
            same = " AND ".join(
                f"t.{name} = w.k{at}::{kind}"
                for at, (name, kind) in enumerate(zip(names, kinds, strict=True))
            )
            columns = ", ".join(f"t.{identifier(attributes[at].name)}::text" for at in missing)
            asked = f"unnest({arrays}) WITH ORDINALITY AS w({wanted}, nth)"
            joined = f"{self._relation} t JOIN {asked} ON {same}"
            query = select(f"w.nth, {columns}", joined, ())
            try:
                found = connection.execute(query.encode(), values).fetchall()
            except psycopg.errors.UndefinedColumn:  # dropped or renamed since
                return {}
        return {nth - 1: [None if v is None else v.encode() for v in row] for nth, *row in found}

    @staticmethod
    def _kind(connection: object, attribute: Attribute) -> str:
        row = connection.execute(  # type: ignore[attr-defined]
            b"SELECT format_type($1::oid, $2::int4)", [attribute.oid, attribute.modifier]
        ).fetchone()
        return str(row[0])


def _text(value: Value) -> str | None:
    return None if value is None or value is UNCHANGED else value.decode()
