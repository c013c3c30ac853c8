"""What is new since the last time: the highest value seen, and which rows had it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.pages import dig

Record = Mapping[str, Any]
MOST_SEEN = 2000
"""Rows of the boundary that a cursor remembers; above, all of them are read again."""
MOST_TIMELESS = 500
"""Rows without a value that a cursor remembers; older ones come again if they are listed again."""
_TIMELESS = "-"


class Order(Protocol):
    """How the rows of a listing are ordered by what is new."""

    @property
    def field(self) -> str:
        """Where the value stands, for messages."""
        ...

    def value(self, record: Record) -> Any:
        """Return how new a record is; None: it does not say."""
        ...

    def lowest(self, bound: Any) -> Any:
        """Return the lowest value that asking for this bound may answer with."""
        ...

    def identity(self, record: Record) -> str:
        """Return what tells a row from others of the same value."""
        ...


class Boundary:
    """The highest value of one pass, and the rows that the next pass will be given again.

    :param high: the highest value so far
    :param seen: digests of the rows at or above ``lowest(high)``, one for each row, so that two
        equal rows count twice, and of those without a value (after ``-``), which no bound leaves
        out; None: too many to remember
    """

    def __init__(self, config: Order, *, high: Any = None, seen: Sequence[str] | None = ()) -> None:
        self._config = config
        self.high = high
        self.low: Any = None
        """The lowest value of this pass."""
        self._floor = None if high is None else config.lowest(high)
        # The values of rows remembered by an earlier pass are not known; they count as highest.
        valued = None if seen is None else [key for key in seen if not key.startswith(_TIMELESS)]
        self._rows: list[tuple[str | Record, Any]] | None = None
        if valued is not None:
            self._rows = [(key, high) for key in valued]
        self._most = MOST_SEEN
        self._old = [key for key in seen or () if key.startswith(_TIMELESS)]
        self._timeless: list[str] = []
        self._left = Counter(seen or ())

    @property
    def seen(self) -> list[str] | None:
        """The digests, for a cursor."""
        self._drop()
        if self._rows is None:
            return None
        keys = [
            row if isinstance(row, str) else self._config.identity(row) for row, _ in self._rows
        ]
        self._rows = [(key, at) for key, (_, at) in zip(keys, self._rows, strict=True)]
        # A listing gives the newest first, so they are in front, and the oldest are forgotten.
        timeless = [*self._timeless, *self._old][:MOST_TIMELESS]
        return [*keys, *timeless]

    @property
    def left(self) -> list[str]:
        """The digests that were not taken yet, for a cursor within a pass."""
        return list(self._left.elements())

    def take(self, record: Record) -> bool:
        """Say whether a row was read by the pass before; each of equal rows is told once."""
        if not self._left:
            return False
        key = self.key(record)
        if not self._left[key]:
            return False
        self._left[key] -= 1
        return True

    def key(self, record: Record) -> str:
        """Return the digest of a row as ``seen`` holds it."""
        sign = _TIMELESS if self._config.value(record) is None else ""
        return f"{sign}{self._config.identity(record)}"

    def add(self, record: Record) -> None:
        """Take a row into account.

        :raises DataError: if its value cannot be compared with the others
        """
        value = self._config.value(record)
        if value is None:
            self._timeless.append(self.key(record))
            return
        try:
            raised = self.high is None or value > self.high
            self.low = value if self.low is None else min(self.low, value)
        except TypeError:
            raise DataError(
                f"field {self._config.field!r} holds values that cannot be compared "
                f"({type(self.high).__name__} and {type(value).__name__}); choose another field"
            ) from None
        if raised:
            self.high = value
            self._begin_again()
        if self._rows is not None:
            self._rows.append((record, value))
            if len(self._rows) > self._most:
                self._drop()

    def _begin_again(self) -> None:
        """Remember rows once more where those that were too many are out of the next pass."""
        if self._rows is None and (
            self._floor is None or self._config.lowest(self.high) > self._floor
        ):
            self._rows, self._most = [], MOST_SEEN

    def _drop(self) -> None:
        """Forget rows below the floor: of thousands at once, and without their digests."""
        if self._rows is None or self.high is None:
            return
        self._floor = floor = self._config.lowest(self.high)
        self._rows = [(row, at) for row, at in self._rows if at >= floor]
        self._most = len(self._rows) + MOST_SEEN
        if len(self._rows) > MOST_SEEN:
            self._rows = None


def digest(record: Record) -> str:
    """Return sixteen hex digits that tell records apart."""
    text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def identity(record: Record, paths: Sequence[str]) -> str:
    """Return sixteen hex digits of the values at some paths; of the whole record without any."""
    return digest({path: dig(record, path) for path in paths} if paths else record)
