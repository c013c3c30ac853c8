"""Tells how many entries of a trimmed Redis stream are gone that nobody had read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_spotify.core.clients.redis import pairs
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.streaming._redis_streams_ids import FIRST, order

log = logging.getLogger(__name__)


class Info(NamedTuple):
    """What XINFO STREAM says (https://redis.io/docs/latest/commands/xinfo-stream/).

    :param first: the oldest entry that is still there
    :param last: the newest id that was ever given
    :param added: how many entries were ever added; None before Redis 7.0
    """

    length: int
    first: str | None
    last: str
    added: int | None
    size: int

    @classmethod
    def read(cls, reply: list[Any]) -> Info:
        """Read a reply of XINFO STREAM."""
        said: Mapping[str, Any] = pairs(reply)
        ends = [said.get("first-entry"), said.get("last-entry")]
        first = ends[0]
        sizes = [sum(len(part) for part in end[1]) for end in ends if end]
        return cls(
            length=said["length"],
            first=first[0].decode() if first else None,
            last=said["last-generated-id"].decode(),
            added=said.get("entries-added"),
            size=max(sizes, default=0),
        )


class Gap:
    """Watches one stream for entries that went before they were read.

    Redis counts the entries that were ever added. Whoever knows how many of them stood up to the
    last one it read, knows how many came after; if fewer are there, the others are gone. That holds
    while the oldest entry is newer than the last one read, which is when trimming can have
    overtaken the reader. Entries that XDEL took away unread are counted with those.
    """

    def __init__(self, name: str, *, on_gap: str) -> None:
        self._name = name
        self._fails = on_gap == "fail"
        self._told = ""

    def check(self, info: Info, *, after: str, added: int | None) -> bool:
        """Say whether entries behind ``after`` are gone.

        :param added: how many entries had been added up to ``after``; None: not known
        :raises DataError: if so, and ``on_gap`` says that is a failure
        """
        reached = info.first is not None and order(after) >= order(info.first)
        if reached and not anew(info, after=after):
            return False
        what = _lost(info, after=after, added=added)
        if what:
            self.found(what)
        return bool(what)

    def missing(self, after: str) -> None:
        """Say that the whole stream is gone."""
        if after != FIRST:
            self.found(f"the stream is gone, and with it what came after id {after}")

    def entries(self, lost: int, *, after: str) -> None:
        """Say how many entries are gone."""
        self.found(_gone(lost, after))

    def found(self, what: str) -> None:
        """Fail, or log it and go on.

        :raises DataError: unless ``on_gap: continue``
        """
        said = f"Redis stream {self._name!r}: {what}"
        if self._fails:
            raise DataError(f"{said}; trim later or import more often, or set on_gap: continue")
        if said != self._told:
            log.warning("%s; on_gap: continue goes on with what is there", said)
        self._told = said


def _lost(info: Info, *, after: str, added: int | None) -> str:
    if anew(info, after=after) or (info.added or 0) < (added or 0):
        return f"the stream was made anew: it is behind id {after} that was read"
    if order(info.last) == order(after):
        return ""
    if added is None or info.added is None:
        return (
            f"entries after id {after} may be gone, trimmed before they were read;"
            " Redis cannot say how many"
        )
    lost = info.added - added - info.length
    return _gone(lost, after) if lost > 0 else ""


def _gone(lost: int, after: str) -> str:
    return f"{lost} entries after id {after} are gone, trimmed before they were read"


def anew(info: Info, *, after: str) -> bool:
    """Say whether the stream has not come as far as it had: it is another one."""
    return order(info.last) < order(after)
