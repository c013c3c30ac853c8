"""The tape that runs in this process: it hears every HTTP exchange, or answers in its place.

There is one for all threads: a load reads in a thread of its own, which sees no context variable
of the one that began it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Protocol

from airflow_provider_spotify.core.clients.http.body import Incoming
from airflow_provider_spotify.core.clients.http.messages import Request
from airflow_provider_spotify.core.errors import ConfigurationError

Begin = Callable[[], Awaitable[Incoming]]


class Tape(Protocol):
    """Something that every exchange passes through."""

    answers: ClassVar[bool]
    """It answers itself; nothing reaches the network."""

    async def exchange(
        self, request: Request, begin: Begin, *, secrets: tuple[str, ...]
    ) -> Incoming:
        """Return the answer to a request.

        :param begin: sends it to the system
        :param secrets: what must not be kept
        """
        ...


_RUNNING: list[Tape] = []
_FORGETFUL: list[Callable[[], None]] = []


def forgets(what: Callable[[], None]) -> None:
    """Call this when a tape begins and when it ends: it drops what one must not give the other."""
    _FORGETFUL.append(what)


def tape() -> Tape | None:
    """Return the tape that runs, if one does."""
    return _RUNNING[-1] if _RUNNING else None


def replaying() -> bool:
    """Say whether answers come from a tape: then nothing they hold is worth keeping."""
    running = tape()
    return running is not None and running.answers


@contextmanager
def running(tape: Tape) -> Iterator[None]:
    """Let a tape run; clients use no cache meanwhile, and share no token with other times.

    :raises ConfigurationError: if one runs already
    """
    if _RUNNING:
        raise ConfigurationError("exchanges are recorded or replayed already in this process")
    _RUNNING.append(tape)
    _forget()
    try:
        yield
    finally:
        _RUNNING.remove(tape)
        _forget()


def _forget() -> None:
    for what in _FORGETFUL:
        what()
