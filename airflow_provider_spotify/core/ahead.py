"""Runs one stage ahead of the next, in a thread, no further than a number of bytes."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from airflow_provider_spotify.core.errors import Cancelled

T = TypeVar("T")
_PATIENCE = 0.2  # seconds between two looks at the events that end the reading


class _End(NamedTuple):
    """The last thing in a lane: how the stage before it ended."""

    error: BaseException | None


class _Lane(Generic[T]):
    """A queue bounded in bytes; one item always fits, however large it is."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._items: deque[tuple[T | _End, int]] = deque()
        self._changed = threading.Condition()
        self.closed = False

    def put(self, item: T | _End, size: int) -> bool:
        """Wait for room and add an item; return False if nobody will take it any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.closed or not self._items or self._held + size <= self._limit
            )
            if not self.closed:
                self._items.append((item, size))
                self._held += size
                self._changed.notify_all()
            return not self.closed

    def take(self, *, patience: float | None = None) -> T | _End | None:
        """Wait for an item and remove it; None if it takes longer than ``patience`` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._items), patience):
                return None
            item, size = self._items.popleft()
            self._held -= size
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let a waiting producer go."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


def ahead(
    items: Generator[T, None, None],
    *,
    size: Callable[[T], int],
    limit: int,
    name: str,
    patience: Callable[[], float | None] | None = None,
) -> Generator[T | None, None, None]:
    """Yield the items of a generator that runs in a thread of its own.

    The order stays; an error comes after the items before it. Closing this generator stops and
    closes the other one and waits for its thread.

    :param size: the bytes an item holds
    :param limit: how many bytes may wait between the two
    :param name: the thread's name, for whoever reads a stack dump
    :param patience: asked before each item for how many seconds to wait; when they have passed,
        None is yielded, and the next question follows
    """
    lane: _Lane[T] = _Lane(limit)

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not lane.put(item, size(item)):
                    break
        except BaseException as raised:
            error = raised
        finally:
            items.close()
        lane.put(_End(error), 0)

    thread = threading.Thread(target=produce, name=name, daemon=True)
    thread.start()
    try:
        while True:
            item = lane.take(patience=patience() if patience else None)
            if isinstance(item, _End):
                break
            yield item
        if item.error is not None:
            raise item.error
    finally:
        lane.close()
        thread.join()


def drain(
    items: AsyncIterator[T],
    *,
    cancel: threading.Event | None = None,
    stop: threading.Event | None = None,
) -> Generator[T, None, None]:
    """Yield the items of an asynchronous iterator, in an event loop of its own.

    :param cancel: the caller's wish to end
    :param stop: set when nobody wants the items any more
    :raises Cancelled: within a fraction of a second after either is set
    """
    ends = [event for event in (cancel, stop) if event is not None]
    with asyncio.Runner() as runner:
        try:
            while True:
                try:
                    yield runner.run(_next(items, ends))
                except StopAsyncIteration:
                    return
        finally:
            if close := getattr(items, "aclose", None):
                runner.run(close())


async def _next(items: AsyncIterator[T], ends: Sequence[threading.Event]) -> T:
    task = asyncio.ensure_future(anext(items))
    while not task.done():
        if any(event.is_set() for event in ends):
            task.cancel()
            await asyncio.wait([task])
            raise Cancelled("the import was asked to stop while it was reading")
        await asyncio.wait([task], timeout=_PATIENCE if ends else None)
    return task.result()


def sized(batches: Iterable[object]) -> int:
    """Return the bytes that the Arrow batches among some objects hold."""
    return sum(int(getattr(batch, "nbytes", 0)) for batch in batches)
