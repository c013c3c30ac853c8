"""Reads a query's answer as a stream of Arrow batches, and makes sure that it came to its end.

A server that fails half-way has sent ``200 OK`` already. It writes the error behind what it sent,
or only cuts the connection; what was read until then looks whole. So the end of the stream must be
seen, and whatever stands in its place is the error.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from urllib3.exceptions import HTTPError

from airflow_provider_spotify.core.clients.clickhouse import clickhouse_errors, server, translated
from airflow_provider_spotify.core.errors import ImporterError, TransientError
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""How a stream of Arrow ends (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format)."""
_PAGE = 1024 * 1024
_KEPT = 64 * 1024
_ERROR = re.compile(rb"Code: \d+\. DB::\w*Exception: [^\x00]*", re.DOTALL)
_TRAILER = re.compile(
    rb"\s+\d+ [0-9a-f]+\s+__exception__\s*$|\s*\(version [^()]*(\([^()]*\))?\)\s*$"
)

ARROW_SETTINGS: Mapping[str, Any] = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}
"""Text as text, and no dictionaries: the next batch may have another one."""


class _Body(io.RawIOBase):
    """What the server sends; remembers the last of it."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._response.read1(len(buffer))
        buffer[: len(data)] = data
        self.last = data[-_KEPT:] if len(data) >= _KEPT else (self.last + data)[-_KEPT:]
        return len(data)


class _Taken:
    """What Arrow has taken of a body."""

    closed = False

    def __init__(self, body: _Body) -> None:
        self._buffered = io.BufferedReader(body, _PAGE)
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        data = self._buffered.read(size)
        self.last = data[-len(_END) :] if len(data) >= 8 else (self.last + data)[-len(_END) :]
        return data

    def rest(self) -> bytes:
        """Return what nobody has taken yet."""
        return self._buffered.read(_KEPT)


def stream(
    client: Client, sql: str, *, credentials: Credentials, settings: Mapping[str, Any]
) -> Generator[pa.RecordBatch, None, None]:
    """Run a query and yield its batches. Closing it ends the query.

    :param settings: of ClickHouse, for this query
    :raises ImporterError: as the server answers, also in the middle
    """
    yield from _batches(client, sql, credentials, settings, schemas=[])


def table(
    client: Client, sql: str, *, credentials: Credentials, settings: Mapping[str, Any]
) -> pa.Table:
    """Run a query and return its answer, whose columns are there also without rows."""
    schemas: list[pa.Schema] = []
    batches = [*_batches(client, sql, credentials, settings, schemas=schemas)]
    return pa.Table.from_batches(batches, schemas[0])


def _batches(
    client: Client,
    sql: str,
    credentials: Credentials,
    settings: Mapping[str, Any],
    *,
    schemas: list[pa.Schema],
) -> Generator[pa.RecordBatch, None, None]:
    with clickhouse_errors(credentials):
        asked = {**ARROW_SETTINGS, **settings}
        response: Any = client.raw_stream(sql, settings=asked, fmt="ArrowStream")
    try:
        yield from _read(response, credentials, schemas)
    finally:
        response.close()


def _read(
    response: Any, credentials: Credentials, schemas: list[pa.Schema]
) -> Generator[pa.RecordBatch, None, None]:
    body = _Body(response)
    taken, rest = _Taken(body), b""
    broken: BaseException | None = None
    try:
        reader = pa.ipc.open_stream(pa.PythonFile(taken, mode="r"))
        schemas.append(reader.schema)
        yield from reader
        rest = taken.rest()
        if taken.last == _END and not rest:
            return
    except (pa.ArrowException, HTTPError, OSError) as error:
        broken = error
    raise _broken(body, rest, response, credentials) from broken


def _broken(body: _Body, rest: bytes, response: Any, credentials: Credentials) -> ImporterError:
    """Return the error that stands where the stream should have ended."""
    said = body.last + rest
    with contextlib.suppress(HTTPError, OSError):  # a connection that is gone says no more
        said += response.read(_KEPT) or b""
    if found := _ERROR.search(said):
        text = found[0]
        while (shorter := _TRAILER.sub(b"", text)) != text:
            text = shorter
        return translated(text.decode(errors="replace"), credentials)
    return TransientError(
        f"ClickHouse at {server(credentials)}: the answer broke off before its end"
    )
