"""What is new in a listing that an API gives newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.boundary import Boundary, Record, identity
from airflow_provider_spotify.core.sources.web.pages import dig
from airflow_provider_spotify.core.sources.web.resource import Newest
from airflow_provider_spotify.core.sources.web.times import parse_time, write_time


class NewestOrder:
    """The order of a ``Newest`` listing: by its number where it has one, else by time.

    :param lookback: how far below the highest time to ask again
    """

    def __init__(self, progress: Newest, *, identity: Sequence[str], lookback: timedelta) -> None:
        self._progress = progress
        self._identity = identity
        self._lookback = timedelta(0) if progress.id else lookback
        self.field = progress.id or progress.by.field
        self.unique = progress.id is not None
        """No two records have the same value."""
        self.ordered = progress.ordered
        """The listing is newest first."""

    def value(self, record: Record) -> Any:
        """Return the number, or the time; None: it does not say.

        :raises DataError: if what should be a number is none
        """
        raw = dig(record, self.field)
        if not self._progress.id:
            return parse_time(raw)
        try:
            return int(raw) if raw is not None else None
        except (TypeError, ValueError):
            raise DataError(
                f"field {self.field!r} holds {str(raw)[:30]!r}, which is no whole number; order by"
                " the time instead"
            ) from None

    def lowest(self, bound: Any) -> Any:
        """Return the lowest value that asking for this bound may answer with."""
        if isinstance(bound, datetime):
            return self.asked(bound)
        return bound

    def asked(self, bound: datetime) -> datetime:
        """Return the time that is asked for: the lookback earlier, as finely as it is written."""
        written = write_time(bound - self._lookback, self._progress.by.form)
        return parse_time(written) or bound - self._lookback

    def identity(self, record: Record) -> str:
        """Return the digest of what tells the record from others: the number, whatever changes."""
        return identity(record, [self.field] if self.unique else self._identity)

    def load(self, text: Any) -> Any:
        """Read a value from a cursor."""
        return text if self._progress.id or text is None else datetime.fromisoformat(text)

    def dump(self, value: Any) -> Any:
        """Write a value for a cursor."""
        return value.isoformat() if isinstance(value, datetime) else value


class News:
    """Tells the new records of one key from those of earlier passes, and of before a pause.

    :param mark: how far the key was read by the passes before
    :param begun: what the cursor says of a pass that is resumed here; else nothing
    """

    def __init__(
        self, order: NewestOrder, *, mark: Mapping[str, Any], begun: Mapping[str, Any]
    ) -> None:
        self._order = order
        left = begun.get("left", mark.get("seen", ()))
        self._before = Boundary(order, high=order.load(mark.get("high")), seen=left)
        so_far = begun or mark
        seen = so_far.get("seen", ())
        self._now = Boundary(order, high=order.load(so_far.get("high")), seen=seen)
        self._now.low = order.load(begun.get("low"))
        self._pause: tuple[Any, Any, frozenset[str]] | None = None
        self._top: Any = None

    def mark(self) -> dict[str, Any]:
        """Return what the next pass must know."""
        return {"high": self._order.dump(self._now.high), "seen": self._now.seen}

    def passed(self) -> dict[str, Any]:
        """Return what must be known to resume this pass."""
        return {**self.mark(), "low": self._order.dump(self._now.low), "left": self._before.left}

    def restart(self) -> None:
        """Learn that what came so far may come again, and rows above it that were added since.

        These wait for the next pass: what a pass has given is all from its highest row down to its
        lowest, and if it gave some of what is above, a second restart could not tell which.
        """
        now = self._now
        self._pause = (now.low, now.high, frozenset(now.seen or ()))

    def shifts(self) -> None:
        """Learn that rows which are added now push others to later pages: they wait as well.

        Some would be met there and some not, which no later pass could tell.
        """
        if self._top is None and self._now.low is not None and self._order.ordered:
            self._top = self._now.high

    def take(self, record: Record) -> bool:
        """Say whether a record is new, and remember how new."""
        if self._top is not None and (self._order.value(record) or self._top) > self._top:
            return False
        if self._before.take(record) or (self._pause and self._passed(record, *self._pause)):
            return False
        self._now.add(record)
        return True

    def _passed(self, record: Record, low: Any, high: Any, seen: frozenset[str]) -> bool:
        """Say whether this pass gave a record before it was restarted, or leaves it to the next."""
        value = self._order.value(record)
        if value is None:
            return self._now.key(record) in seen
        if low is None or not self._order.ordered:
            return False
        if value > high or self._order.unique:
            return bool(value >= low)
        return bool(low < value < high) or (value == high and self._order.identity(record) in seen)
