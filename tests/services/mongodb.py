"""MongoDB's protocol for tests: a FerretDB of our own, or the server that the environment names.

FerretDB 1 keeps documents in SQLite and checks passwords (SCRAM-SHA-256). What it does not prove is
in docs/decisions/0008-mongodb-bson-and-test-servers.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo.database import Database

from airflow_provider_spotify.core.clients.mongo import connect
from airflow_provider_spotify.core.model import Credentials
from tests.services.process import CACHE, alone, free_port, listening, missing, running

URL = "SPOTIFY_IMPORTS_TEST_MONGODB_URL"
_MODULE, _VERSION = "github.com/FerretDB/FerretDB", "v1.24.2"
_USER, _PASSWORD, _DATABASE = "imports", "only-for-tests", "test"


class MongoDatabase(NamedTuple):
    """A database of one test, and how to reach its server."""

    credentials: Credentials
    database: Database[dict[str, Any]]


@pytest.fixture(scope="session")
def mongodb() -> Iterator[Credentials]:
    """Give a server of this test session; skip with the reason where there is none."""
    if given := os.environ.get(URL):
        yield Credentials.from_uri(given)
        return
    program = ferretdb()
    with tempfile.TemporaryDirectory(prefix="ferretdb-") as folder:
        port = free_port()
        words = {
            "handler": "sqlite",
            "sqlite-url": f"file:{folder}/",
            "state-dir": folder,
            "listen-addr": f"127.0.0.1:{port}",
            "debug-addr": "-",
            "log-level": "warn",
            "setup-database": _DATABASE,
            "setup-username": _USER,
            "setup-password": _PASSWORD,
        }
        command = [program, *(f"--{k}={v}" for k, v in words.items()), "--test-enable-new-auth"]
        silent = {"FERRETDB_TELEMETRY": "disable", "DO_NOT_TRACK": "1"}
        with running(
            command,
            name="ferretdb",
            folder=Path(folder),
            healthy=lambda: listening(port),
            seconds=180,
            env=silent,
        ):
            url = f"mongodb://{_USER}:{_PASSWORD}@127.0.0.1:{port}/{_DATABASE}"
            yield Credentials.from_uri(url)


@pytest.fixture
def mongodb_database(mongodb: Credentials) -> Iterator[MongoDatabase]:
    """Give a database of this test alone."""
    with connect(mongodb) as client:
        name = f"test_{uuid.uuid4().hex[:12]}"
        yield MongoDatabase(mongodb, client[name])
        client.drop_database(name)


def ferretdb() -> Path:
    """Return FerretDB's program, built once from the Go module; later runs find it in the cache."""
    program = CACHE / f"ferretdb-{_VERSION}"
    if not program.exists() and shutil.which("go") is None:
        missing(f"FerretDB is built with Go (https://go.dev/dl), or set {URL}")
    with alone("ferretdb") as cache, tempfile.TemporaryDirectory(dir=cache) as scratch:
        if program.exists():
            return program
        _build(Path(scratch), built := Path(scratch, "ferretdb"))
        return built.replace(program)


def _build(scratch: Path, program: Path) -> None:
    """Build from a copy of the module: it lacks a file that says its version."""
    _go(scratch, "mod", "init", "tests")
    _go(scratch, "mod", "edit", f"-require={_MODULE}@{_VERSION}")
    _go(scratch, "mod", "download", _MODULE)
    source = Path(_go(scratch, "list", "-m", "-f", "{{.Dir}}", _MODULE).strip())
    copy = scratch / "source"
    shutil.copytree(source, copy, copy_function=shutil.copyfile)
    for each in (copy, *copy.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    (copy / "build" / "version" / "version.txt").write_text(_VERSION)
    _go(scratch, "mod", "edit", f"-replace={_MODULE}=./source")
    tags = "ferretdb_no_postgresql,ferretdb_no_mysql"
    _go(scratch, "build", "-trimpath", "-tags", tags, "-o", str(program), f"{_MODULE}/cmd/ferretdb")


def _go(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["go", *words],
        cwd=folder,
        env={**os.environ, "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        missing(f"FerretDB could not be built: {done.stderr[-1000:]}")
    return done.stdout
