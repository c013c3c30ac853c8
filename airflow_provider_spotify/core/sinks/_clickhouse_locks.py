"""Locks in a ClickHouse database: a table that only one can create, and the holder's sign of life.

ClickHouse has no lock that a client can hold, and its sessions lock nothing. But creating a table
that exists fails, whoever is faster, so a table is the lock; its comment names the holder. The
holder writes a beat each second. One that stopped beating is dead; so is, at once, a process of
this machine that is gone, and a load of this process that ended. Its lock is taken by renaming the
table, which again only one can do; what is committed under a lock names the table's UUID, so a
holder that was only asleep commits nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from airflow_provider_spotify.core.clients.clickhouse import (
    UNKNOWN_DATABASE,
    ClickHouseRefusal,
    identifier,
    literal,
)
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.sinks._clickhouse_server import ClickHouseServer

BEAT = 1.0
EXPIRY = 15.0
"""Seconds after the last beat of a holder of which nothing else is known."""
_EXISTS, _UNKNOWN = 57, (60, 218)
_LEFT: set[str] = set()
"""The locks that this process could not give back, by UUID. Those it holds are not listed: another
of its threads may have seen a lock before it was on such a list, or after it was taken off."""


class Lease(NamedTuple):
    """A lock that is held.

    :param since: when it was taken, by this process's clock
    """

    table: str
    uuid: str
    since: float


class Holder(NamedTuple):
    """Who holds a lock, and for how many seconds nothing was heard of it."""

    uuid: str
    age: float
    words: dict[str, Any]

    def __str__(self) -> str:
        return f"process {self.words.get('pid')} on {self.words.get('host')}"


class Locks:
    """The locks that one loader holds in one database."""

    def __init__(self, server: ClickHouseServer, *, database: str) -> None:
        self._server = server
        self._database = database
        self._held: list[Lease] = []
        self._beating: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def held(self) -> list[Lease]:
        """Return what is held now."""
        return [*self._held]

    def take(self, name: str, *, patience: float) -> Lease | Holder:
        """Take a lock; return its holder if it is still held after some seconds."""
        table, deadline = lock_table(name), time.monotonic() + patience
        while True:
            if lease := self._created(table, name):
                self._held.append(lease)
                self._beat()
                return lease
            holder = self._holder(table)
            if holder is None:
                continue
            if is_dead(holder):
                self._bury(table, holder)
            elif time.monotonic() >= deadline and not _is_silent(holder):
                return holder
            else:
                time.sleep(0.05)

    def release(self, lease: Lease) -> None:
        """Give a lock back; one that another took is no longer ours."""
        self._held.remove(lease)
        if not self._held:
            self._stop.set()
            self._beating = None
        try:
            if time.monotonic() - lease.since > EXPIRY / 2:  # else nobody can have taken it
                found = self._holder(lease.table)
                if found is None or found.uuid != lease.uuid:
                    return
            self._server.run(f"DROP TABLE IF EXISTS {self._name(lease.table)} SYNC")
        except BaseException:
            _LEFT.add(lease.uuid)
            raise

    def fence(self) -> str:
        """Return a condition that holds as long as every lock is still ours."""
        if not self._held:
            return "1"
        pairs = ", ".join(
            f"({literal(lease.table)}, toUUID({literal(lease.uuid)}))" for lease in self._held
        )
        return (
            f"(SELECT count() FROM system.tables WHERE database = {literal(self._database)} "
            f"AND (name, uuid) IN ({pairs})) = {len(self._held)}"
        )

    def _name(self, table: str) -> str:
        return identifier(self._database, table)

    def _created(self, table: str, name: str) -> Lease | None:
        said = json.dumps({"lock": name, **_self(), "mark": self._server.mark})
        lease = Lease(table, str(uuid.uuid4()), time.monotonic())
        create = (
            f"CREATE TABLE {self._name(table)} UUID '{lease.uuid}' (beat DateTime64(3)) "
            f"ENGINE = Memory COMMENT {literal(said)}"
        )
        try:
            self._server.run(create)
        except ClickHouseRefusal as error:
            if error.code in UNKNOWN_DATABASE:
                self._server.run(f"CREATE DATABASE IF NOT EXISTS {identifier(self._database)}")
                return self._created(table, name)
            if error.code == _EXISTS:
                return None
            raise
        except BaseException:  # nobody knows whether it was made
            _LEFT.add(lease.uuid)
            raise
        return lease

    def _holder(self, table: str) -> Holder | None:
        beats = f"SELECT max(beat) FROM {self._name(table)}"
        try:
            rows = self._server.rows(
                "SELECT toString(uuid), comment, dateDiff('millisecond', greatest("
                f"toDateTime64(metadata_modification_time, 3), ({beats})), now64(3)) / 1000 "
                f"FROM system.tables WHERE database = {literal(self._database)} "
                f"AND name = {literal(table)}"
            )
        except ClickHouseRefusal as error:
            if error.code in _UNKNOWN:
                return None
            raise
        return Holder(rows[0][0], float(rows[0][2]), json.loads(rows[0][1])) if rows else None

    def _bury(self, table: str, holder: Holder) -> None:
        """Take a dead holder's lock away, and wait until the server has ended its queries."""
        grave = f"{table}_{secrets.token_hex(4)}"
        try:
            self._server.run(f"RENAME TABLE {self._name(table)} TO {self._name(grave)}")
        except ClickHouseRefusal as error:
            if error.code in _UNKNOWN:
                return  # another was faster
            raise
        buried = self._holder(grave)
        if buried is not None and buried.uuid != holder.uuid:  # a new holder's: give it back
            try:
                self._server.run(f"RENAME TABLE {self._name(grave)} TO {self._name(table)}")
            except ClickHouseRefusal as error:
                if error.code != _EXISTS:
                    raise
                # a third has the lock; the fence tells the second
                self._server.run(f"DROP TABLE IF EXISTS {self._name(grave)} SYNC")
            return
        self._server.settle(str(holder.words.get("mark")))
        self._server.run(f"DROP TABLE IF EXISTS {self._name(grave)} SYNC")

    def _beat(self) -> None:
        if self._beating is None:
            self._stop = threading.Event()
            words = {"target": self._beats, "args": (self._stop,), "daemon": True}
            self._beating = threading.Thread(name="clickhouse-lock", **words)  # type: ignore[arg-type]
            self._beating.start()

    def _beats(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT):
            for lease in self.held:
                try:
                    self._server.run(f"INSERT INTO {self._name(lease.table)} SELECT now64(3)")
                except ImporterError:
                    continue  # the next beat, or the fence of the commit, finds out


def lock_table(name: str) -> str:
    """Return the table that stands for a lock."""
    return f"_lock_{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def is_dead(holder: Holder) -> bool:
    """Say whether a holder can no longer do anything."""
    words = holder.words
    if _machine() is not None and words.get("machine") == _machine():
        pid = int(words["pid"])
        if _started(pid) != words.get("started"):
            return True
        if pid == os.getpid():
            return holder.uuid in _LEFT
    return holder.age > EXPIRY


def _is_silent(holder: Holder) -> bool:
    """Say whether a holder missed some beats, so that waiting for its end is worth it."""
    return holder.age > 4 * BEAT


def _self() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": pid,
        "started": _started(pid),
    }


def _machine() -> str | None:
    """Name this boot of this machine and its namespace of processes; None where there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """Return when a process of this machine was started, in its clock's ticks; None: it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
