"""Plans the steps in which a group's entries are read, and takes over what others abandoned."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_spotify.core.clients.redis import Command, Link, pairs
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.streaming import _redis_streams_acks as acks
from airflow_provider_spotify.core.sources.streaming._redis_streams_gap import Gap
from airflow_provider_spotify.core.sources.streaming._redis_streams_ids import FIRST, order

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming.redis_streams import RedisStreamsConfig

PAGE = 1_000
_A_DAY = 86_400_000


class Step(NamedTuple):
    """A piece of the way: what is acknowledged ``again``, what is ``pending``, or what is ``new``.

    :param upto: of what is acknowledged: its last id
    """

    kind: str
    consumer: str
    upto: str = ""


class Way:
    """The steps of one stream that are still ahead.

    :param given: the cursor's, by consumer the last id given; it is shared with the reader
    """

    def __init__(
        self, link: Link, name: str, *, config: RedisStreamsConfig, gap: Gap, given: dict[str, str]
    ) -> None:
        self._link = link
        self._name = name
        self._group = str(config.group)
        self._consumer = config.consumer
        self._idle = round(config.claim_after.total_seconds() * 1000)
        self._gap = gap
        self._given = given
        self._steps: list[Step] = []
        self._looked = time.monotonic()

    @property
    def step(self) -> Step | None:
        """The step to take; None before there is a plan."""
        return self._steps[0] if self._steps else None

    def done(self) -> None:
        """Go on to the next step."""
        self._steps.pop(0)

    def plan(self) -> None:
        """Plan from what the cursor and the group say now."""
        there = self._there()
        if self._consumer not in there and self._consumer not in self._given:
            acks.begin(self._link, self._name, self._group, self._consumer)
        self._tidy(there)
        self._steps = []
        if marked := self._acknowledged(there):
            self._repeat(there, marked)
        self._steps += [Step("pending", each) for each in sorted(self._ours(there))]
        self._take_over(there)
        self._steps.append(Step("new", self._consumer))

    def renew(self) -> None:
        """Take over what has been abandoned since the last look, if that was long ago."""
        late = (time.monotonic() - self._looked) * 1000 >= max(self._idle, 1000)
        if late and self.step is not None and self.step.kind == "new":
            new = self._steps.pop()
            self._take_over(self._there())
            self._steps.append(new)

    def is_alone(self, there: Mapping[str, int]) -> bool:
        """Say whether all consumers of the group are, and were, this import's."""
        return all(map(self._is_own, there))

    def is_due(self, there: Mapping[str, int]) -> bool:
        """Say whether the group has an entry for this import now; nothing changes."""
        if self._acknowledged(there):
            return True
        groups = map(pairs, self._link.do("XINFO", "GROUPS", self._name))
        group = next(each for each in groups if each["name"].decode() == self._group)
        after = group["last-delivered-id"].decode()
        looks: list[Command] = [("XRANGE", self._name, f"({after}", "+", "COUNT", 1)]
        about = ("XPENDING", self._name, self._group)
        ours = ((each, self._given.get(each, FIRST)) for each in self._ours(there))
        looks += [(*about, f"({given}", "+", 1, each) for each, given in ours]
        looks += [(*about, "IDLE", self._idle, "-", "+", 1, each) for each in self._others(there)]
        return any(self._link.good(reply) for reply in self._link.pipelined(looks))

    # ── what others have, and had ────────────────────────────────────────────────────────────

    def _there(self) -> dict[str, int]:
        return acks.consumers(self._link, self._name, self._group) or {}

    def _is_own(self, consumer: str) -> bool:
        return acks.owner(consumer) in {self._consumer, *map(acks.owner, self._given)}

    def _ours(self, there: Mapping[str, int]) -> list[str]:
        return [each for each in there if there[each] and self._is_own(each)]

    def _others(self, there: Mapping[str, int]) -> list[str]:
        return [each for each in there if there[each] and not self._is_own(each)]

    def _acknowledged(self, there: Mapping[str, int]) -> dict[str, str]:
        """Return, by consumer of ours, up to which id what the cursor lacks was acknowledged."""
        marks = {each: acks.mark(there, each, acks.DONE) for each in there if self._is_own(each)}
        return {
            each: marked
            for each, marked in marks.items()
            if marked and order(marked) > order(self._given.get(each, FIRST))
        }

    def _repeat(self, there: Mapping[str, int], marked: Mapping[str, str]) -> None:
        """Plan to read again what was acknowledged after the cursor: a load is repeated."""
        others = [each for each in there if not self._is_own(each) or acks.TAKEN in each]
        if others:
            raise DataError(
                f"Redis stream {self._name!r}: entries after the cursor, up to {marked}, were"
                f" committed and acknowledged, and the group {self._group!r} is shared with"
                f" {others[0]!r}, so that nobody knows which were this import's. If their load"
                " has succeeded, mark its task as such; to load them again, leave group out"
            )
        if self._consumer not in self._given:
            began = acks.mark(there, self._consumer, acks.BEGAN)
            self._given[self._consumer] = began or FIRST
        self._steps.append(Step("again", self._consumer, marked[self._consumer]))

    def _take_over(self, there: Mapping[str, int]) -> None:
        """Take what others left pending into a consumer that is new, as the next step."""
        self._looked = time.monotonic()
        taker = f"{self._consumer}{acks.TAKEN}{time.time_ns() // 1_000_000:x}"
        taken = gone = 0
        for other in self._others(there):
            claimed, lost = self._claim(other, taker)
            taken, gone = taken + claimed, gone + lost
        if gone:
            self._gap.entries(gone, after=self._given.get(self._consumer, FIRST))
        if taken:
            self._steps.append(Step("pending", taker))

    def _claim(self, other: str, taker: str) -> tuple[int, int]:
        """Claim what one consumer left; return how many entries, and how many are gone.

        XAUTOCLAIM would do it in one command, but of every consumer: it would take, too, what is
        ours, given and not acknowledged yet, and nobody could tell that from what is not given.
        XCLAIM looks at the idle time once more, so that two who claim do not take the same entry.
        """
        taken, gone, start = 0, 0, "-"
        about = (self._name, self._group)
        while page := self._link.do(
            "XPENDING", *about, "IDLE", self._idle, start, "+", PAGE, other
        ):
            ids = [entry[0] for entry in page]
            start = f"({ids[-1].decode()}"
            got = self._link.do("XCLAIM", *about, taker, self._idle, *ids, "JUSTID")
            mine = {id for id in got if id is not None}
            taken += len(mine)
            gone += self._gone([id for id in ids if id not in mine])
        return taken, gone

    def _gone(self, ids: Sequence[bytes]) -> int:
        """Count the entries that are not in the stream; another was faster with the rest."""
        if not ids:
            return 0
        looks = self._link.pipelined([("XRANGE", self._name, id, id) for id in ids])
        return sum(not self._link.good(found) for found in looks)

    def _tidy(self, there: dict[str, int]) -> None:
        """Delete consumers for what was taken over, and their marks, a day after it is done."""
        now = time.time_ns() // 1_000_000
        for consumer in [each for each in there if acks.TAKEN in each and self._is_own(each)]:
            since = int(consumer.partition(acks.DONE)[0].partition(acks.TAKEN)[2], 16)
            if not there[consumer] and now - since > _A_DAY:
                self._link.do("XGROUP", "DELCONSUMER", self._name, self._group, consumer)
                del there[consumer]
        for consumer in [each for each in self._given if acks.TAKEN in each]:
            if consumer not in there:
                del self._given[consumer]
