"""The body of an answer as it comes in: its coding is undone a little at a time, and counted.

aiohttp's own decompression ends without an error where a gzip body of the announced length lacks
its end (aiohttp 3.14, 2026-11-22), so bodies are taken as they were sent, and inflated here: never
more than :data:`BLOCK` bytes at once, whatever a few sent bytes would become.
"""

from __future__ import annotations

import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_spotify.core.clients.http.room import Room
from airflow_provider_spotify.core.errors import DataError, TransientError

ACCEPTED = "gzip, deflate"
"""The codings (RFC 9110, 8.4.1) that are asked for and undone."""
BLOCK = 256 * 1024
"""Bytes of the largest block that comes out of a decoder."""
_FED = 16 * 1024
"""Bytes that zlib gets at once: what it leaves over it copies, with every member of the body."""


class Damaged(TransientError):
    """What came of a body is no good, so it has to come again from its first byte."""


class Decoder:
    """Passes on a body without a coding, and notes whether it was cut."""

    def __init__(self, where: str) -> None:
        self.where = where

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes as they were sent; yield them as they are meant."""
        yield data

    def end(self, *, framed: bool) -> None:
        """Make sure that nothing is missing.

        :param framed: the message itself said where its body ends, so an empty one is whole
        :raises Damaged: if the body was cut
        """


class _Inflater(Decoder):
    """Undoes gzip (RFC 1952, with several members too), zlib, and deflate without its frame."""

    def __init__(self, where: str, *, wrapped: bool) -> None:
        super().__init__(where)
        self._bits = zlib.MAX_WBITS + 16 if wrapped else 0
        self._stream = zlib.decompressobj(zlib.MAX_WBITS)
        self._begun = False
        self._inside = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Inflate what came; yields blocks of at most :data:`BLOCK` bytes."""
        view = memoryview(data)
        try:
            for at in range(0, len(data), _FED):
                yield from self._inflate(bytes(view[at : at + _FED]))
        except zlib.error:
            raise Damaged(f"{self.where}: the compressed body is damaged") from None

    def _inflate(self, piece: bytes) -> Iterator[bytes]:
        while True:
            if not self._inside:
                # tar and others fill a gzip body up with zeros
                piece = piece.lstrip(b"\0") if self._begun else piece
                if not piece:
                    return
                self._start(piece[0])
            block = self._stream.decompress(piece, BLOCK)
            if block:
                yield block
            if self._stream.eof:
                self._inside = False
                piece = self._stream.unused_data
            else:
                piece = self._stream.unconsumed_tail
                if not piece and len(block) < BLOCK:
                    return

    def _start(self, first: int) -> None:
        """Begin a member; servers send deflate with the frame of RFC 1950, or without it."""
        bits = self._bits or (zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS)
        self._stream = zlib.decompressobj(bits)
        self._inside = self._begun = True

    def end(self, *, framed: bool) -> None:
        """Make sure that the last member came to its end."""
        if self._inside or not (self._begun or framed):
            raise Damaged(f"{self.where}: the compressed body ended early")


def decoder(headers: Mapping[str, str], *, where: str) -> Decoder:
    """Return what undoes the coding of an answer.

    :param headers: of the answer, names in lower case
    :raises DataError: if it is a coding that was not asked for
    """
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return Decoder(where)
    if coding in ("gzip", "x-gzip", "deflate"):
        return _Inflater(where, wrapped=coding != "deflate")
    raise DataError(
        f"{where} answered in the coding {coding[:40]!r}, which was not asked for ({ACCEPTED} were)"
    )


class Incoming(ABC):
    """An answer whose head has come, and whose body has not.

    :param headers: names in lower case
    """

    def __init__(self, status: int, headers: Mapping[str, str], *, where: str) -> None:
        self.status = status
        self.headers = headers
        self.where = where

    @abstractmethod
    def sent(self) -> AsyncIterator[bytes]:
        """Yield the body as it was sent, once.

        :raises TransientError: if it breaks off
        """

    @abstractmethod
    async def close(self) -> None:
        """Give the connection back, or up if the body was not read to its end."""

    @property
    def framed(self) -> bool:
        """Whether the message says where its body ends (RFC 9112, 6.3)."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    async def blocks(self, *, most: int, hint: str) -> AsyncIterator[bytes]:
        """Yield the body without its coding.

        :param most: bytes that may come, as sent and without their coding
        :param hint: what to do about a longer body
        :raises DataError: if it is longer
        :raises TransientError: if it breaks off or is damaged
        """
        undo = decoder(self.headers, where=self.where)
        tally = Tally(self, most=most, hint=hint)
        async for data in self.sent():
            tally.sent(data)
            for block in undo.feed(data):
                tally.given(block)
                yield block
        undo.end(framed=self.framed)

    async def whole(self, *, most: int, room: Room) -> bytes:
        """Read the body to its end and close.

        :param room: what it shares with the other answers under way; it may have to wait for them
        :raises DataError: if it is longer than ``most`` bytes
        """
        held, body = room.held(), io.BytesIO()
        try:
            async for block in self.blocks(most=most, hint=page(self, most=most).hint):
                if not held.add(len(block)):
                    await held.wait()
                body.write(block)
            return body.getvalue()
        finally:
            body.close()  # an error's traceback keeps this frame
            held.end()
            await self.close()


@dataclass(slots=True)
class Tally:
    """Counts a body, and stops it at its bound."""

    of: Incoming
    most: int
    hint: str
    bytes_sent: int = 0
    bytes_given: int = 0

    def announced(self) -> None:
        """Stop a body before it comes if its own length is above the bound."""
        length = self.of.headers.get("content-length", "")
        self._check(int(length) if length.isdecimal() else 0)

    def sent(self, data: bytes) -> None:
        """Count bytes as they were sent."""
        self.bytes_sent += len(data)
        self._check(self.bytes_sent)

    def given(self, block: bytes) -> None:
        """Count bytes without their coding."""
        self.bytes_given += len(block)
        self._check(self.bytes_given)

    def _check(self, size: int) -> None:
        if size > self.most:
            raise DataError(f"{self.of.where}: the body is longer than {self.hint}")


def page(of: Incoming, *, most: int) -> Tally:
    """Return the count of a body that is held in memory."""
    return Tally(of, most=most, hint=f"max_bytes ({most}); ask for smaller pages")
