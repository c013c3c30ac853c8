"""Reads one Redis stream by its ids, without a consumer group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.redis import Command, Link
from airflow_provider_spotify.core.sources.streaming._redis_streams_gap import Gap, Info, anew
from airflow_provider_spotify.core.sources.streaming._redis_streams_ids import (
    FIRST,
    LAST,
    at,
    before,
    order,
)
from airflow_provider_spotify.core.sources.streaming._redis_streams_rows import Entry

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming.redis_streams import (
        RedisStreamsConfig,
        Slice,
    )


class Plain:
    """One stream, and how far it is read.

    :param state: of the cursor: ``id``, the last entry read, and ``added``, how many entries had
        been added to the stream up to it, if that is known
    :param bounds: read after the first id and up to the second, and look for no gap
    """

    def __init__(
        self,
        link: Link,
        name: str,
        *,
        config: RedisStreamsConfig,
        state: Mapping[str, Any] | None,
        part: Slice | None = None,
        bounds: tuple[str, str] | None = None,
    ) -> None:
        self.name = name
        self._link = link
        self._config = config
        self._gap = Gap(name, on_gap=config.on_gap)
        self._id, self._added, self._known = position(state)
        self._part = part
        self._upto: str = LAST
        self._whole: int | None = None
        self._bounds = bounds
        self.caught_up = False
        self.size = 0

    def open(self) -> None:
        """Look where the stream begins and ends now."""
        info = self._info(self._link.pipelined([("XINFO", "STREAM", self.name)])[0])
        if self._bounds:
            self._id, self._upto = self._bounds
            return
        if info is not None and not self._known:
            self._id, self._added = beginning(info, self._config)
        if self._part is not None:
            if self._part.after and order(self._part.after) > order(self._id):
                self._id, self._added, self._known = self._part.after, None, True
            self._upto, self._whole = self._part.upto, self._part.added
        elif self._config.until.caught_up:
            self._upto, self._whole = (info.last, info.added) if info else (FIRST, None)

    def commands(self, count: int) -> list[Command]:
        """Return what to ask in one transaction."""
        start = f"({self._id}" if self._id != FIRST else "-"
        span = ("XRANGE", self.name, start, self._upto, "COUNT", count)
        return [("XINFO", "STREAM", self.name), span]

    def is_due(self) -> bool:
        """Say whether there is an entry to read."""
        self.open()
        return bool(self._link.good(self._link.atomic(self.commands(1))[1]))

    def taken(self, replies: Sequence[Any], count: int) -> Sequence[Entry]:
        """Return the entries of the replies, and remember how far they go."""
        info, entries = self._info(replies[0]), self._link.good(replies[1])
        short = len(entries) < count
        self.caught_up = short and self._upto != LAST
        if info is None or self._bounds:
            self._id = entries[-1][0].decode() if entries else self._id
            return entries  # type: ignore[no-any-return]
        if self._known and self._gap.check(info, after=self._id, added=self._added):
            self._added = None if info.added is None else info.added - info.length
            if anew(info, after=self._id):
                self._id, self.caught_up = FIRST, False
                return []
        if entries:
            self._known, self._id = True, entries[-1][0].decode()
            self._added = None if self._added is None else self._added + len(entries)
        if short and self._known:
            self._added = info.added if self._upto == LAST else self._whole
            if self._upto != LAST and order(self._id) < order(self._upto):
                self._id = self._upto  # entries between the two were deleted
        return entries  # type: ignore[no-any-return]

    def renew(self) -> None:
        """Do nothing: what is read by its id is abandoned by nobody."""

    def state(self) -> dict[str, Any] | None:
        """Return what the cursor holds of this stream; None before anything was read."""
        if not self._known:
            return None
        return {"id": self._id} | ({} if self._added is None else {"added": self._added})

    def wake(self) -> str:
        """Return the id behind which an entry ends the waiting."""
        return self._id

    def _info(self, reply: Any) -> Info | None:
        found = info_of(self._link, reply)
        if found is None and self._known and not self._bounds:
            self._gap.missing(self._id)
            self._id, self._added, self._known = FIRST, None, False
        if found is not None:
            self.size = found.size
        return found


def info_of(link: Link, reply: Any) -> Info | None:
    """Read a reply of XINFO STREAM; None if there is no such stream.

    :raises ConfigurationError: if the key holds something else
    """
    if isinstance(reply, Exception) and "no such key" in str(reply).lower():
        return None
    return Info.read(link.good(reply))


def position(state: Mapping[str, Any] | None) -> tuple[str, int | None, bool]:
    """Return the last id read, how many were added up to it, and whether anything was read."""
    if not state:
        return FIRST, None, False
    if "id" in state:
        return str(state["id"]), state.get("added"), True
    return max(map(str, state["given"].values()), key=order, default=FIRST), None, True


def beginning(info: Info, config: RedisStreamsConfig) -> tuple[str, int | None]:
    """Return behind which id a stream without a cursor begins, and what had been added up to it."""
    if config.start == "latest":
        return info.last, info.added
    gone = None if info.added is None else info.added - info.length
    return (FIRST, gone) if config.start == "earliest" else (before(at(config.start)), None)
