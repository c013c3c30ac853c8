"""Writes the SQL of one read: which rows after a cursor, in which order, of which part."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.clients.clickhouse import identifier, literal
from airflow_provider_spotify.core.clients.clickhouse_types import bare
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor, Window

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "_cursor_value"
"""The hidden column that holds the cursor column's value, equal where values are equal."""
_INTEGERS = tuple(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256))
_WIDE = ("128", "256")
_TIMES = ("Date", "Date32", "DateTime", "DateTime64")
_OTHERS = ("String", "UUID", "Decimal")


class Key(NamedTuple):
    """The column that orders the rows.

    :param kind: its type, without Nullable and the like
    """

    column: str
    kind: str
    lookback: timedelta | int = 0

    @classmethod
    def of(cls, column: str, type_: str, lookback: timedelta | int) -> Key:
        """Return the key of a column.

        :raises ConfigurationError: if its type has no order that a cursor can rely on
        """
        found = bare(type_)
        if found.name not in (*_INTEGERS, *_TIMES, *_OTHERS):
            known = "integers, dates, times, String, UUID or Decimal"
            raise ConfigurationError(f"cursor column {column} is {type_}; it must hold {known}")
        kind = found.name + (f"({', '.join(found.arguments)})" if found.arguments else "")
        return cls(column, kind, lookback)

    @property
    def sql(self) -> str:
        """The quoted column."""
        return identifier(self.column)

    @property
    def order(self) -> str:
        """The ORDER BY."""
        return f"ORDER BY {self.sql} NULLS LAST"

    @property
    def selected(self) -> str:
        """The expression of ``KEY``; what Arrow has no type for comes as text."""
        if self._is("DateTime", "DateTime64"):
            return f"toTimeZone(toDateTime64({self.sql}, {self._digits}), 'UTC') AS {KEY}"
        plain = self._is(*_TIMES) or (self._is(*_INTEGERS) and not self.kind.endswith(_WIDE))
        return f"{self.sql if plain else self.text(self.sql)} AS {KEY}"

    def text(self, expression: str) -> str:
        """Return SQL for a value as the cursor keeps it: times in UTC."""
        zoned = ", 'UTC'" if self._is("DateTime", "DateTime64") else ""
        return f"toString({expression}{zoned})"

    def after(self, since: Cursor | None) -> list[str]:
        """Write the conditions for rows after a cursor that ``saved`` gave.

        :raises ConfigurationError: if the cursor is of another column or type
        """
        if since is None:
            return []
        if (since.get("column"), since.get("type")) != (self.column, self.kind):
            was = f"{since.get('column')} ({since.get('type')})"
            raise ConfigurationError(
                f"the saved cursor is of column {was}, the import now goes by {self.column} "
                f"({self.kind}); run once with full refresh"
            )
        value, more = since["value"], since["more"]
        newer = [] if value is None else [f"{self.sql} > {self._bound(value, back=not more)}"]
        if more and since.get("unset"):
            return [f"({newer[0]} OR {self.sql} IS NULL)"] if newer else []
        return [*newer, f"{self.sql} IS NOT NULL"]

    def upto(self, value: Any) -> str:
        """Write the condition for rows up to a value; those without one belong to it."""
        return f"({self.sql} <= {self.typed(value)} OR {self.sql} IS NULL)"

    def within(self, window: Window) -> list[str]:
        """Write the conditions for rows of a window.

        :raises ConfigurationError: if the column holds no times
        """
        if not self._is(*_TIMES):
            raise ConfigurationError(
                f"a window needs a cursor column of dates or times; {self.column} is {self.kind}"
            )
        return [f"{self.sql} >= {_moment(window.start)}", f"{self.sql} < {_moment(window.end)}"]

    def saved(self, value: Any, *, more: bool, unset: bool) -> Cursor:
        """Make a cursor.

        :param value: the greatest value so far; None if there was none
        :param more: rows of this read are still to come: resuming goes on, without lookback
        :param unset: this read also gives the rows whose value is NULL, at its end
        """
        cursor = {"column": self.column, "type": self.kind, "value": value, "more": more}
        return cursor | ({"unset": True} if more and unset else {})

    def typed(self, value: Any) -> str:
        """Write a value so that it is compared as one of the column."""
        if self._is("DateTime", "DateTime64"):
            return f"toDateTime64({literal(str(value))}, {self._digits}, 'UTC')"
        return f"CAST({literal(str(value))}, {literal(self.kind)})"

    @property
    def _digits(self) -> int:
        found = bare(self.kind)
        return int(found.arguments[0]) if found.name == "DateTime64" else 0

    def _is(self, *names: str) -> bool:
        return bare(self.kind).name in names

    def _bound(self, value: Any, *, back: bool) -> str:
        if not back or not self.lookback:
            return self.typed(value)
        if self._is(*_INTEGERS) and isinstance(self.lookback, int):
            return literal(int(value) - self.lookback)
        if self._is(*_TIMES) and isinstance(self.lookback, timedelta):
            wide = f"toDateTime64({literal(str(value))}, 6, 'UTC')"
            return f"{wide} - toIntervalMicrosecond({self.lookback // timedelta(microseconds=1)})"
        wanted = "a number of steps" if self._is(*_INTEGERS) else "a duration"
        known = wanted if self._is(*_INTEGERS, *_TIMES) else "none"
        raise ConfigurationError(
            f"cursor column {self.column} is {self.kind}: its lookback must be {known}"
        )


_EPOCH = datetime(1970, 1, 1)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def written(value: pa.Scalar) -> str:
    """Write a value of ``KEY`` as cursors keep it, with all of its digits."""
    unit = getattr(value.type, "unit", None)
    if unit is None:
        return str(value.as_py())
    seconds, ticks = divmod(value.value, _PER_SECOND[unit])
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat(" ")
    digits = len(str(_PER_SECOND[unit])) - 1
    return f"{text}.{ticks:0{digits}d}" if digits else text


def _moment(moment: datetime) -> str:
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return f"toDateTime64({literal(text)}, 6, 'UTC')"


def select(what: str, relation: str, conditions: Sequence[str], *, tail: str = "") -> str:
    """Put a SELECT together."""
    where = " AND ".join(f"({condition})" for condition in conditions)
    parts = ["SELECT", what, "FROM", relation, *(["WHERE", where] if where else []), tail]
    return " ".join(parts).rstrip()


def near_names(names: Sequence[str], wanted: str) -> str:
    """Offer the names nearest to one that is not there."""
    near = difflib.get_close_matches(wanted, names, n=3)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    return f"there is {', '.join(names[:20])}" if names else "there is none at all"
