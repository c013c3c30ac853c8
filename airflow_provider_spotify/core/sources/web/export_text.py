"""The text of an export, from one file or several in a row, and where in it reading stands."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from airflow_provider_spotify.core.clients import ndjson

_SKIPPED = 1 << 20
Position = Mapping[str, int]
"""``offset`` bytes of the text were given, ``line`` is the next one, ``crc`` the CRC-32 of those
bytes; JSON, for a cursor."""


class Stream(Protocol):
    """What a text is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""
        ...


class Changed(Exception):
    """The text does not begin as the one did of which a part was given."""


class Placed(NamedTuple):
    """A block, and where reading goes on after it."""

    block: ndjson.Block
    after: Position


def begun(stream: Stream, position: Position | None, *, size: int) -> Iterator[Placed]:
    """Yield blocks of whole lines after a position.

    :param size: bytes that a block is to have
    :raises Changed: if what stands before the position is not what stood there
    """
    offset, line, crc = 0, 1, 0
    if position:
        offset, line = position["offset"], position["line"]
        crc = _skip(stream, offset)
        if crc != position["crc"]:
            raise Changed
    for block in ndjson.blocks(stream, offset=offset, line=line, size=size):
        crc = zlib.crc32(block.data, crc)
        yield Placed(block, {"offset": block.offset, "line": block.line, "crc": crc})


def _skip(stream: Stream, count: int) -> int:
    crc = 0
    while count:
        data = stream.read(min(count, _SKIPPED))
        if not data:
            raise Changed
        count -= len(data)
        crc = zlib.crc32(data, crc)
    return crc


class Joined:
    """Several texts as one; a line never goes on in the next text."""

    def __init__(self, streams: Iterator[Any]) -> None:
        self._streams = streams
        self._now: Any = None
        self._last = b"\n"

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""
        while True:
            if self._now is None:
                self._now = next(self._streams, None)
                if self._now is None:
                    return b""
            if data := self._now.read(size):
                self._last = data[-1:]
                return bytes(data)
            self._now = None
            if self._last != b"\n":
                self._last = b"\n"
                return b"\n"
