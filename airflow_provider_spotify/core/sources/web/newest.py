"""What is new in a listing that an API gives newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.boundary import (
    MOST_SEEN,
    Boundary,
    Record,
    beyond,
    flagged,
    flags,
    identity,
)
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
    :param name: of the listing, for messages
    :param once: each row must come once; False: more than can be remembered may come again
    :raises DataError: if rows must come once that cannot be told from those of the pass before
    """

    def __init__(
        self,
        order: NewestOrder,
        *,
        mark: Mapping[str, Any],
        begun: Mapping[str, Any],
        name: str = "the listing",
        once: bool = True,
    ) -> None:
        self._order, self._name, self._once = order, name, once
        high = order.load(mark.get("high"))
        known = self._known = mark.get("seen", ())
        if known is None:
            self._require_twice(high)
        left, seen = begun.get("left", known), begun.get("seen", known)
        if known is not None and isinstance(left, str):
            left = flagged(left, known)
        if known is not None and "more" in begun:
            seen = [*begun["more"], *known]
        self._before = Boundary(order, high=high, seen=left, narrows=once)
        high = order.load((begun or mark).get("high"))
        self._now = Boundary(order, high=high, seen=seen, narrows=once)
        self._now.low = order.load(begun.get("low"))
        self._pause: tuple[Any, Any, frozenset[str] | None] | None = None
        self._top: Any = None

    def mark(self) -> dict[str, Any]:
        """Return what the next pass must know."""
        return {"high": self._order.dump(self._now.high), "seen": self._now.seen}

    def passed(self) -> dict[str, Any]:
        """Return what must be known to resume this pass.

        The mark stands in the same cursor, which is to be small: what it holds is not said again.
        """
        seen, left, known = self._now.seen, self._before.left, self._known
        told = {"high": self._order.dump(self._now.high), "low": self._order.dump(self._now.low)}
        more = None if seen is None or known is None else beyond(seen, known)
        told |= {"seen": seen} if more is None else {"more": more}
        return {**told, "left": left if known is None else flags(left, known)}

    def restart(self) -> None:
        """Learn that what came so far may come again, and rows above it that were added since.

        These wait for the next pass: what a pass has given is all from its highest row down to its
        lowest, and if it gave some of what is above, a second restart could not tell which.
        """
        now = self._now
        self._pause = (now.low, now.high, now.digests)

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

    def _passed(self, record: Record, low: Any, high: Any, seen: frozenset[str] | None) -> bool:
        """Say whether this pass gave a record before it was restarted, or leaves it to the next."""
        value = self._order.value(record)
        if value is None:
            return self._given(self._now.key(record), seen, high)
        if low is None or not self._order.ordered:
            return False
        if value > high or self._order.unique:
            return bool(value >= low)
        same = value == high
        return self._given(self._order.identity(record), seen, high) if same else value > low

    def _given(self, key: str, seen: frozenset[str] | None, high: Any) -> bool:
        if seen is None:
            self._require_twice(high)
            return False
        return key in seen

    def _require_twice(self, high: Any) -> None:
        """Make sure that rows which cannot be told from those that were given may come again."""
        if self._once:
            raise DataError(
                f"{self._name}: more than {MOST_SEEN:,} rows have {self._order.field!r}"
                f" {self._order.dump(high)}, too many to tell those that are added from those that"
                " were read. Write by merge with a key, so that they may come again; or write by"
                " replace"
            )
