"""Imports Redis streams, by their ids or as a consumer group, acknowledged once committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients.redis import Link, clustered, database, server
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import (
    Chunk,
    Cursor,
    DatasetName,
    Frozen,
    Health,
    Window,
)
from airflow_provider_spotify.core.sources.streaming import _redis_streams_ids as ids
from airflow_provider_spotify.core.sources.streaming.base import StreamConfig, StreamSource

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming._redis_streams_gap import Info

Name = Annotated[str, StringConstraints(min_length=1)]
Id = Annotated[str, StringConstraints(pattern=r"^\d+-\d+$")]


class Slice(Frozen):
    """One part of a stream: the entries behind one id, up to another.

    :param added: how many entries had been added up to the end of the last part, if Redis says so
    """

    after: Id | None = None
    upto: Id
    last: bool = True
    added: int | None = None


class RedisStreamsConfig(StreamConfig):
    """Which streams are read, and how an entry becomes a row.

    Without a group the cursor is the last id of each stream. With one, Redis is told what was
    delivered and what is committed, so that XINFO GROUPS shows the lag and several consumers may
    share the entries; the cursor says what of this consumer's was given. Entries that a consumer
    of the group took and never acknowledged are taken over after ``claim_after``. No two imports
    may share both group and consumer. A full refresh of a group that is shared with other
    consumers gives only what the group has not acknowledged.

    Entries are rows of text, one column per field, beside ``_stream``, ``_id`` and ``_timestamp``;
    or ``field`` holds a JSON object, or bytes. An entry that is neither is rejected.
    """

    streams: Annotated[Sequence[Name], Field(min_length=1)]
    group: Name | None = Field(None, description="consumer group; made if it is not there")
    consumer: Annotated[str, StringConstraints(pattern=r"^[^@+\s]+$")] = Field(
        "import", description="this import's name in the group"
    )
    claim_after: Duration = Field(
        timedelta(hours=1),
        description="take over what another consumer has left pending for so long; longer than"
        " any of them takes to acknowledge",
    )
    start: Literal["earliest", "latest"] | AwareDatetime = Field(
        "earliest", description="where a stream without a cursor begins: earliest, latest, a time"
    )
    on_gap: Literal["fail", "continue"] = Field(
        "fail", description="when entries were trimmed before they were read: fail, or log it"
    )
    format: Literal["text", "json", "raw"] = Field(
        "text", description="text: a column per field; json: the object in field; raw: its bytes"
    )
    field: Name = Field("payload", description="json and raw: the field that holds the payload")
    slices: Mapping[Name, Slice] | None = Field(
        None, description="by stream: the ids to read between; a fan-out sets it"
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.streams)) != len(self.streams):
            raise ValueError("a stream is named twice")
        return self


class RedisStreamsSource(StreamSource[RedisStreamsConfig]):
    """Reads entries in the order of their ids, a thousand in a round trip."""

    Config = RedisStreamsConfig
    conn_type: ClassVar[str | None] = "redis"
    extra: ClassVar[str | None] = "streaming"

    def __init__(self, config: RedisStreamsConfig, **reach: Any) -> None:
        super().__init__(config, **reach)
        self.textual = config.format == "text"  # type: ignore[misc]  # of this one

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield entries after the cursor; see :class:`Source`.

        :raises DataError: if entries after the cursor are gone, unless ``on_gap: continue``
        :raises AuthenticationError, ForbiddenError, TransientError: as the server answers
        """
        from airflow_provider_spotify.core.sources.streaming._redis_streams_reading import Reading

        with Reading(self, since, window) as reading:
            for chunk in reading.chunks():
                if chunk is None:
                    await asyncio.sleep(0)  # lets whoever waits for us go
                else:
                    yield chunk

    def committed(self, cursor: Cursor) -> None:
        """Acknowledge, for the group, what the cursor says was given."""
        if self.config.group is None:
            return
        from airflow_provider_spotify.core.sources.streaming import _redis_streams_acks as acks

        states = cursor.get("streams", {})
        for link, names in self.links():
            with link:
                for name in (each for each in names if each in states):
                    if states[name].get("group") == self.config.group:
                        acks.acknowledge(link, name, states[name])

    # ── what is there ────────────────────────────────────────────────────────────────────────

    async def check(self) -> Health:
        """Look at the streams; read no entry."""
        begun = time.perf_counter()
        try:
            found = await asyncio.to_thread(self._infos)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        told = (f"{n}: {i.length if i else 'no'} entries" for n, i in found.items())
        message = f"{server(self.credentials)}: {', '.join(told)}"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Ask each stream for one entry, or one that is pending, that ``read`` would give."""
        return await asyncio.to_thread(self._is_ready, since, window)

    def dataset(self) -> DatasetName:
        """Name the streams by server, database and key."""
        names = ",".join(self.config.streams)
        return DatasetName(
            f"redis://{server(self.credentials)}", f"{database(self.credentials)}.{names}"
        )

    def links(self) -> list[tuple[Link, Sequence[str]]]:
        """Open links, each with the streams it reaches: in a cluster one each, else one for all."""
        if not clustered(self.credentials):
            return [(Link(self.credentials), self.config.streams)]
        return [(Link(self.credentials, key=name), [name]) for name in self.config.streams]

    def _infos(self) -> dict[str, Info | None]:
        from airflow_provider_spotify.core.sources.streaming._redis_streams_plain import info_of

        found: dict[str, Info | None] = {}
        for link, names in self.links():
            with link:
                replies = link.pipelined([("XINFO", "STREAM", name) for name in names])
                for name, reply in zip(names, replies, strict=True):
                    found[name] = info_of(link, reply)
        return found

    def _is_ready(self, since: Cursor | None, window: Window | None) -> bool:
        from airflow_provider_spotify.core.sources.streaming._redis_streams_reading import Reading

        with Reading(self, since, window) as reading:
            return reading.any()

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Give each part some of the streams, or a span of time of the only one.

        The entries of a group are handed out by Redis, so that a stream of a group is one part.
        """
        infos = await asyncio.to_thread(self._infos)
        parts = {name: self._slices(name, info, since, n) for name, info in infos.items()}
        if len(parts) == 1 and self.config.group is None:
            ((name, slices),) = parts.items()
            return [self.narrowed(slices={name: each}) for each in slices]
        dealt = [list(parts)[each :: min(n, len(parts))] for each in range(min(n, len(parts)))]
        return [
            self.narrowed(streams=names, slices={name: _whole(parts[name]) for name in names})
            for names in dealt
        ]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return, for each stream, where the part that came furthest ended."""
        streams: dict[str, Any] = {}
        for cursor in cursors:
            for name, state in (cursor or {}).get("streams", {}).items():
                if name not in streams or _reach(state) > _reach(streams[name]):
                    streams[name] = state
        return {"streams": streams} if streams else None

    def _slices(self, name: str, info: Info | None, since: Cursor | None, n: int) -> list[Slice]:
        """Cut what stands behind the cursor now."""
        from airflow_provider_spotify.core.sources.streaming._redis_streams_plain import position

        if info is None:
            return [Slice(upto=ids.FIRST)]
        reached = position((since or {}).get("streams", {}).get(name))[0]
        low = max(reached, info.first or info.last, key=ids.order)
        edges = [None, *ids.cuts(low, info.last, n), info.last]
        cut = [Slice(after=low, upto=str(high), last=False) for low, high in pairwise(edges)]
        return [*cut[:-1], cut[-1].model_copy(update={"last": True, "added": info.added})]


def _whole(slices: Sequence[Slice]) -> Slice:
    return slices[-1].model_copy(update={"after": None})


def _reach(state: Mapping[str, Any]) -> list[tuple[int, int]]:
    given = state["given"].values() if "given" in state else [state["id"]]
    return sorted((ids.order(str(each)) for each in given), reverse=True)


SOURCE = RedisStreamsSource
