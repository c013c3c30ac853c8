"""A server that greets as ClickHouse does and breaks its answer off, in one of several ways."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa

from airflow_provider_spotify.core.model import Credentials

_SAID = "Code: 241. DB::Exception: memory limit exceeded: would use 9 GiB. (MEMORY_LIMIT_EXCEEDED)"
_TAG = "0123456789abcdef"
_ENDINGS = {
    "cut at a batch": b"",
    "cut in a batch": b"\xff\xff\xff\xff\x88",
    "plain text": f"{_SAID} (version 24.3.1.1)\n".encode(),
    "tagged": (
        f"\r\n__exception__\r\n{_TAG}\r\n{_SAID}\n{len(_SAID) + 1} {_TAG}\r\n__exception__\r\n"
    ).encode(),
}


def _whole_stream() -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_pydict({"1": [1, 2, 3]})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked += "".join(parse_qs(urlsplit(self.path).query).get("query", []))
        self.send_response(200)
        self.send_header("X-ClickHouse-Exception-Tag", _TAG)
        self.end_headers()  # the end of the connection is the end of the body
        if "ArrowStream" in asked:
            self.wfile.write(_whole_stream()[:-8] + self.server.ending)
        elif "version()" in asked:
            self.wfile.write(b"24.3.1.1\tUTC\n")
        elif "FORMAT JSON" in asked:
            self.wfile.write(json.dumps({"meta": [], "data": []}).encode())
        elif "DESCRIBE" in asked:
            self.wfile.write(_native({"name": "1", "type": "UInt8"}))
        elif "Native" in asked:
            self.wfile.write(b"")

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def _native(row: dict[str, str]) -> bytes:
    """Return one row of texts as a block of ClickHouse's Native format."""

    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()

    columns = b"".join(text(k) + text("String") + text(v) for k, v in row.items())
    return bytes([len(row), 1]) + columns


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    ending: bytes


@contextmanager
def broken_server(how: str) -> Iterator[Credentials]:
    """Yield credentials of a server whose streams end in one of these ways."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.ending = _ENDINGS[how]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Credentials(host="127.0.0.1", port=server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
