"""The memory that the answers of one client take while their bodies are read."""

from __future__ import annotations

import asyncio


class Room:
    """Bytes that the answers of one client share while they are read; used from one event loop.

    An answer that no longer fits in waits for others to end. The first of those who wait is read
    on alone, outside of what is shared and up to its own bound: however many wait for each other,
    one goes on. So all together hold at most ``most`` and one ``max_bytes``.

    :param most: bytes that are shared
    :ivar free: those that nobody holds
    """

    def __init__(self, most: int) -> None:
        self.free = most
        self._alone: Held | None = None
        self._waiting: list[Held] = []

    @property
    def waiting(self) -> int:
        """How many answers wait."""
        return len(self._waiting)

    def held(self) -> Held:
        """Return the account of one answer, which holds nothing yet."""
        return Held(self)

    def take(self, size: int) -> bool:
        """Take bytes if there are so many."""
        if size > self.free:
            return False
        self.free -= size
        return True

    def give(self, size: int) -> None:
        """Give bytes back."""
        self.free += size
        if self._waiting:
            self._wake()

    def leave(self, held: Held) -> None:
        """Let another answer go on alone, if this one did."""
        if self._alone is held:
            self._alone = None
            self._wake()

    async def enter(self, held: Held) -> None:
        """Wait until an answer has what it asks for, or may go on alone."""
        held.turn = asyncio.get_running_loop().create_future()
        self._waiting.append(held)
        self._wake()
        try:
            await held.turn
        finally:
            if held in self._waiting:
                self._waiting.remove(held)

    def _wake(self) -> None:
        for held in list(self._waiting):
            if self._alone is None:
                self._alone = held
                held.alone = True
                self.free += held.size
            elif self.take(held.asked):
                held.size += held.asked
            else:
                continue
            self._waiting.remove(held)
            if not held.turn.done():
                held.turn.set_result(None)


class Held:
    """What one answer holds of the room.

    :ivar size: bytes of what is shared
    :ivar asked: bytes that it waits for
    :ivar alone: it takes no more of what is shared
    """

    __slots__ = ("_room", "alone", "asked", "size", "turn")
    turn: asyncio.Future[None]

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0
        self.asked = 0
        self.alone = False

    def add(self, size: int) -> bool:
        """Hold so many bytes more; False: ``wait`` for them."""
        if self.alone:
            return True
        if self._room.take(size):
            self.size += size
            return True
        self.asked = size
        return False

    async def wait(self) -> None:
        """Wait for what ``add`` did not find room for; then it is held."""
        await self._room.enter(self)

    def end(self) -> None:
        """Hold nothing any more."""
        if self.alone:
            self._room.leave(self)
        else:
            self._room.give(self.size)
        self.size = 0
