"""A real ClickHouse engine for tests: chdb in a process of its own, or a server that is named."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.clickhouse import connect
from airflow_provider_spotify.core.model import Credentials
from tests.services.process import free_port, missing, running

URL = "SPOTIFY_IMPORTS_TEST_CLICKHOUSE_URL"
PASSWORD = "clickhouse-tests-8123"
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[Credentials]:
    """Yield credentials of a ClickHouse; skip the test with the reason where there is none."""
    if given := os.environ.get(URL):
        yield Credentials.from_uri(given)
        return
    with tempfile.TemporaryDirectory(prefix="clickhouse-") as folder:
        port = free_port()
        with clickhouse_server(Path(folder), port=port):
            yield credentials_of(port)


def credentials_of(port: int) -> Credentials:
    """Return how to reach a server that this module started."""
    return Credentials(
        host="127.0.0.1",
        port=port,
        login="default",
        password=SecretStr(PASSWORD),
        database="default",
    )


@contextmanager
def clickhouse_server(folder: Path, *, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a server's process over a folder; it may be killed, and started again on the same."""
    if find_spec("chdb") is None:
        missing(f"chdb is not installed (pip install chdb-core), nor is {URL} set")
    data = folder / "data"
    data.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.services.clickhouse_front"]
    command += ["--folder", str(data), "--port", str(port), "--password", PASSWORD]

    def healthy() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
                return bool(answer.read() == b"Ok.\n")
        except HTTPError:
            return False

    env = {"PYTHONPATH": str(_ROOT)}
    words: Any = {"name": "clickhouse", "folder": folder, "healthy": healthy, "env": env}
    with running(command, **words, seconds=180) as process:
        yield process


@pytest.fixture
def clickhouse_database(clickhouse: Credentials) -> Iterator[Credentials]:
    """Yield credentials of a database that is empty and this test's own."""
    name = f"test_{next(_NUMBERS)}_{os.getpid()}"
    with connect(clickhouse) as client:
        client.command(f"CREATE DATABASE {name}")
        try:
            yield clickhouse.model_copy(update={"database": name})
        finally:
            client.command(f"DROP DATABASE {name} SYNC")


_NUMBERS = iter(range(1, 1_000_000))
