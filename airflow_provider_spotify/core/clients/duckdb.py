"""DuckDB files: opening one that several processes and threads write to, and its errors."""

from __future__ import annotations

import fcntl
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    TransientError,
)

if TYPE_CHECKING:
    import duckdb

_FIRST_WAIT, _LONGEST_WAIT = 0.005, 0.2
_turns: dict[str, threading.Lock] = {}
_turns_lock = threading.Lock()


@contextmanager
def duckdb_errors(path: str) -> Iterator[None]:
    """Turn DuckDB's errors into ours.

    :raises ImporterError: the one that says what to do next
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _translated(error, path) from error


def _translated(error: duckdb.Error, path: str) -> ImporterError:
    import duckdb

    said = f"{path}: {error}"
    if isinstance(error, duckdb.IOException) and "Permission denied" in str(error):
        return ForbiddenError(said)
    if isinstance(error, duckdb.OutOfMemoryException):
        return ConfigurationError(f"{said} (raise memory_limit of the destination)")
    if isinstance(error, (duckdb.DataError, duckdb.IntegrityError)):
        return DataError(said)
    transient = (duckdb.IOException, duckdb.TransactionException, duckdb.InternalError)
    if isinstance(error, transient):
        return TransientError(said)
    return ConfigurationError(said)


def turn(path: str) -> threading.Lock:
    """Return the lock that the writing threads of this process take turns by."""
    with _turns_lock:
        return _turns.setdefault(os.path.realpath(path), threading.Lock())


def open_file(path: str, *, timeout: float) -> duckdb.DuckDBPyConnection:
    """Open a database file, creating it and its folder; wait while another process has it open.

    DuckDB lets one process at a time write to a file, and says which one it is
    (https://duckdb.org/docs/stable/connect/concurrency).

    :param timeout: how many seconds to wait at most
    :raises TransientError: if the other process keeps it longer
    """
    import duckdb

    with duckdb_errors(path):
        deadline, wait = time.monotonic() + timeout, _FIRST_WAIT
        _create(Path(path))
        while True:
            try:
                return duckdb.connect(path)
            except duckdb.IOException as error:
                if "Could not set lock" not in str(error):
                    raise
                if time.monotonic() + wait > deadline:
                    raise TransientError(
                        f"{path} is still open in another process after {timeout:.0f} s: {error}"
                    ) from error
            time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries
            wait = min(wait * 1.5, _LONGEST_WAIT)


def _create(path: Path) -> None:
    """Put an empty database at a path where there is none, whole or not at all.

    DuckDB writes a new file in several steps; one that was killed between them leaves a file that
    nobody can open any more.
    """
    import duckdb

    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.new")
    duckdb.connect(draft).close()
    try:
        path.hardlink_to(draft)  # unlike a rename, it never replaces another's new file
    except FileExistsError:
        return
    finally:
        draft.unlink()


@contextmanager
def file_lock(path: Path, *, what: str) -> Iterator[None]:
    """Hold a lock file; the system frees it when this process ends, however it ends.

    It also excludes other threads of this process. The file stays: deleting it would let a third
    process lock a new file of the same name.

    :raises TransientError: if another process or thread holds it, saying which process
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise TransientError(f"{what} is under way already, in process {holder}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
