"""Runs a replication stream: what to do when a message comes, and when none does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

from airflow_provider_spotify.core.clients import postgres_pgoutput as messages
from airflow_provider_spotify.core.clients.postgres_replication import Replication
from airflow_provider_spotify.core.errors import DataError, TransientError
from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.database._postgresql_changes import Assembler

_PATIENCE = 5.0
"""Seconds to wait for a slot whose reader has ended, or was killed, and that is still taken."""
_GLANCE = 0.5
"""Seconds after which a silent stream is looked at again."""
_BREATH = 2048
"""Messages between two moments at which others may run."""


class Stream:
    """The stream of one slot.

    :param idle_bytes: give a cursor, without rows, after so much log that holds none
    """

    def __init__(
        self, credentials: Credentials, *, slot: str, publication: str, idle_bytes: int
    ) -> None:
        self._credentials = credentials
        self._slot = slot
        self._publication = publication
        self._idle_bytes = idle_bytes

    async def chunks(
        self, rows: Assembler, *, target: int | None, deadline: float | None
    ) -> AsyncGenerator[Chunk, None]:
        """Yield what the assembler makes of the stream.

        :param target: end with what had committed before this position; None: go on
        :param deadline: end then, in monotonic seconds
        """
        async with self._open(rows) as replication:
            taken = 0
            while not rows.full and not over(deadline) and not _beyond(rows, target):
                message = replication.receive()
                if message is not None:
                    for chunk in rows.take(message):
                        yield chunk
                    taken += 1
                    if taken % _BREATH == 0:
                        await asyncio.sleep(0)
                    continue
                if given := self._given(rows, replication, target):
                    yield given
                if rows.begun is None and _reached(rows, replication, target):
                    break
                await _rest(rows, replication, deadline=deadline, target=target)
            if last := rows.flush():
                yield last

    async def anything(self, rows: Assembler, *, target: int) -> bool:
        """Say whether there is a change before a position; the slot keeps everything."""
        async with self._open(rows) as replication:
            while not _beyond(rows, target) and not _reached(rows, replication, target):
                if rows.pending:
                    return True
                message = replication.receive()
                if message is None:
                    await _rest(rows, replication, deadline=None, target=target)
                    continue
                try:
                    for _ in rows.take(message):
                        return True
                except DataError:
                    return True  # reading says what is wrong
        return rows.pending > 0

    @asynccontextmanager
    async def _open(self, rows: Assembler) -> AsyncIterator[Replication]:
        with Replication(self._credentials) as replication:
            await patiently(
                lambda: replication.start(self._slot, at=rows.at.lsn, publication=self._publication)
            )
            yield replication

    def _given(self, rows: Assembler, replication: Replication, target: int | None) -> Chunk | None:
        """Return what is to be given now that nothing comes."""
        if rows.pending:
            due = rows.lingered() <= 0 or _reached(rows, replication, target)
            return rows.flush() if due else None
        ahead = replication.position - rows.at.lsn
        if rows.begun is None and ahead >= self._idle_bytes:
            return rows.nothing(replication.position)
        return None


async def quiet(replication: Replication, start: int, *, target: int) -> int:
    """Return how far a stream goes without a transaction: to the target, or to the first one."""
    deadline = time.monotonic() + _GLANCE
    while replication.position < target and not over(deadline):
        message = replication.receive()
        if message is not None:
            return max(start, messages.begin(message).lsn)
        await replication.wait(_GLANCE / 5)
    return max(start, min(replication.position, target))


async def patiently(attempt: Callable[[], None]) -> None:
    """Try again while a slot is still taken by a reader that has ended."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            attempt()
        except TransientError as error:
            if "is active" not in str(error) or over(deadline):
                raise
        else:
            return
        await asyncio.sleep(0.1)


def over(deadline: float | None) -> bool:
    """Say whether a moment, in monotonic seconds, has passed."""
    return deadline is not None and time.monotonic() >= deadline


def _reached(rows: Assembler, replication: Replication, target: int | None) -> bool:
    return target is not None and max(rows.at.lsn, replication.position) >= target


def _beyond(rows: Assembler, target: int | None) -> bool:
    """Say whether the transaction under way committed after the target."""
    return target is not None and rows.begun is not None and rows.begun.lsn >= target


async def _rest(
    rows: Assembler, replication: Replication, *, deadline: float | None, target: int | None
) -> None:
    """Wait for more; ask the server how far it is, where that decides."""
    seconds = _GLANCE
    if rows.pending:
        seconds = min(seconds, max(0.0, rows.lingered()))
    if deadline is not None:
        seconds = min(seconds, max(0.0, deadline - time.monotonic()))
    before = replication.position
    await replication.wait(seconds)
    if target is not None and replication.position == before:
        replication.ask()
