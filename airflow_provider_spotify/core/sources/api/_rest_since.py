"""What is new since the last time: the highest value seen, and which rows had it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from pydantic import Field, field_validator

from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Frozen, Window
from airflow_provider_spotify.core.sources.api._rest_pages import dig

Record = Mapping[str, Any]
MOST_SEEN = 2000
"""Rows of the boundary that a cursor remembers; above, all of them are read again."""
_FORMATS = ("iso", "date", "epoch", "epoch_ms", "value")


class Incremental(Frozen):
    """Which parameter asks for what is new, and which field of a record says how new it is."""

    param: str = Field(description="parameter that takes the lower bound")
    field: str = Field(description="path of the time, or of a rising number, in a record")
    format: str = Field(
        "iso", description=f"how the bound is written: {', '.join(_FORMATS)} or a strftime pattern"
    )
    end_param: str | None = Field(None, description="parameter that takes a window's end")
    start: str | int | None = Field(None, description="the bound of the first run")
    lookback: Duration = Field(timedelta(0), description="how far to look back for late rows")

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _FORMATS and "%" not in value:
            raise ValueError(f"one of {', '.join(_FORMATS)}, or a strftime pattern such as %Y%m%d")
        return value

    def value(self, record: Record) -> Any:
        """Return what a record's field says: a time in UTC, or the value itself; None: nothing."""
        raw = dig(record, self.field)
        return raw if self.format == "value" else parse_time(raw)

    def load(self, text: Any) -> Any:
        """Read a bound from a cursor."""
        return text if self.format == "value" or text is None else datetime.fromisoformat(text)

    def dump(self, bound: Any) -> Any:
        """Write a bound for a cursor."""
        return bound.isoformat() if isinstance(bound, datetime) else bound

    def write(self, bound: Any) -> Any:
        """Write a bound as the parameter wants it; what is finer than its format is cut off."""
        if self.format == "value":
            return bound
        if self.format == "iso":
            return bound.isoformat().replace("+00:00", "Z")
        if self.format == "date":
            return bound.date().isoformat()
        if self.format == "epoch":
            return int(bound.timestamp())
        if self.format == "epoch_ms":
            return (bound - _EPOCH) // timedelta(milliseconds=1)
        return bound.strftime(self.format)

    def lowest(self, bound: Any) -> Any:
        """Return the lowest value that asking for this bound may answer with."""
        if self.format == "value":
            return bound
        back = bound - self.lookback
        if "%" in self.format:
            try:
                return datetime.strptime(self.write(back), self.format).replace(tzinfo=UTC)
            except ValueError:
                return datetime.combine(back.date(), datetime.min.time(), UTC)
        return parse_time(self.write(back))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(raw: Any) -> datetime | None:
    """Read a time: ISO 8601, RFC 2822, or seconds, milliseconds or microseconds since 1970.

    A time without a zone is UTC. What is no time gives None.
    """
    # Eight digits are a date (20260131), not the seconds of a day in 1970.
    if isinstance(raw, str) and (not raw.isdigit() or len(raw) == 8):
        return _parse_text(raw.strip())
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    stamp = float(raw)
    for unit in (1e6, 1e3):
        # 1e11 seconds are the year 5138: a larger number counts something finer.
        if abs(stamp) >= 1e11 * unit / 1e3:
            return _EPOCH + timedelta(microseconds=round(stamp * 1e6 / unit))
    return _EPOCH + timedelta(microseconds=round(stamp * 1e6))


def _parse_text(raw: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(raw)
        except (ValueError, TypeError):
            continue
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return None


class Boundary:
    """The highest value of one pass, and the rows that the next pass will be given again.

    :param high: the highest value so far
    :param seen: digests of the rows at or above ``lowest(high)``, one for each row, so that two
        equal rows count twice; None: too many to remember
    """

    def __init__(
        self, config: Incremental, *, high: Any = None, seen: Sequence[str] | None = ()
    ) -> None:
        self._config = config
        self.high = high
        self._floor = None if high is None else config.lowest(high)
        # The values of rows remembered by an earlier pass are not known; they count as highest.
        self._rows = None if seen is None else [(key, high) for key in seen]
        self._left = Counter(seen or ())

    @property
    def seen(self) -> list[str] | None:
        """The digests, for a cursor."""
        return None if self._rows is None else [key for key, _ in self._rows]

    @property
    def left(self) -> list[str]:
        """The digests that were not taken yet, for a cursor within a pass."""
        return list(self._left.elements())

    def take(self, record: Record) -> bool:
        """Say whether a row was read by the pass before; each of equal rows is told once."""
        if not self._left:
            return False
        key = digest(record)
        if not self._left[key]:
            return False
        self._left[key] -= 1
        return True

    def add(self, record: Record) -> None:
        """Take a row into account.

        :raises DataError: if its value cannot be compared with the others
        """
        value = self._config.value(record)
        if value is None:
            return
        try:
            self._raise(value)
            inside = value >= self._floor
        except TypeError:
            raise DataError(
                f"field {self._config.field!r} holds values that cannot be compared "
                f"({type(self.high).__name__} and {type(value).__name__}); choose another field"
            ) from None
        if inside and self._rows is not None:
            self._rows.append((digest(record), value))
            if len(self._rows) > MOST_SEEN:
                self._rows = None

    def _raise(self, value: Any) -> None:
        if self.high is not None and value <= self.high:
            return
        self.high = value
        floor = self._config.lowest(value)
        if self._floor is not None and floor > self._floor:
            self._rows = [(key, at) for key, at in self._rows or () if at >= floor]
        self._floor = floor


def digest(record: Record) -> str:
    """Return sixteen hex digits that tell records apart."""
    text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def inside(config: Incremental, window: Window, records: Sequence[Record]) -> list[Record]:
    """Return the records whose time lies in a window; one without a time is the API's to judge."""
    times = [config.value(record) for record in records]
    return [
        record
        for record, time in zip(records, times, strict=True)
        if time is None or window.start <= time < window.end
    ]
