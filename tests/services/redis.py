"""A real Redis for tests: a local process, or the server that the environment names."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.process import free_port, missing

URL = "SPOTIFY_IMPORTS_TEST_REDIS_URL"


@contextmanager
def redis_server() -> Iterator[str]:
    """Yield the URL of a Redis; skip the test with the reason where there is none.

    With ``CI=true`` a missing server is a failure.
    """
    if given := os.environ.get(URL):
        yield given
        return
    program = shutil.which("redis-server")
    if program is None:
        missing(f"redis-server is not installed (apt install redis-server), nor is {URL} set")
    else:
        yield from _own(program)


def _own(program: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen([program, *options], stdout=log, stderr=log)
        try:
            _wait(port, process=process, log=Path(folder, "log"))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(10)


def _wait(port: int, *, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
                link.sendall(b"PING\r\n")
                if link.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.02)
    missing(f"redis-server does not start: {log.read_text()[-300:]}")
