"""A real PostgreSQL for tests: a local process, or the server that the environment names."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest

from airflow_provider_spotify.core.clients.postgres import connect, quoted
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Credentials
from tests.services.process import free_port, missing

URL = "SPOTIFY_IMPORTS_TEST_POSTGRES_URL"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Credentials]:
    """Give a PostgreSQL server of this test session; skip with the reason where there is none."""
    if given := os.environ.get(URL):
        yield Credentials.from_uri(given)
        return
    folder = _programs()
    if folder is None:
        missing(f"PostgreSQL is not installed (apt install postgresql), nor is {URL} set")
    with _server(folder) as credentials:
        yield credentials


@pytest.fixture
def postgres_database(postgres: Credentials) -> Iterator[Credentials]:
    """Give a database of this test alone."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with connect(postgres) as connection:
        connection.execute(f"CREATE DATABASE {quoted(name)}".encode())
    try:
        yield postgres.model_copy(update={"database": name})
    finally:
        with connect(postgres) as connection:
            drop_slots(connection, name)
            connection.execute(f"DROP DATABASE {quoted(name)} WITH (FORCE)".encode())


def drop_slots(connection: psycopg.Connection[Any], database: str) -> None:
    """Remove a database's replication slots, or it could not be dropped; end who reads them."""
    its = b"FROM pg_replication_slots WHERE database = $1"
    connection.execute(b"SELECT pg_terminate_backend(active_pid) " + its, [database])
    deadline = time.monotonic() + 60
    while connection.execute(b"SELECT 1 " + its + b" AND active", [database]).fetchone():
        assert time.monotonic() < deadline, "a replication slot stays active"
        time.sleep(0.02)
    connection.execute(b"SELECT pg_drop_replication_slot(slot_name) " + its, [database])


@contextmanager
def postgres_server(
    *, files: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[Credentials]:
    """Run a server with settings of its own; skip where PostgreSQL is not installed.

    :param files: more files of its data folder, such as ``server.key`` or ``pg_hba.conf``
    """
    folder = _programs()
    if folder is None:
        missing("PostgreSQL is not installed (apt install postgresql)")
    with _server(folder, files=files or {}, **settings) as credentials:
        yield credentials


def _programs() -> Path | None:
    """Find the newest installed server."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = [p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(installed, key=lambda p: int(p.parent.name), default=None)


@contextmanager
def _server(
    programs: Path, *, files: Mapping[str, str] = MappingProxyType({}), **given: Any
) -> Iterator[Credentials]:
    """Run a server in a folder that goes away with it. It refuses to run as root."""
    user = _unprivileged() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if user:
            shutil.chown(folder, user)
        data, log = Path(folder, "data"), Path(folder, "log")
        secret = Path(folder, "secret")
        secret.write_text("postgres")
        secret.chmod(0o644)
        made = subprocess.run(
            [
                *(programs / "initdb", "-D", data, "-U", "postgres", "--pwfile", secret),
                *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            user=user,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if made.returncode:
            missing(f"initdb failed: {made.stderr.strip()[-300:]}")
        for name, content in files.items():
            _put(data / name, content, user)
        port = free_port()
        settings: dict[str, Any] = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "max_connections": 60,
            "wal_level": "logical",
            "max_replication_slots": 40,
            "max_wal_senders": 40,
            "fsync": "off",
        } | given
        options = [word for k, v in settings.items() for word in ("-c", f"{k}={v}")]
        with log.open("wb") as output:
            command: list[str | Path] = [programs / "postgres", "-D", data, *options]
            process = subprocess.Popen(command, user=user, stdout=output, stderr=output, cwd="/")
        try:
            yield _healthy(port, process=process, log=log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End sessions and stop; if that takes long, stop as in a crash."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def _put(file: Path, content: str, user: str | None) -> None:
    file.write_text(content)
    file.chmod(0o600)
    if user:
        shutil.chown(file, user)


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _healthy(port: int, *, process: subprocess.Popen[bytes], log: Path) -> Credentials:
    address = f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres"
    credentials = Credentials.from_uri(address)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connect(credentials).close()
        except (ImporterError, psycopg.Error):
            time.sleep(0.05)
        else:
            return credentials
    return missing(f"PostgreSQL does not start: {log.read_text()[-300:]}")
