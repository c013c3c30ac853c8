"""What is new since the last time: the highest value seen, and which rows had it."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.pages import dig

Record = Mapping[str, Any]
MOST_SEEN = 5000
"""Rows of the boundary that a cursor remembers, in 53 KB; above, none of them are known."""
MOST_TIMELESS = 500
"""Rows without a value that a cursor remembers; older ones come again if they are listed again."""
_TIMELESS = "-"
_PACKED = "~"
_BELOW = "<"
_BYTES = 8


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
        out; None: too many to remember. Many are one text (after ``~``). With ``<`` they are the
        digests of the rows at ``high`` alone, and every row below it was read
    :param narrows: where rows at or above ``lowest(high)`` are too many, remember those at ``high``
        alone; False: rows below it may be new
    """

    def __init__(
        self,
        config: Order,
        *,
        high: Any = None,
        seen: Sequence[str] | None = (),
        narrows: bool = False,
    ) -> None:
        self._config = config
        self.high = high
        self.low: Any = None
        """The lowest value of this pass."""
        self._narrows = narrows
        self._narrow = narrows and _BELOW in (seen or ())
        seen = None if seen is None else list(_unpacked(seen))
        self._floor = None if high is None else self._lowest()
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
        found = self._remembered()
        return None if found is None else _packed(found, below=self._narrow)

    @property
    def digests(self) -> frozenset[str] | None:
        """The digests, to look one up; None: too many to remember."""
        found = self._remembered()
        return None if found is None else frozenset(found)

    def _remembered(self) -> list[str] | None:
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
        return _packed(self._left.elements(), below=self._narrow)

    def take(self, record: Record) -> bool:
        """Say whether a row was read by the pass before; each of equal rows is told once."""
        if self._narrow and (value := self._config.value(record)) is not None and value < self.high:
            return True
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
        if self._narrow and self._config.lowest(self.high) > self._floor:
            self._narrow = False
        if self._rows is None and (self._floor is None or self._lowest() > self._floor):
            self._rows, self._most = [], MOST_SEEN

    def _lowest(self) -> Any:
        """Return the lowest value of which rows are remembered."""
        return self.high if self._narrow else self._config.lowest(self.high)

    def _drop(self) -> None:
        """Forget rows below the floor: of thousands at once, and without their digests."""
        if self._rows is None or self.high is None:
            return
        self._keep_from(self._lowest())
        if len(self._rows) > MOST_SEEN and self._narrows and not self._narrow:
            self._narrow = True
            self._keep_from(self.high)
        self._most = len(self._rows) + MOST_SEEN
        if len(self._rows) > MOST_SEEN:
            self._rows = None

    def _keep_from(self, floor: Any) -> None:
        self._floor = floor
        self._rows = [(row, at) for row, at in self._rows or () if at >= floor]


def _packed(keys: Iterable[str], *, below: bool) -> list[str]:
    """Return digests as a cursor holds them: those of rows with a value as one text.

    :param below: every row below the highest value was read
    """
    found = list(keys)
    valued = "".join(key for key in found if not key.startswith(_TIMELESS))
    packed = [_PACKED + b64encode(bytes.fromhex(valued)).decode()] if valued else []
    timeless = [key for key in found if key.startswith(_TIMELESS)]
    return [*([_BELOW] if below else ()), *packed, *timeless]


def _unpacked(seen: Iterable[str]) -> Iterator[str]:
    """Yield the digests of a cursor one by one; a cursor of before November 2026 packs none."""
    for text in seen:
        if text.startswith(_PACKED):
            held = b64decode(text[1:])
            yield from (held[at : at + _BYTES].hex() for at in range(0, len(held), _BYTES))
        elif text != _BELOW:
            yield text


def beyond(seen: Sequence[str], known: Sequence[str]) -> list[str] | None:
    """Return what ``seen`` holds beside what is known; None: not all that is known is in it."""
    held, before = Counter(_unpacked(seen)), Counter(_unpacked(known))
    if before - held or (_BELOW in known and _BELOW not in seen):
        return None
    return _packed((held - before).elements(), below=_BELOW in seen)


def flags(left: Sequence[str], known: Sequence[str]) -> str:
    """Return which of the known digests are left, one bit for each, as hex digits."""
    counts, bits = Counter(_unpacked(left)), ["0"]
    for key in _unpacked(known):
        bits.append("1" if counts[key] > 0 else "0")
        counts[key] -= 1
    return f"{int(''.join(bits), 2):x}"


def flagged(bits: str, known: Sequence[str]) -> list[str]:
    """Return the known digests that ``flags`` told."""
    keys = list(_unpacked(known))
    signs = f"{int(bits, 16):0{len(keys) + 1}b}"[1:]
    found = (key for key, sign in zip(keys, signs, strict=True) if sign == "1")
    return _packed(found, below=_BELOW in known)


def digest(record: Record) -> str:
    """Return sixteen hex digits that tell records apart."""
    text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=_BYTES).hexdigest()


def identity(record: Record, paths: Sequence[str]) -> str:
    """Return sixteen hex digits of the values at some paths; of the whole record without any."""
    return digest({path: dig(record, path) for path in paths} if paths else record)
