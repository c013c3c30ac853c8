"""Apache Pulsar topics, partitioned ones too: JSON, Avro or raw messages by their ids."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients.pulsar import Pulsar
from airflow_provider_spotify.core.clients.pulsar_connection import address, full_name
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.streaming.base import StreamConfig, StreamSource

Name = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Metadata = Literal["topic", "partition", "id", "timestamp", "event_time", "key", "properties"]


class PulsarConfig(StreamConfig):
    """Which topics are read, and how.

    Positions are kept beside the data, by topic partition. A broker keeps what no subscription
    holds only as long as its retention says: name a ``subscription`` where that is too short.
    """

    topics: tuple[Name, ...] | None = Field(
        None,
        min_length=1,
        description="tenant/namespace/topic, or its last part in the connection's namespace;"
        " a broker may create a topic that is not there",
    )
    topics_pattern: Name | None = Field(
        None,
        description="instead of topics, a regular expression of their last parts, in one"
        " namespace (tenant/namespace/expression); needs admin_url in the connection",
    )
    subscription: Name | None = Field(
        None,
        description="a subscription that holds messages back until they are committed, and is"
        " acknowledged then; it is created at the first read, and must not be shared",
    )
    format: Literal["auto", "json", "avro", "raw"] = Field(
        "auto",
        description="auto: as the topic's schema says, json where it has none; raw: the column"
        " value, as bytes",
    )
    metadata: tuple[Metadata, ...] = Field(
        ("topic", "partition", "id", "timestamp", "event_time", "key", "properties"),
        description="columns beside the payload's: _topic, _partition, …",
    )
    start: Literal["earliest"] | AwareDatetime = Field(
        "earliest",
        description="where a topic without a cursor begins: earliest, or a time of publishing",
    )
    compacted: bool = Field(
        False, description="read only the newest message of each key, as far as it is compacted"
    )
    on_gap: Literal["fail", "continue"] = Field(
        "continue",
        description="when the last message read is gone, and others perhaps with it: fail, or"
        " record it as rejected and go on",
    )
    lateness: Duration = Field(
        timedelta(minutes=5),
        description="by window: how far behind later messages one with an earlier time may stand",
    )
    receiver_queue_size: int = Field(
        1_000, ge=1, description="messages of each partition that wait in the client, at most"
    )
    operation_timeout: Duration = Field(
        timedelta(seconds=30), description="how long the broker may take to answer, or be away"
    )
    slices: Mapping[Name, str] | None = Field(
        None, description="by topic partition: the position to end at; a fan-out sets it"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.topics is None) == (self.topics_pattern is None):
            raise ValueError("give either topics or topics_pattern")
        return self


class PulsarSource(StreamSource[PulsarConfig]):
    """Reads each topic partition by a reader, from the position that the destination holds."""

    Config = PulsarConfig
    conn_type: ClassVar[str | None] = "pulsar"
    extra: ClassVar[str | None] = "streaming"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield messages after the cursor; see :class:`Source`.

        A window is of the time of publishing.

        :raises ConfigurationError: if a topic or its schema cannot be read
        :raises DataError: if messages are gone, and ``on_gap`` is fail
        :raises AuthenticationError, ForbiddenError, TransientError: as the broker answers
        """
        from airflow_provider_spotify.core.sources.streaming._pulsar_reading import Reading

        deadline = _deadline(self.config)
        topics = await self._topics()
        with self._client() as client:
            reading = Reading(client, self.config, since=since, window=window, deadline=deadline)
            async with aclosing(reading.chunks(topics)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def check(self) -> Health:
        """Ask for the partitions of the topics; read no message."""
        begun = time.perf_counter()
        try:
            topics = await self._topics()
            count = await asyncio.to_thread(self._count, topics)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        message = f"{address(self.credentials)}: {count} partitions of {len(topics)} topics"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Ask whether a message stands behind the cursor, or was published in the window."""
        topics = await self._topics()
        return await asyncio.to_thread(self._exists, topics, since, window)

    def dataset(self) -> DatasetName:
        """Name the broker and the topics."""
        return DatasetName(address(self.credentials), ",".join(self._named()))

    def committed(self, cursor: Cursor) -> None:
        """Acknowledge to the subscription, if there is one, everything up to the cursor."""
        if (subscription := self.config.subscription) is not None:
            from airflow_provider_spotify.core.sources.streaming._pulsar_spans import positions_of

            with self._client() as client:
                client.acknowledge(positions_of(cursor), subscription)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Share the topic partitions out; each is read to its last message of now."""
        topics = await self._topics()
        parts = await asyncio.to_thread(self._shared, topics, n, since)
        named = {"topics": topics, "topics_pattern": None}
        return [self.narrowed(**named, slices=part) for part in parts] or [self]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Take of each topic partition the farthest position."""
        from airflow_provider_spotify.core.sources.streaming._pulsar_spans import (
            cursor_of,
            farthest,
        )

        found = farthest(cursors)
        return cursor_of(found) if found else None

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    def _client(self) -> Pulsar:
        timeout = self.config.operation_timeout.total_seconds()
        return Pulsar(self.credentials, timeout=timeout)

    def _named(self) -> list[str]:
        given = self.config.topics or [str(self.config.topics_pattern)]
        return list(dict.fromkeys(full_name(topic, self.credentials) for topic in given))

    async def _topics(self) -> list[str]:
        if self.config.topics_pattern is None:
            return self._named()
        from airflow_provider_spotify.core.clients.pulsar_admin import topics_like

        return await topics_like(self._named()[0], self.credentials)

    def _count(self, topics: Sequence[str]) -> int:
        with self._client() as client:
            return sum(len(names) for names in client.partitions(topics))

    def _exists(self, topics: Sequence[str], since: Cursor | None, window: Window | None) -> bool:
        from airflow_provider_spotify.core.sources.streaming import _pulsar_reading as reading

        with self._client() as client:
            if window is not None:
                return reading.published(client, topics, window)
            return reading.more(client, topics, self.config, since)

    def _shared(self, topics: Sequence[str], n: int, since: Cursor | None) -> list[dict[str, str]]:
        from airflow_provider_spotify.core.sources.streaming import _pulsar_reading as reading
        from airflow_provider_spotify.core.sources.streaming import _pulsar_spans as plan

        with self._client() as client:
            spans = reading.planned(client, topics, self.config, plan.positions_of(since))
            found = plan.ended(client, spans, compacted=self.config.compacted)
        return plan.shared(found, n)


def _deadline(config: PulsarConfig) -> float | None:
    within = config.until.within
    return None if within is None else time.monotonic() + within.total_seconds()


SOURCE = PulsarSource
