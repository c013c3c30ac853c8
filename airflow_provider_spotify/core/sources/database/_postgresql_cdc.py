"""Reads the changes of one table from PostgreSQL's log: slot, publication, snapshot, stream.

The slot is told what it may forget only by ``committed``, and then only what comes before the
start of the load that ended: Airflow may run that load again, and it must find its changes. What
the log holds beyond that is one load's worth.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.clients import postgres_slots as slots
from airflow_provider_spotify.core.clients.postgres import connect, postgres_errors
from airflow_provider_spotify.core.clients.postgres_pgoutput import Attribute
from airflow_provider_spotify.core.clients.postgres_query import select
from airflow_provider_spotify.core.clients.postgres_reader import PostgresReader, identifier
from airflow_provider_spotify.core.clients.postgres_replication import Replication, acknowledge
from airflow_provider_spotify.core.clients.postgres_slots import Published, Slot
from airflow_provider_spotify.core.clients.postgres_texts import Texts
from airflow_provider_spotify.core.errors import ConfigurationError, DataError, TransientError
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor
from airflow_provider_spotify.core.sources.database._postgresql_changes import (
    READ_AGAIN,
    Assembler,
    Position,
)
from airflow_provider_spotify.core.sources.database._postgresql_snapshot import Rows
from airflow_provider_spotify.core.sources.database._postgresql_stream import (
    Stream,
    over,
    patiently,
    quiet,
)
from airflow_provider_spotify.core.sources.database._postgresql_unchanged import Unchanged

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlConfig


class _Beginning(NamedTuple):
    """What is known before reading.

    :param target: where the log ended
    :param slot: None where it is yet to be made
    """

    target: int
    table: Published
    slot: Slot | None


class Changes:
    """The changes of the table that a configuration names."""

    def __init__(self, config: PostgresqlConfig, *, credentials: Credentials, tenant: str) -> None:
        self._config = config
        self._credentials = credentials
        self._place = f"{config.schema_}.{config.table}"
        self.slot = config.cdc.slot or slot_name(tenant, config.schema_, str(config.table))
        self._publication = config.cdc.publication or self.slot
        self._shapes: dict[Any, Texts] = {}

    async def read(self, since: Cursor | None) -> AsyncGenerator[Chunk, None]:
        """Yield the rows that are there, the first time, and then what changed."""
        until = self._config.until
        deadline = time.monotonic() + until.within.total_seconds() if until.within else None
        found = self._look(create=self._config.cdc.create)
        start = self._start(found, since)
        left = until.rows
        if start is None or (since is not None and "row" in since):
            async with aclosing(self._snapshot(found, start, since)) as snapshot:
                async for chunk in snapshot:
                    start = Position.of(chunk.cursor)
                    yield chunk
                    if left is not None:
                        left -= chunk.batch.num_rows + _count(chunk)
                    if left == 0 or over(deadline):
                        return
        if start is None:
            created = self._look(create=False).slot
            if created is None:
                return
            start = Position(created.confirmed, 0, created.confirmed)
        if (until.caught_up or self._config.cdc.upto) and start.lsn >= found.target:
            return
        target = found.target if until.caught_up or self._config.cdc.upto else None
        rows = self._assembler(found, start, limit=left)
        async with aclosing(
            self._stream().chunks(rows, target=target, deadline=deadline)
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    async def exists(self, since: Cursor | None) -> bool:
        """Say whether there is something to read; a slot that is being read has nothing to give."""
        found = self._look(create=False, missing=True)
        initial = since is None and self._config.cdc.snapshot == "initial"
        if initial and self._has_rows():
            return True
        start = self._start(found, since) or _kept(found.slot)
        if start is None:
            return not initial  # of changes only, reading makes the slot
        if (since and "row" in since) or found.target - start.lsn >= self._config.cdc.idle_bytes:
            return True
        if start.lsn >= found.target or (found.slot and found.slot.active):
            return False
        rows = self._assembler(found, start, limit=1)
        return await self._stream().anything(rows, target=found.target)

    def looked_at(self) -> str:
        """Look at everything that reading needs; change nothing.

        :raises ImporterError: what is missing, and what to do about it
        """
        found = self._look(create=False, missing=self._config.cdc.create)
        with Replication(self._credentials):
            columns = f"{len(found.table.columns)} columns"
        if found.slot is None:
            return f"{columns}, slot {self.slot} is yet to be made"
        self._check_slot(found.slot)
        kept = (found.target - found.slot.confirmed) / 1024 / 1024
        return f"{columns}, slot {self.slot} keeps {kept:,.1f} MB of log"

    def ends(self) -> int:
        """Return the position where the log ends now."""
        with connect(self._credentials) as connection, postgres_errors(self._credentials):
            return slots.flushed(connection)

    def committed(self, cursor: Cursor) -> None:
        """Let the slot forget what no load will ask for again.

        :raises TransientError: if another process reads the slot
        """
        lsn = int(cursor["held"])
        deadline = time.monotonic() + 2  # a reader that has ended may hold it a moment longer
        while not acknowledge(self._credentials, self.slot, lsn):
            try:
                with connect(self._credentials) as connection, postgres_errors(self._credentials):
                    slot = slots.find_slot(connection, self.slot)
                    if slot is not None:
                        slots.advance(connection, slot, lsn)
                break
            except TransientError:
                if over(deadline):
                    raise
            time.sleep(0.05)

    # ── before reading ───────────────────────────────────────────────────────────────────────

    def _look(self, *, create: bool, missing: bool = False) -> _Beginning:
        """Look at the server, the publication and the slot.

        :param missing: the publication may be missing
        """
        config = self._config
        with connect(self._credentials) as connection, postgres_errors(self._credentials):
            slots.check_log(connection)
            table = slots.published(
                connection,
                self._publication,
                schema=config.schema_,
                table=str(config.table),
                create=create,
                missing=missing,
            )
            unknown = set(config.columns or ()) - {column.name for column in table.columns}
            if unknown:
                raise ConfigurationError(
                    f"{self._place} publishes no column {', '.join(sorted(unknown))} (generated "
                    "columns are never published)"
                )
            target = min(slots.flushed(connection), config.cdc.upto or sys.maxsize)
            return _Beginning(target, table, slots.find_slot(connection, self.slot))

    def _start(self, found: _Beginning, since: Cursor | None) -> Position | None:
        """Return where the changes begin; None: where a slot that is yet to be made begins."""
        slot = found.slot
        if since is None:
            if self._config.cdc.snapshot == "initial" or slot is None:
                return None
            self._check_slot(slot)
            return _kept(slot)
        if slot is None:
            raise self._gone("is not there")
        self._check_slot(slot)
        start = Position.of(since)
        if slot.confirmed > start.lsn:
            raise self._gone("has forgotten changes that come after the saved cursor")
        if slot.confirmed >= start.held:  # what lies before the cursor was committed
            return start._replace(held=start.lsn)
        return start

    def _check_slot(self, slot: Slot) -> None:
        if slot.lost:
            raise self._gone(
                "was invalidated: the log it needed is removed (see the server's "
                "max_slot_wal_keep_size)"
            )

    def _gone(self, why: str) -> DataError:
        return DataError(
            f"{self._place}: replication slot {self.slot} {why}, so changes cannot be read without "
            f"a gap. {READ_AGAIN}"
        )

    def _has_rows(self) -> bool:
        relation = identifier(self._config.schema_, str(self._config.table))
        with PostgresReader(self._credentials) as reader:
            return bool(reader.rows(select("1 AS one", relation, (), tail="LIMIT 1")))

    # ── the snapshot ─────────────────────────────────────────────────────────────────────────

    async def _snapshot(
        self, found: _Beginning, start: Position | None, since: Cursor | None
    ) -> AsyncGenerator[Chunk, None]:
        """Make the slot and read the rows of its moment, or go on where that was cut short."""
        config, name, fresh = self._config, None, start is None
        with Replication(self._credentials) as replication:
            start = start or _kept(found.slot, covered=found.target)
            if start is None:
                name, lsn = await self._made(replication, found)
                start = Position(lsn, 0, lsn)
                if config.cdc.snapshot == "never":
                    return
            with PostgresReader(self._credentials, snapshot=name) as reader:
                if fresh:
                    start = start._replace(lsn=await self._quiet(replication, start.lsn))
                rows = Rows(config, found.table, start=start, limit=config.until.rows)
                with closing(rows.chunks(reader, since)) as chunks:
                    for chunk in chunks:
                        yield chunk

    async def _quiet(self, replication: Replication, lsn: int) -> int:
        """Return a position behind the slot's with no change in between, if there is one.

        The first load then ends behind where the slot begins, so that the slot's first move can
        say that a load has been committed which began there.
        """
        with connect(self._credentials) as connection:
            target = slots.moved(connection)
        await patiently(lambda: replication.start(self.slot, at=lsn, publication=self._publication))
        return await quiet(replication, lsn, target=target)

    async def _made(self, replication: Replication, found: _Beginning) -> tuple[str, int]:
        """Make the slot, in the place of one that is lost; return its snapshot and position."""
        if not self._config.cdc.create:
            raise ConfigurationError(
                f"{self._place}: the slot {self.slot} would have to be made anew; drop it and "
                "allow that with cdc: {create: true}, or read changes only: {snapshot: never}"
            )
        if found.slot is not None:
            await patiently(lambda: replication.drop(self.slot))
        made = replication.create(self.slot)
        return made.name, made.lsn

    # ── the stream ───────────────────────────────────────────────────────────────────────────

    def _stream(self) -> Stream:
        return Stream(
            self._credentials,
            slot=self.slot,
            publication=self._publication,
            idle_bytes=self._config.cdc.idle_bytes,
        )

    def _assembler(self, found: _Beginning, start: Position, *, limit: int | None) -> Assembler:
        config = self._config
        return Assembler(
            config,
            found.table,
            start=start,
            shape=self._shape,
            unchanged=Unchanged(self._credentials, schema=config.schema_, table=str(config.table)),
            limit=limit,
        )

    def _shape(self, attributes: Sequence[Attribute]) -> Texts:
        key = tuple((each.name, each.oid, each.modifier) for each in attributes)
        if key not in self._shapes:
            self._shapes[key] = Texts(
                self._credentials,
                attributes,
                place=self._place,
                numeric=self._config.numeric,
            )
        return self._shapes[key]


def slot_name(tenant: str, schema: str, table: str) -> str:
    """Name the slot of a tenant's table: letters, digits and underscores, 63 at most."""
    plain = f"spotify_{tenant}_{schema}_{table}"
    name = re.sub(r"[^a-z0-9_]", "_", plain.lower())
    if name == plain and len(name) <= 63:
        return name
    return f"{name[:54]}_{hashlib.blake2b(plain.encode(), digest_size=4).hexdigest()}"


def _kept(slot: Slot | None, *, covered: int = 0) -> Position | None:
    """Return where the changes begin that a slot still has."""
    if slot is None or slot.lost:
        return None
    return Position(slot.confirmed, 0, slot.confirmed, covered)


def _count(chunk: Chunk) -> int:
    return 0 if chunk.rejected is None else chunk.rejected.num_rows
