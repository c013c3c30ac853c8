"""Writes the SQL of one read: which rows after a cursor, in which order."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from airflow_provider_spotify.core.clients.postgres_reader import identifier, literal
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor, Window

TIMES = ("date", "timestamp", "timestamptz")
INTEGERS = ("int2", "int4", "int8")
FROM = "source"
"""What the table or query is called in the SELECT."""
KEY = "_cursor_value"
"""The hidden column that holds the cursor column's value as it is compared."""


class Key(NamedTuple):
    """The column that orders the rows.

    :param kind: PostgreSQL's name of its type
    :param upto: read no value above this
    """

    column: str
    kind: str
    lookback: timedelta | int = 0
    upto: int | str | None = None

    @property
    def sql(self) -> str:
        """The quoted column."""
        return identifier(self.column)

    @property
    def order(self) -> str:
        """The ORDER BY; a bare name would mean the converted column of that name."""
        return f"ORDER BY {FROM}.{self.sql} NULLS LAST"

    @property
    def selected(self) -> str:
        """The expression of ``KEY``: equal exactly where PostgreSQL says the values are equal."""
        if self.kind in TIMES:
            return f"CASE WHEN isfinite({self.sql}) THEN {self.sql} END AS {KEY}"
        if self.kind == "numeric":
            return f"trim_scale({self.sql})::text AS {KEY}"
        cast = "" if self.kind in INTEGERS else "::text"
        return f"{self.sql}{cast} AS {KEY}"

    def after(self, since: Cursor | None) -> list[str]:
        """Write the conditions for rows after a cursor that ``saved`` gave.

        :raises ConfigurationError: if the cursor is of another column or type
        """
        bound = [] if self.upto is None else [f"{self.sql} <= {literal(self.upto)}"]
        if since is None:
            return [f"({bound[0]} OR {self._unset})"] if bound else []
        if (since.get("column"), since.get("type")) != (self.column, self.kind):
            was = f"{since.get('column')} ({since.get('type')})"
            raise ConfigurationError(
                f"the saved cursor is of column {was}, the import now goes by {self.column} "
                f"({self.kind}); run once with full refresh"
            )
        value, more = since["value"], since["more"]
        newer = [] if value is None else [f"{self.sql} > {self._bound(value, back=not more)}"]
        values = [*newer, *bound]
        if more and since.get("unset"):
            return [f"({' AND '.join(values)} OR {self._unset})"] if values else []
        return [*values, f"NOT {self._unset}"]

    def greatest(self, relation: str, conditions: Sequence[str]) -> str:
        """Ask for the greatest value among some rows, as ``KEY``."""
        known = (*conditions, f"NOT {self._unset}")
        return select(
            self.selected, relation, known, tail=f"ORDER BY {FROM}.{self.sql} DESC LIMIT 1"
        )

    def within(self, window: Window) -> list[str]:
        """Write the conditions for rows of a window.

        :raises ConfigurationError: if the column holds no times
        """
        if self.kind not in TIMES:
            raise ConfigurationError(
                f"a window needs a cursor column of dates or times; {self.column} is {self.kind}"
            )
        start, end = (literal(t.isoformat()) for t in (window.start, window.end))
        return [f"{self.sql} >= {start}::timestamptz", f"{self.sql} < {end}::timestamptz"]

    def saved(self, value: Any, *, more: bool, unset: bool) -> Cursor:
        """Make a cursor.

        :param value: the greatest value so far; None if there was none
        :param more: rows of this read are still to come: resuming goes on, without lookback
        :param unset: this read also gives the rows whose value is NULL or infinite, at its end
        """
        cursor = {"column": self.column, "type": self.kind, "value": value, "more": more}
        return cursor | ({"unset": True} if more and unset else {})

    @property
    def _unset(self) -> str:
        nothing = f"{self.sql} IS NULL"
        return f"({nothing} OR NOT isfinite({self.sql}))" if self.kind in TIMES else f"({nothing})"

    def _bound(self, value: Any, *, back: bool) -> str:
        if not back or not self.lookback:
            return literal(value)
        if self.kind in INTEGERS and isinstance(self.lookback, int):
            return literal(int(value) - self.lookback)
        if self.kind in TIMES and isinstance(self.lookback, timedelta):
            seconds = self.lookback.total_seconds()
            return f"{literal(value)}::{self.kind} - interval '{seconds} seconds'"
        wanted = "a number of steps" if self.kind in INTEGERS else "a duration"
        known = f"{wanted}" if self.kind in (*INTEGERS, *TIMES) else "none"
        raise ConfigurationError(
            f"cursor column {self.column} is {self.kind}: its lookback must be {known}"
        )


def between(column: str | None, lower: str | int | None, upper: str | int | None) -> list[str]:
    """Write the conditions of a partition: lower included, upper excluded; None is open.

    The partition without a lower bound also holds the rows where the column is NULL.

    :param column: None stands for the pages of the table
    """
    if column is None:
        name = f"{FROM}.ctid"
        pages = ((">=", lower), ("<", upper))
        return [f"{name} {sign} '({int(page)},0)'::tid" for sign, page in pages if page is not None]
    name = identifier(column)
    if lower is None:
        return [] if upper is None else [f"({name} < {literal(upper)} OR {name} IS NULL)"]
    at_least = f"{name} >= {literal(lower)}"
    return [at_least] if upper is None else [at_least, f"{name} < {literal(upper)}"]


def select(what: str, relation: str, conditions: Sequence[str], *, tail: str = "") -> str:
    """Put a SELECT together."""
    where = " AND ".join(f"({condition})" for condition in conditions)
    parts = ["SELECT", what, "FROM", relation, *(["WHERE", where] if where else []), tail]
    return " ".join(parts).rstrip()


TABLE_NAMES = """
    SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n
    ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1 LIMIT 5000
"""
"""The tables and views that could have been meant."""


def column_names(schema: str, table: str) -> str:
    """Ask for the columns of a table."""
    place = f"to_regclass({literal(identifier(schema, table))})"
    there = (f"attrelid = {place}", "attnum > 0", "NOT attisdropped")
    return select("attname::text AS name", "pg_attribute", there, tail="ORDER BY attnum")


def missing_column(message: str) -> str | None:
    """Return the column that a message of PostgreSQL says is not there."""
    found = re.search(r'column "?([^"]+?)"? does not exist', message)
    return found[1].rpartition(".")[2] if found else None


def kind_of(schema: str, table: str) -> str:
    """Ask what a relation is: ``r`` table, ``p`` partitioned table, ``m`` materialized view."""
    there = (f"oid = to_regclass({literal(identifier(schema, table))})",)
    return select("relkind::text AS kind", "pg_class", there)


def near_names(found: Sequence[Mapping[str, Any]], wanted: str) -> str:
    """Offer the names nearest to one that is not there."""
    names = [str(row["name"]) for row in found]
    near = difflib.get_close_matches(wanted, names, n=3)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    return f"there is {', '.join(names[:20])}" if names else "there is none at all"
