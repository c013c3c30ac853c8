"""Reads one Redis stream in a consumer group: the cursor says what was given, Redis what is due.

How nothing is lost and nothing comes twice: the cursor holds, for each consumer of this import, the
last id that was given of what that consumer has pending. A consumer's entries come in the order of
their ids: ``>`` only ever brings higher ones, and what is taken over from others goes to a fresh
consumer each time. So a pending entry up to that id is in the destination and waits for its
acknowledgement; one after it, or of a consumer that the cursor does not know, is not there yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.redis import Command, Link, pairs
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.streaming import _redis_streams_acks as acks
from airflow_provider_spotify.core.sources.streaming._redis_streams_gap import Gap, Info, anew
from airflow_provider_spotify.core.sources.streaming._redis_streams_ids import FIRST, order
from airflow_provider_spotify.core.sources.streaming._redis_streams_plain import (
    beginning,
    info_of,
    position,
)
from airflow_provider_spotify.core.sources.streaming._redis_streams_rows import Entry
from airflow_provider_spotify.core.sources.streaming._redis_streams_steps import Step, Way

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming.redis_streams import (
        RedisStreamsConfig,
        Slice,
    )


class Grouped:
    """One stream, and how far a group's consumer has read it.

    :param state: of the cursor: ``group``; ``given``, by consumer the last id given; ``delivered``
        and ``added``, how many entries had been added up to the last one the group delivered
    """

    def __init__(
        self,
        link: Link,
        name: str,
        *,
        config: RedisStreamsConfig,
        state: Mapping[str, Any] | None,
        part: Slice | None = None,
    ) -> None:
        self.name = name
        self._link = link
        self._config = config
        self._group = str(config.group)
        self._gap = Gap(name, on_gap=config.on_gap)
        state = state or {}
        self._reached, self._added, self._known = position(state)
        self._delivered = str(state.get("delivered", self._reached if self._known else ""))
        given = {config.consumer: self._reached} if self._known else {}
        if state.get("group") == self._group:
            given, self._added = dict(state["given"]), state.get("added")
        self._given: dict[str, str] = given
        self._part = part
        self._way = Way(link, name, config=config, gap=self._gap, given=given)
        self._target = FIRST
        self.caught_up = False
        self.size = 0

    def open(self) -> None:
        """Find or make the group, take over what others abandoned, and plan the way."""
        info = info_of(self._link, self._link.pipelined([("XINFO", "STREAM", self.name)])[0])
        if info is None:
            if self._known:
                self._gap.missing(self._reached)
                self._begin_anew()
            self.caught_up = True
            return
        self._target = info.last
        there = acks.consumers(self._link, self.name, self._group)
        if there is None:
            self._create(info)
        elif self._delivered and self._way.is_alone(there):
            # now, before anything is delivered: a second try must find the same gap
            self._gap.check(info, after=self._delivered, added=self._added)
        self._look(self._link.do("XINFO", "GROUPS", self.name))
        self._way.plan()

    def _create(self, info: Info) -> None:
        after, added = beginning(info, self._config)
        if self._known and self._gap.check(info, after=self._reached, added=self._added):
            self._added = None if info.added is None else info.added - info.length
        if self._known and anew(info, after=self._reached):
            self._begin_anew()
        elif self._known:
            after, added = self._reached, self._added
        command = ["XGROUP", "CREATE", self.name, self._group, after]
        command += [] if added is None else ["ENTRIESREAD", str(added)]
        (reply,) = self._link.pipelined([tuple(command)])
        if not str(reply).startswith("BUSYGROUP"):  # else another consumer was faster
            self._link.good(reply)
            self._delivered, self._added = after, added

    def _begin_anew(self) -> None:
        self._given.clear()
        self._reached, self._added, self._known = FIRST, None, False

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def commands(self, count: int) -> list[Command]:
        """Return what to ask in one transaction."""
        step = self._way.step
        if step is None:  # there was no such stream yet
            return [("EXISTS", self.name)]
        after = self._given.get(step.consumer, FIRST)
        read: Command = (
            *("XREADGROUP", "GROUP", self._group, step.consumer, "COUNT", count),
            *("STREAMS", self.name, ">" if step.kind == "new" else after),
        )
        if step.kind == "again":
            read = ("XRANGE", self.name, f"({after}", step.upto, "COUNT", count)
        return [("XINFO", "STREAM", self.name), ("XINFO", "GROUPS", self.name), read]

    def taken(self, replies: Sequence[Any], count: int) -> Sequence[Entry]:
        """Return the entries of the replies, and remember how far they go."""
        step = self._way.step
        if step is None:
            if self._link.good(replies[0]):
                self.open()
            return []
        if step.kind == "again":
            return self._acknowledged(step, self._link.good(replies[2]), count)
        if acks.absent(replies[2]):
            raise DataError(
                f"Redis stream {self.name!r}: it, or its group {self._group!r}, was deleted while"
                " it was read; the next run begins anew"
            )
        found = self._link.good(replies[2])
        entries: Sequence[Entry] = found[0][1] if found else []
        if step.kind == "pending":
            return self._pending(step, entries)
        return self._new(step, entries, count, replies)

    def _acknowledged(self, step: Step, entries: Sequence[Entry], count: int) -> Sequence[Entry]:
        """Take what was acknowledged after the cursor, up to the last of it."""
        self._given[step.consumer] = entries[-1][0].decode() if entries else step.upto
        if len(entries) < count:
            self._given[step.consumer] = step.upto
            self._way.done()
        return entries

    def _pending(self, step: Step, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Take what a consumer has pending; an entry without fields is not there any more."""
        if not entries:
            self._way.done()
            return entries
        there = [entry for entry in entries if entry[1] is not None]
        if gone := len(entries) - len(there):
            self._gap.entries(gone, after=self._given.get(step.consumer, FIRST))
        self._given[step.consumer] = entries[-1][0].decode()
        return there

    def _new(
        self, step: Step, entries: Sequence[Entry], count: int, replies: Sequence[Any]
    ) -> Sequence[Entry]:
        """Take what nobody had yet, but for what lies outside of the cursor or the part."""
        short = len(entries) < count
        info = info_of(self._link, replies[0])
        if info is not None:
            self.size = info.size
            self._watch(info, self._link.good(replies[1]), entries, short=short)
        self.caught_up = short or order(self._delivered) >= order(self._target)
        after = self._given.get(step.consumer, FIRST)
        if entries and order(entries[0][0].decode()) <= order(after):  # the group was set back
            entries = [each for each in entries if order(each[0].decode()) > order(after)]
        if self._part is not None and entries:
            upto = order(self._part.upto)
            if order(entries[-1][0].decode()) > upto:  # these stay pending, for the next load
                entries = [each for each in entries if order(each[0].decode()) <= upto]
                self.caught_up = True
        if entries:
            self._given[step.consumer] = entries[-1][0].decode()
        return entries

    def _watch(
        self, info: Info, groups: Sequence[Any], entries: Sequence[Entry], *, short: bool
    ) -> None:
        """Look for a gap before the entries, and count up to where the group is behind them."""
        delivered = self._look(groups)
        counted = delivered != FIRST or self._added is not None
        if counted and self._gap.check(info, after=delivered, added=self._added):
            self._added = None if info.added is None else info.added - info.length
        self._delivered = entries[-1][0].decode() if entries else delivered
        if short:
            self._added = info.added
        elif self._added is not None:
            self._added += len(entries)

    def _look(self, groups: Sequence[Any]) -> str:
        """Return, and remember, how far the group has come."""
        said = next(g for g in map(pairs, groups) if g["name"].decode() == self._group)
        delivered = str(said["last-delivered-id"].decode())
        if delivered != self._delivered:  # others read, too
            self._delivered, self._added = delivered, said.get("entries-read")
        return delivered

    def renew(self) -> None:
        """Look again, now and then, for what others have abandoned."""
        self._way.renew()

    def is_due(self) -> bool:
        """Say whether there is an entry to read; nothing is delivered or claimed."""
        info = info_of(self._link, self._link.pipelined([("XINFO", "STREAM", self.name)])[0])
        if info is None:
            return False
        there = acks.consumers(self._link, self.name, self._group)
        if there is not None:
            return self._way.is_due(there)
        after = self._reached if self._known else beginning(info, self._config)[0]
        return bool(self._link.do("XRANGE", self.name, f"({after}", "+", "COUNT", 1))

    # ── the cursor ───────────────────────────────────────────────────────────────────────────

    def state(self) -> dict[str, Any] | None:
        """Return what the cursor holds of this stream; None before anything was read."""
        if not self._given:
            return None
        told = {"group": self._group, "given": dict(self._given), "delivered": self._delivered}
        return told if self._added is None else told | {"added": self._added}

    def wake(self) -> str:
        """Return the id behind which an entry ends the waiting."""
        return self._delivered or FIRST
