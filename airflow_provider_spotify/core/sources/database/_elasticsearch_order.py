"""In what order documents are read, and where a later read goes on: sort values, never a PIT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import (
    FLOATS,
    INTEGERS,
    Mapped,
)

Query = Mapping[str, Any]
Kind = Literal["date", "date_nanos", "integer", "double", "text"]
SEQUENCE = "_seq_no"
_SORTED: Mapping[str, Kind] = {
    "date": "date",
    "date_nanos": "date_nanos",
    "unsigned_long": "integer",
    "keyword": "text",
    "constant_keyword": "text",
    **dict.fromkeys(INTEGERS, "integer"),
    **dict.fromkeys(FLOATS, "double"),
}
_UNITS: Mapping[Kind, int] = {"date": 1000, "date_nanos": 1_000_000_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Pass(NamedTuple):
    """One sorted read: documents that match, and what their order says.

    :param name: the key of the cursor that their sort value goes into
    :param kind: of the sort value
    :param from_: rows whose sort value is less are left out, and equal ones unless ``inclusive``:
        a field with several values matches by any of them and sorts by the least
    """

    filters: Sequence[Query]
    sort: Mapping[str, Any]
    name: str
    kind: Kind = "integer"
    from_: Any = None
    inclusive: bool = False

    def passed(self, value: Any) -> bool:
        """Say whether a row of this sort value belongs to an earlier read."""
        if self.from_ is None:
            return False
        return bool(value < self.from_ if self.inclusive else value <= self.from_)


class Order(NamedTuple):
    """The field that documents are read by; their ``_seq_no`` where there is none.

    A sequence number is unique in its shard and only grows, so a read cut short goes on exactly;
    a document that is changed meanwhile gets a new one and is read again, never lost.

    :param lookback: how much is read again at the next read, for what came late
    :param delay: how much of the newest is left to the next read
    :param over: read only values above this one, and then none of the documents without a value
    :param upto: read no value above this one
    :param mixed: the field is of several types in several indices
    """

    field: str
    kind: Kind
    lookback: int | timedelta = 0
    delay: timedelta = timedelta(0)
    over: Any = None
    upto: Any = None
    mixed: bool = False

    def passes(self, since: Cursor | None, window: Window | None) -> list[Pass]:
        """Return the reads that together give what comes after a cursor.

        :raises ConfigurationError: if the cursor is of another field, or a window does not fit
        """
        if self.field == SEQUENCE:
            more = bool(since and since.get("more"))
            return [self._sequence("value", since["value"] if since and more else None)]
        if window is not None:
            return [self._within(window)]
        self._own(since)
        first = self._after(since)
        if self.over is not None or (since is not None and "unset" not in since):
            return [first]
        unset = {"bool": {"must_not": {"exists": {"field": self.field}}}}
        return [first, self._sequence("unset", since["unset"] if since else None, unset)]

    def saved(self, at: Mapping[str, Any], *, more: bool) -> Cursor:
        """Make a cursor from the greatest sort values so far, by the passes' names."""
        kept = {k: v for k, v in at.items() if k == "value" or more}
        return {"field": self.field, "kind": self.kind, "value": None, **kept, "more": more}

    def begin(self, since: Cursor | None) -> dict[str, Any]:
        """Return the sort values that a read begins with."""
        if self.field == SEQUENCE:
            return {}
        if since is None:
            return {"value": None} if self.over is not None else {"value": None, "unset": None}
        return {k: since[k] for k in ("value", "unset") if k in since}

    def whole(self, value: float) -> Any:
        """Return a bound, as an aggregation gives it, as a value of this field."""
        return value if self.kind == "double" else int(value)

    @property
    def timed(self) -> bool:
        """The field holds times."""
        return self.kind in _UNITS

    def _after(self, since: Cursor | None) -> Pass:
        value = since["value"] if since else None
        if value is not None and since and not since["more"]:
            value = self._back(value)
        if self.over is not None:
            value = self.over if value is None else max(value, self.over)
        bounds: dict[str, Any] = {} if value is None else {"gt": self._bound(value)}
        if self.upto is not None:
            bounds["lte"] = self._bound(self.upto)
        if self.delay and self.timed:
            late = datetime.now(UTC) - self.delay
            bounds["lt"] = self._bound(self._at(late))
        filters = [self._range(bounds)] if bounds else [{"exists": {"field": self.field}}]
        return Pass(filters, self._sort(), "value", self.kind, value)

    def _within(self, window: Window) -> Pass:
        if not self.timed:
            raise ConfigurationError(
                f"a window needs a cursor field of dates; {self.field} is {self.kind}"
            )
        start, end = self._at(window.start), self._at(window.end)
        bounds = {"gte": self._bound(start), "lt": self._bound(end)}
        filters = [self._range(bounds)]
        return Pass(filters, self._sort(), "value", self.kind, start, inclusive=True)

    def _sequence(self, name: str, after: int | None, *filters: Query) -> Pass:
        newer = [{"range": {SEQUENCE: {"gt": after}}}] if after is not None else []
        return Pass([*filters, *newer], {SEQUENCE: {"order": "asc"}}, name)

    def _sort(self) -> Mapping[str, Any]:
        sort: dict[str, Any] = {"order": "asc", "mode": "min"}
        if self.mixed and self.kind != "text":
            sort["numeric_type"] = "long" if self.kind == "integer" else self.kind
        sort["unmapped_type"] = "keyword" if self.kind == "text" else "long"
        return {self.field: sort}

    def _range(self, bounds: Mapping[str, Any]) -> Query:
        form = {"format": "epoch_millis"} if self.timed else {}
        return {"range": {self.field: {**bounds, **form}}}

    def _bound(self, value: Any) -> Any:
        if self.kind == "date":
            return str(value)
        if self.kind == "date_nanos":
            millis, nanos = divmod(int(value), 1_000_000)
            return f"{millis}.{nanos:06d}" if nanos else str(millis)
        return value

    def _at(self, moment: datetime) -> int:
        micros = (moment - _EPOCH) // timedelta(microseconds=1)
        unit = _UNITS[self.kind]
        # Up, so that a window that begins within a millisecond does not give that one twice.
        return -(-micros * unit // 1_000_000)

    def _back(self, value: Any) -> Any:
        if not self.lookback:
            return value
        if self.timed and isinstance(self.lookback, timedelta):
            micros = self.lookback // timedelta(microseconds=1)
            return value - micros * _UNITS[self.kind] // 1_000_000
        if self.kind == "integer" and isinstance(self.lookback, int):
            return value - self.lookback
        wanted = "a duration" if self.timed else "a number" if self.kind == "integer" else "none"
        raise ConfigurationError(
            f"cursor field {self.field} is {self.kind}: its lookback must be {wanted}"
        )

    def _own(self, since: Cursor | None) -> None:
        if since and (since.get("field"), since.get("kind")) != (self.field, self.kind):
            raise ConfigurationError(
                f"the saved cursor is of field {since.get('field')} ({since.get('kind')}), the "
                f"import now goes by {self.field} ({self.kind}); run once with full refresh"
            )


def kind_of(path: str, mapped: Mapped) -> Kind:
    """Return how a field sorts.

    :raises ConfigurationError: if it does not, or not alike in all its indices
    """
    kinds = {_SORTED.get(each) for each in mapped.types}
    if kinds == {"date", "date_nanos"}:
        return "date_nanos"
    if kinds == {"integer", "double"}:
        return "double"
    (kind, *others) = kinds
    if kind is None or others:
        raise ConfigurationError(
            f"cursor field {path} is {', '.join(sorted(mapped.types))}: use one of dates, numbers "
            f"or keyword, such as {path}.keyword where the mapping has it"
        )
    return kind
