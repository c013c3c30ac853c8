"""What every source that speaks Kafka's protocol shares: its Config and how it is read."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients.kafka import Kafka, Place, kafka, servers
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import (
    Chunk,
    Credentials,
    Cursor,
    DatasetName,
    Frozen,
    Health,
    Window,
)
from airflow_provider_spotify.core.sources.streaming import _kafka_offsets as offsets
from airflow_provider_spotify.core.sources.streaming.base import StreamConfig, StreamSource

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.payloads import Payloads
    from airflow_provider_spotify.core.sources.streaming._kafka_reading import Reading

Name = Annotated[str, StringConstraints(min_length=1, max_length=249)]
Metadata = Literal["topic", "partition", "offset", "timestamp", "key", "headers"]
log = logging.getLogger(__name__)


class Registry(Frozen):
    """A Confluent-compatible schema registry.

    User and password are ``schema_registry_login`` and ``schema_registry_password`` of the
    connection's extra.
    """

    url: str = Field(description="http(s)://host[:port], without credentials")


class KafkaStreamConfig(StreamConfig):
    """The keys of every source that speaks Kafka's protocol.

    Batches are smaller than those of other streams: of 500,000 JSON messages of 203 bytes, one took
    3.6 us of CPU with 65,536 rows per batch and 3.0 us with 8,192 (2026-11-22), for then messages
    are still in the processor's cache when they are parsed.
    """

    batch_size: int = Field(8_192, ge=1, description="rows per batch, at most")
    format: Literal["json", "avro", "raw"] = Field(
        "json", description="json: one object each; avro; raw: the column value, as bytes"
    )
    avro_schema: str | None = Field(
        None, description="avro without a registry: the schema of every message, as JSON"
    )
    schema_registry: Registry | None = Field(
        None, description="where the schemas of framed messages are"
    )
    metadata: tuple[Metadata, ...] = Field(
        ("topic", "partition", "offset", "timestamp", "key", "headers"),
        description="columns beside the payload's: _topic, _partition, …",
    )
    key: Literal["text", "bytes"] = Field(
        "text", description="what _key is; a text that is not UTF-8 becomes base64"
    )
    start: Literal["earliest", "latest"] | AwareDatetime = Field(
        "earliest", description="where a topic without a cursor begins: earliest, latest, a time"
    )
    on_gap: Literal["fail", "continue"] = Field(
        "fail", description="when messages behind the cursor are gone: fail, or log it and go on"
    )
    assignment: Literal["all", "group"] = Field(
        "all", description="all: every partition; group: those that the group gives this member"
    )
    lateness: Duration = Field(
        timedelta(minutes=5),
        description="by window: how far behind later messages one with an earlier time may stand",
    )
    slices: Mapping[Name, Mapping[str, tuple[int, int]]] | None = Field(
        None,
        description="by topic and partition: first offset, and the one to end before; a fan-out"
        " sets it",
    )

    @model_validator(mode="after")
    def _decodable(self) -> Self:
        one = (self.avro_schema is None) != (self.schema_registry is None)
        if self.format == "avro" and not one:
            raise ValueError("format: avro needs either schema_registry: {url: …} or avro_schema:")
        if self.format != "avro" and self.avro_schema is not None:
            raise ValueError("avro_schema: needs format: avro")
        if self.assignment == "group" and self.slices is not None:
            raise ValueError("a group shares partitions out by itself; take slices away")
        return self


K = TypeVar("K", bound=KafkaStreamConfig)


class KafkaStream(StreamSource[K]):
    """Reads topics in the order of each partition; the cursor is the next offset of each."""

    extra: ClassVar[str | None] = "streaming"
    _reading: Reading | None = None

    # ── what a system says of itself ─────────────────────────────────────────────────────────

    @property
    def wanted(self) -> Sequence[str]:
        """The topics, or patterns of their names."""
        raise TypeError

    @property
    def group(self) -> str | None:
        """The consumer group that is told what was imported."""
        raise TypeError

    def reached(self) -> Credentials:
        """Return the credentials in Kafka's words."""
        return self.credentials

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield messages from the cursor on; see :class:`Source`.

        :raises ConfigurationError: if a topic is not there
        :raises DataError: if messages behind the cursor are gone, unless ``on_gap: continue``
        :raises AuthenticationError, ForbiddenError, TransientError: as the brokers answer
        """
        from airflow_provider_spotify.core.sources.streaming._kafka_reading import Reading

        self._let_go()
        self._reading = reading = Reading(self, since, window)
        stays = False
        try:
            for chunk in reading.chunks():
                if chunk is None:
                    await asyncio.sleep(0)  # lets whoever waits for us go
                else:
                    yield chunk
            stays = self.config.assignment == "group"
        finally:
            if not stays:  # a member keeps its partitions until they are committed
                self._let_go()

    def open(self, **own: object) -> Kafka:
        """Connect a client."""
        return Kafka(self.reached(), group=self.group, **own)

    def payloads(self) -> Payloads:
        """Return what decodes the messages."""
        from airflow_provider_spotify.core.clients.payloads import Payloads
        from airflow_provider_spotify.core.clients.schema_registry import SchemaRegistry

        registry = None
        if self.config.schema_registry:
            login = self.credentials.secret("schema_registry_login")
            password = self.credentials.secret("schema_registry_password")
            url = self.config.schema_registry.url
            registry = SchemaRegistry(url, login=login, password=password)
        return Payloads(self.config.format, schema=self.config.avro_schema, registry=registry)

    def committed(self, cursor: Cursor) -> None:
        """Commit the offsets for the group, so that Kafka's own tools see the lag."""
        if self.group is None:
            return
        at = {place: offset for place, offset in offsets.places(cursor).items() if offset >= 0}
        try:
            reading = self._reading
            if reading is None or not reading.commit(at, wait=reading.over):
                with self.open() as client:
                    client.commit(at, wait=True)
        except ImporterError as error:
            log.warning("the group %s was not told what is imported: %s", self.group, error)
        if reading is not None and reading.over:
            self._let_go()

    def _let_go(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    # ── what is there ────────────────────────────────────────────────────────────────────────

    async def check(self) -> Health:
        """Look at the topics and how much is in them; read no message."""
        begun = time.perf_counter()
        try:
            behind = await self.lag(None)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        topics = len({place.rpartition("/")[0] for place in behind})
        message = (
            f"{servers(self.reached())}: {topics} topics, {len(behind)} partitions,"
            f" {sum(behind.values())} messages to read"
        )
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def answers(self) -> Health:
        """Ask the brokers which topics this user may see; there may be none."""
        begun = time.perf_counter()
        try:
            count = await asyncio.to_thread(self._count)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        message = f"{servers(self.reached())}: {count} topics"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    def _count(self) -> int:
        with kafka(self.reached()) as client:
            return client.count()

    async def lag(self, since: Cursor | None) -> Mapping[str, int]:
        """Return how many offsets of each partition, ``topic/number``, lie behind the cursor."""
        spans = await asyncio.to_thread(self._spans, since, None)
        return {f"{topic}/{n}": span.behind for (topic, n), span in spans.items()}

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Ask whether a message lies behind the cursor; fetch one only where that is in doubt."""
        return await asyncio.to_thread(self._is_ready, since, window)

    def _is_ready(self, since: Cursor | None, window: Window | None) -> bool:
        from airflow_provider_spotify.core.sources.streaming._kafka_consumer import holds_message

        with self.open(**offsets.PROBING) as client:
            spans = offsets.spans(client, self.config, self.wanted, since=since, window=window)
            if since is None and window is None and self.config.start == "latest":
                return True  # the first read keeps where it began
            return holds_message(client, spans, window)

    def _spans(self, since: Cursor | None, window: Window | None) -> dict[Place, offsets.Span]:
        with kafka(self.reached()) as client:
            return offsets.spans(client, self.config, self.wanted, since=since, window=window)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Cut what lies behind the cursor by partitions, and large ones by offsets."""
        if self.config.assignment == "group":
            return [self]
        spans = await asyncio.to_thread(self._spans, since, None)
        return [self.narrowed(slices=each) for each in offsets.cut(spans, n)]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Go on behind the farthest offset of each partition."""
        found = [offsets.places(cursor) for cursor in cursors if cursor is not None]
        if not found:
            return None
        every = dict.fromkeys(place for each in found for place in each)
        return offsets.cursor({p: max(each.get(p, -1) for each in found) for p in every})

    def dataset(self) -> DatasetName:
        """Name the topics at the first broker, as OpenLineage does."""
        try:
            first = servers(self.reached()).split(",")[0]
        except ConfigurationError:
            first = "unknown"
        return DatasetName(f"kafka://{first}", ",".join(self.wanted))
