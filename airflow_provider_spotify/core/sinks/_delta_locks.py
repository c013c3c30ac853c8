"""Locks of loads: a lock file on a local disk, a table with a heartbeat on an object store."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from airflow_provider_spotify.core.clients.delta import Place, delta_errors, is_conflict
from airflow_provider_spotify.core.clients.duckdb import file_lock
from airflow_provider_spotify.core.errors import ImporterError, TransientError

FOLDER = "_locks"
_BEAT, _EXPIRES = 20.0, 90.0
"""Seconds between two signs of life, and after which a lock without one may be taken."""
_APP = "lock"
_TRIES = 3


def lock(place: Place, schema: str, name: str) -> AbstractContextManager[None]:
    """Exclude others who lock the same name.

    :raises TransientError: if another holds it
    """
    safe = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)
    if place.local:
        path = Path(place.file(schema, FOLDER, f"{safe}.lock"))
        return file_lock(path, what=f"a load of {name}")
    return _leased(Lease(place, (schema, FOLDER, safe), what=f"a load of {name}"))


@contextmanager
def _leased(lease: Lease) -> Iterator[None]:
    lease.take()
    stop = threading.Event()
    beats = threading.Thread(target=lease.beat, args=(stop,), daemon=True)
    beats.start()
    try:
        yield
    finally:
        stop.set()
        beats.join()
        with suppress(ImporterError):  # it expires by itself
            lease.release()


class Lease:
    """A lock that a table's newest version tells of; whoever commits the next version has it.

    Two who try at once commit upon the same version, with the same app transaction: one of the two
    commits fails. The clocks of the machines may differ by less than the time after which a lock
    expires. A load that was stopped for longer cannot do harm: its data commit carries a lower
    number than that of the load that took over.
    """

    def __init__(self, place: Place, steps: tuple[str, ...], *, what: str) -> None:
        self._place = place
        self._steps = steps
        self._what = what
        self._me = uuid4().hex
        self._said = f"{socket.gethostname()}:{os.getpid()}"

    def take(self) -> None:
        """Take the lock.

        :raises TransientError: if another holds it
        """
        for attempt in range(_TRIES):
            try:
                self._commit(timedelta(seconds=_EXPIRES), alone=True)
            except TransientError as error:
                if error.__cause__ is None or not is_conflict(error.__cause__):
                    raise
                time.sleep(0.1 * (attempt + 1))
            else:
                return
        raise TransientError(f"{self._what} is under way already")

    def beat(self, stop: threading.Event) -> None:
        """Give signs of life until told to stop; one that fails is made up for by the next."""
        while not stop.wait(_BEAT):
            with suppress(ImporterError):
                self._commit(timedelta(seconds=_EXPIRES), alone=False)

    def release(self) -> None:
        """Let others have it."""
        self._commit(timedelta(0), alone=False)

    def _commit(self, lasts: timedelta, *, alone: bool) -> None:
        from deltalake import CommitProperties, Transaction, write_deltalake

        now = datetime.now(UTC)
        with delta_errors(self._place.uri(*self._steps)):
            table = self._place.table(*self._steps)
            version = 0
            if table is not None:
                version = (table.transaction_version(_APP) or 0) + 1
                (found,) = table.to_pyarrow_table().to_pylist()
                if found["owner"] != self._me and (found["until"] > now or not alone):
                    raise TransientError(f"{self._what} is under way already, in {found['who']}")
            row = {"owner": self._me, "who": self._said, "until": now + lasts}
            until = pa.timestamp("us", "UTC")
            schema = pa.schema([("owner", pa.string()), ("who", pa.string()), ("until", until)])
            write_deltalake(
                table if table is not None else self._place.uri(*self._steps),
                pa.Table.from_pylist([row], schema=schema),
                mode="error" if table is None else "overwrite",
                storage_options=self._place.options or None,
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(_APP, version)], max_commit_retries=0
                ),
            )
