"""ClickHouse's engine (chdb) behind its HTTP interface, as a program: ``--folder F --port P``.

chdb is the engine of the server without its network part; this is that part, as far as
clickhouse-connect uses it (https://clickhouse.com/docs/interfaces/http): the query in the body or
in the address, settings and parameters in the address, results streamed block by block, inserts
likewise, compression both ways, an error inside a body that has begun. Each request has a
connection of its own to the engine, as in a server, so that settings do not leak.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import secrets
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import lz4.frame
import zstandard
from chdb import ChdbError
from chdb.session import Session

_OF_TRANSPORT = frozenset(
    {
        *("query", "database", "user", "password", "session_id", "session_timeout", "query_id"),
        *("session_check", "quota_key", "compress", "decompress", "wait_end_of_query", "role"),
        *("buffer_size", "client_protocol_version", "send_progress_in_http_headers"),
        *("http_headers_progress_interval_ms", "enable_http_compression"),
        *("cancel_http_readonly_queries_on_client_close",),
    }
)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_INSERT = re.compile(r"\s*INSERT\s", re.IGNORECASE)
_NAME = r"(?:`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|\w+)"
_DATA = re.compile(
    rf"(?P<insert>\s*INSERT\s+INTO\s+(?:{_NAME}\.)?{_NAME}\s*(?:\((?:{_NAME}|[\s,])*\))?)\s*"
    r"FORMAT\s+(?P<format>\w+)[ \t]*\n?",
    re.IGNORECASE,
)
_CODE = re.compile(r"Code: (\d+)")
Answer = Callable[[], None]
_STREAMED = ("ArrowStream", "Native")
_SELECT = re.compile(r"\s*(SELECT|WITH)\s", re.IGNORECASE)
_STATUS = {516: 403, 194: 401, 497: 403, 60: 404, 81: 404, 62: 400, 47: 404, 159: 408}
_EMPTY_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class Refused(Exception):
    """An answer that is an error of ClickHouse."""

    def __init__(self, message: str) -> None:
        found = _CODE.search(message)
        self.code = int(found[1]) if found else 1002
        super().__init__(message[message.find("Code: ") :] if found else message)


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class Front(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answer ``/ping``, or a query in the address, which may only read."""
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._run({"readonly": "2"})

    def do_POST(self) -> None:
        """Answer a query."""
        self._run({})

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _run(self, settings: dict[str, str]) -> None:
        words = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body()
        try:
            settings |= self._signed_in(words)
            if not words.get("query"):
                insert = _INSERT.match(body[:4096].decode(errors="replace"))
                found = _DATA.match(body[: 1 << 20].decode("latin-1")) if insert else None
                cut = found.end() if found else len(body)
                words["query"], body = body[:cut].decode(), body[cut:]
            settings |= {k: v for k, v in words.items() if not self._is_transport(k)}
            self.server.crash("before", words["query"])
            self._execute(words, body, settings)
        except Refused as error:
            self._refuse(error)
        except ChdbError as error:
            self._refuse(Refused(str(error)))

    @staticmethod
    def _is_transport(name: str) -> bool:
        return name in _OF_TRANSPORT or name.startswith("param_")

    def _execute(self, words: dict[str, str], body: bytes, settings: dict[str, str]) -> None:
        with contextlib.closing(self.server.connect()) as session:
            if database := words.get("database"):
                escaped = database.replace("\\", "\\\\").replace("`", "\\`")
                session.query(f"USE `{escaped}`")
            if settings:
                chosen = ", ".join(f"{name} = {_literal(v)}" for name, v in settings.items())
                session.query(f"SET {chosen}")
            query = words["query"]
            params = {k[6:]: v for k, v in words.items() if k.startswith("param_")}
            data = _DATA.fullmatch(query.strip()) if body and _INSERT.match(query) else None
            if data:
                answer = self._insert(session, data["insert"], data["format"], body)
            else:
                answer = self._select(session, query, params)
            self.server.crash("after", query)
            answer()

    def _insert(self, session: Session, statement: str, form: str, body: bytes) -> Answer:
        begun = time.perf_counter_ns()
        try:
            with session.send_insert(statement, form) as inserter:
                for start in range(0, len(body), 1 << 20):
                    inserter.append(body[start : start + (1 << 20)])
                done = inserter.finish()
        except RuntimeError as error:
            raise Refused(str(error)) from None
        elapsed = time.perf_counter_ns() - begun
        return partial(self._answer, 200, b"", written_rows=done.rows_written, elapsed_ns=elapsed)

    def _select(self, session: Session, query: str, params: dict[str, str]) -> Answer:
        found = _FORMAT.search(query)
        form = found[1] if found else "TabSeparated"
        if form not in _STREAMED or not found or not _SELECT.match(query):
            result = session.query(query, form, params=params)
            return partial(
                self._answer, 200, result.bytes(), form=form, read_rows=result.rows_read()
            )
        with contextlib.closing(session.send_query(query[: found.start()], form, params)) as rows:
            blocks = _blocks(rows, form)
            first = next(blocks, None)
            if first is None:
                result = session.query(query, form, params=params)
                return partial(self._answer, 200, result.bytes(), form=form)
            self._stream(first, blocks, form)
            return lambda: None

    def _stream(self, first: bytes, blocks: Iterator[bytes], form: str) -> None:
        """Send a body of which nobody knows yet how it ends.

        An error is written behind what was sent, between marks that the headers announced, and the
        connection is cut (as the server does since version 25.11).
        """
        tag, pack = secrets.token_hex(8), self._packer()
        headers = {"Transfer-Encoding": "chunked", "X-ClickHouse-Exception-Tag": tag}
        self._head(200, form=form, encoding=pack.name, headers=headers)
        try:
            self._send(pack.packed(first))
            for block in blocks:
                self._send(pack.packed(block))
            self._send(pack.rest())
            self.wfile.write(b"0\r\n\r\n")
        except ChdbError as error:
            said = f"{Refused(str(error))}\n"
            marked = f"\r\n__exception__\r\n{tag}\r\n{said}{len(said)} {tag}\r\n__exception__\r\n"
            self._send(pack.packed(marked.encode()) + pack.rest())
            self.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    # ── what came ────────────────────────────────────────────────────────────────────────────

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            data = b"".join(parts)
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return _UNPACK[self.headers.get("Content-Encoding", "identity")](data)

    def _signed_in(self, words: dict[str, str]) -> dict[str, str]:
        """Return the settings of the login.

        :raises Refused: as ClickHouse refuses, whether the name or the password is wrong
        """
        user = self.headers.get("X-ClickHouse-User") or words.get("user") or "default"
        key = self.headers.get("X-ClickHouse-Key") or words.get("password") or ""
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, key = base64.b64decode(given).decode().partition(":")
        if self.server.users.get(user) != key:
            raise Refused(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect,"
                " or there is no user with such name. (AUTHENTICATION_FAILED)"
            )
        return {"readonly": "2"} if user == "reader" else {}

    # ── what is answered ─────────────────────────────────────────────────────────────────────

    def _packer(self) -> Packer:
        accepted = self.headers.get("Accept-Encoding", "").replace(" ", "").split(",")
        return Packer(next((name for name in accepted if name in Packer.KNOWN), None))

    def _head(
        self, status: int, *, form: str, encoding: str | None, headers: dict[str, str]
    ) -> None:
        self.send_response(status)
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("X-ClickHouse-Format", form)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int, body: bytes, *, form: str = "TabSeparated", **did: int) -> None:
        summary = json.dumps({name: str(value) for name, value in did.items()})
        headers = {"Content-Length": str(len(body)), "X-ClickHouse-Summary": summary}
        self._head(status, form=form, encoding=None, headers=headers)
        self.wfile.write(body)

    def _refuse(self, error: Refused) -> None:
        body = f"{error} (version 26.9.2.1)\n".encode()
        code = str(error.code)
        headers = {"Content-Length": str(len(body)), "X-ClickHouse-Exception-Code": code}
        status = _STATUS.get(error.code, 500)
        self._head(status, form="TabSeparated", encoding=None, headers=headers)
        self.wfile.write(body)


