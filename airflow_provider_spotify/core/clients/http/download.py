"""Bodies that are not held in memory: read block by block, or written to a file and resumed."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from airflow_provider_spotify.core.clients.http.body import (
    Damaged,
    Decoder,
    Incoming,
    Tally,
    decoder,
)
from airflow_provider_spotify.core.clients.http.messages import Request, Response
from airflow_provider_spotify.core.clients.http.tape import tape
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError

Attempt = Callable[[Request], Awaitable[Response]]
"""Sends a request once: signed, limited, redirected and judged."""
_WRITTEN = 1024 * 1024
"""Bytes that are written at once, in a thread: a slow disk must not hold up other requests."""
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A body that was written.

    :param headers: names in lower case
    :param bytes: how many were written, without the body's coding
    """

    status: int
    headers: Mapping[str, str]
    bytes: int


class Body:
    """A body that is read while it comes.

    :param headers: names in lower case
    """

    def __init__(self, answer: Response, incoming: Incoming | None, *, most: int) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.bytes = 0
        self._incoming = incoming
        self._blocks = incoming.blocks(most=most, hint=_hint(most)) if incoming else _nothing()
        self._first: bytes | None = None

    async def begin(self) -> None:
        """Wait for the first block, while the request may still be repeated."""
        self._first = await anext(self._blocks, b"")

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the body without its coding, in blocks of at most 256 KB, once.

        :raises TransientError: if it breaks off; says how much came
        :raises DataError: if it is longer than ``max_bytes``
        """
        first, self._first = self._first, None
        if first:
            self.bytes = len(first)
            yield first
        try:
            async for block in self._blocks:
                self.bytes += len(block)
                yield block
        except TransientError as error:
            raise TransientError(f"{error}; {self.bytes:,} bytes of it had come") from None

    async def aclose(self) -> None:
        """Give the connection back, or up if the body was not read to its end."""
        if self._incoming is not None:
            await self._incoming.close()


async def opened(request: Request, attempt: Attempt, *, most: int) -> Body:
    """Send a request, and wait for the first block of the answer's body.

    :param most: bytes that the body may have
    """
    held: list[Incoming] = []
    try:
        answer = await attempt(replace(request, taker=held.append))
        body = Body(answer, held[-1] if held else None, most=most)
        await body.begin()
    except BaseException:
        await _close(held)
        raise
    return body


class Download:
    """One file on its way: what came of it, and from where it goes on.

    It goes on after a lost connection where the server gave a strong ETag and ``Accept-Ranges:
    bytes`` (RFC 9110, 13.1.5 and 14.2), within a compressed body too; else it begins again.

    :param file: seekable; written from where it stands
    :param most: bytes that the body may have, as sent and without its coding
    """

    def __init__(self, file: BinaryIO, *, most: int) -> None:
        if not file.seekable():
            raise ConfigurationError("a download needs a file that can begin again: a seekable one")
        self._file = file
        self._start = file.tell()
        self._most = most
        self._etag = ""
        self._undo = Decoder("")
        self._tally: Tally | None = None
        self._waiting: list[bytes] = []
        self._size = 0

    async def once(self, request: Request, attempt: Attempt) -> Downloaded:
        """Send the request, for what is missing, and write the body to its end.

        :raises TransientError: if it breaks off; the next call goes on there
        """
        held: list[Incoming] = []
        try:
            answer = await attempt(replace(self._asking(request), taker=held.append))
            if held:
                await self._take(held[-1])
        except Damaged:
            self._etag = ""
            raise
        finally:
            await _close(held)
        size = self._tally.bytes_given if self._tally and held else 0
        return Downloaded(answer.status, answer.headers, size)

    def _asking(self, request: Request) -> Request:
        # A recording holds other bytes than were sent, so a place in them would be another one.
        resumed = bool(self._etag) and tape() is None
        if not resumed or self._tally is None or not self._tally.bytes_sent:
            return request
        missing = {"Range": f"bytes={self._tally.bytes_sent}-", "If-Range": self._etag}
        return replace(request, headers={**request.headers, **missing})

    async def _take(self, incoming: Incoming) -> None:
        tally = self._tally if incoming.status == 206 else None
        total = self._onward(incoming, tally) if tally is not None else None
        if tally is None:
            tally = self._again(incoming)
        try:
            async for data in incoming.sent():
                tally.sent(data)
                for block in self._undo.feed(data):
                    tally.given(block)
                    await self._write(block)
            if total is not None and tally.bytes_sent != total:
                raise Damaged(f"{incoming.where}: {total} bytes were announced")
            self._undo.end(framed=incoming.framed)
        finally:
            await self._flush()

    def _onward(self, incoming: Incoming, tally: Tally) -> int | None:
        """Make sure that an answer goes on where the file ends; return the whole's length.

        :raises Damaged: if it does not; the next attempt begins again
        """
        found = _RANGE.fullmatch(incoming.headers.get("content-range", "").strip())
        if not self._etag or found is None or int(found[1]) != tally.bytes_sent:
            raise Damaged(f"{incoming.where} answered 206 with another range than asked for")
        tally.of = incoming
        return None if found[2] == "*" else int(found[2])

    def _again(self, incoming: Incoming) -> Tally:
        """Begin the file, again if something of it is there."""
        headers = incoming.headers
        etag = headers.get("etag", "").strip()
        whole = incoming.status == 200 and headers.get("accept-ranges", "").strip() == "bytes"
        self._etag = etag if whole and etag.startswith('"') else ""
        self._undo = decoder(headers, where=incoming.where)
        self._tally = Tally(incoming, most=self._most, hint=_hint(self._most))
        self._tally.announced()
        with _written():
            self._file.seek(self._start)
            self._file.truncate()
        return self._tally

    async def _write(self, block: bytes) -> None:
        self._waiting.append(block)
        self._size += len(block)
        if self._size >= _WRITTEN:
            await self._flush()

    async def _flush(self) -> None:
        blocks, self._waiting, self._size = self._waiting, [], 0
        if blocks:
            with _written():
                await asyncio.to_thread(self._file.write, b"".join(blocks))


@contextmanager
def placed(to: Path | BinaryIO) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    """Give the file to write, and what puts it into its place; a path appears whole or not at all.

    :raises ConfigurationError: if the folder cannot be written
    """
    if not isinstance(to, Path):
        yield to, to.flush
        return
    with _written():
        part = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below, before it is renamed
            dir=to.parent, prefix=f"{to.name}.", suffix=".part", delete=False
        )
    written, file = Path(part.name), cast(BinaryIO, part.file)

    def place() -> None:
        with _written():
            part.close()
            written.replace(to)

    try:
        yield file, place
    finally:
        part.close()
        written.unlink(missing_ok=True)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"a download cannot be written ({error.strerror}); check the folder and its free space"
        ) from error


async def _close(held: list[Incoming]) -> None:
    for incoming in held:
        await incoming.close()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # type: ignore[unreachable]  # makes it a generator


def _hint(most: int) -> str:
    return f"the bound of a download ({most} bytes); ask for less at once, or raise max_bytes"