def _blocks(rows: Iterator[Any], form: str) -> Iterator[bytes]:
    """Yield the engine's blocks as one stream: its blocks are each a whole one of Arrow's."""
    first = True
    for chunk in rows:
        data = chunk.bytes()
        if form == "ArrowStream":
            start = 0 if first else 8 + int.from_bytes(data[4:8], "little")
            data = data[start : -len(_EMPTY_STREAM)]
        first = False
        yield data
    if form == "ArrowStream" and not first:
        yield _EMPTY_STREAM


class Packer:
    """Compresses a body as it is sent; without a name, sends it as it is."""

    KNOWN = ("lz4", "zstd", "gzip")

    def __init__(self, name: str | None) -> None:
        self.name = name
        self._lz4: Any = lz4.frame.LZ4FrameCompressor() if name == "lz4" else None
        self._begun = False
        self._other: Any = None
        if name == "zstd":
            self._other = zstandard.ZstdCompressor(level=1).compressobj()
        elif name == "gzip":
            self._other = zlib.compressobj(1, zlib.DEFLATED, 31)

    def packed(self, data: bytes) -> bytes:
        """Return what to send for some data."""
        if self._lz4 is not None:
            begin = b"" if self._begun else self._lz4.begin()
            self._begun = True
            return bytes(begin + self._lz4.compress(data))
        return data if self._other is None else bytes(self._other.compress(data))

    def rest(self) -> bytes:
        """Return what is still to send."""
        last = self._lz4 or self._other
        return b"" if last is None else bytes(last.flush())


_UNPACK = {
    "identity": lambda data: data,
    "lz4": lz4.frame.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "gzip": lambda data: zlib.decompress(data, 31),
}


class Server(ThreadingHTTPServer):
    """The front of one folder."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: str, *, port: int, password: str) -> None:
        self._folder = folder
        self._crash = Path(folder).parent / "crash"
        self._engine = Session(folder)  # keeps the engine running between requests
        self.users = {"default": password, "reader": password}
        super().__init__(("127.0.0.1", port), Front)

    def connect(self) -> Session:
        """Return a connection to the engine, with settings of its own."""
        return Session(self._folder)

    def crash(self, when: str, query: str) -> None:
        """Die, as by ``kill -9``, at a statement that the file ``crash`` names, once."""
        try:
            wanted, _, pattern = self._crash.read_text().partition(" ")
        except FileNotFoundError:
            return
        if wanted == when and re.search(pattern, query):
            self._crash.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--password", required=True)
    given = parser.parse_args()
    Server(given.folder, port=given.port, password=given.password).serve_forever()


if __name__ == "__main__":
    main()
