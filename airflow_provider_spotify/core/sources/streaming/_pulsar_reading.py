"""One read of Pulsar's topics: from a cursor or of a window, to chunks."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, closing
from functools import partial
from typing import TYPE_CHECKING, Any

import _pulsar
import pyarrow as pa

from airflow_provider_spotify.core.clients.pulsar import Pulsar
from airflow_provider_spotify.core.clients.pulsar_positions import Position
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.rejects import rejects
from airflow_provider_spotify.core.sources.streaming import _pulsar_spans as plan
from airflow_provider_spotify.core.sources.streaming._pulsar_feed import Ends, Feed, Taken
from airflow_provider_spotify.core.sources.streaming._pulsar_partition import Partition, Span
from airflow_provider_spotify.core.sources.streaming._pulsar_rows import (
    Decoder,
    Rows,
    millis,
    within,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming.pulsar import PulsarConfig

log = logging.getLogger(__name__)


class Reading:
    """Reads the topics of one config.

    :param window: read what was published in it, whatever ``since`` is
    :param deadline: of the monotonic clock
    """

    def __init__(
        self,
        client: Pulsar,
        config: PulsarConfig,
        *,
        since: Cursor | None,
        window: Window | None,
        deadline: float | None,
    ) -> None:
        self._client = client
        self._config = config
        self._window = window
        self._bounded = config.until.caught_up or window is not None
        self._ends = Ends(silent=self._bounded, rows=config.until.rows, deadline=deadline)
        self._positions = {} if window else plan.positions_of(since)
        self._passed: set[str] = set()

    async def chunks(self, topics: Sequence[str]) -> AsyncGenerator[Chunk, None]:
        """Yield chunks; the readers are closed at the end."""
        config = self._config
        spans = planned(self._client, topics, config, self._positions)
        if self._bounded:
            spans = plan.ended(self._client, spans, compacted=config.compacted)
        if not spans:
            return
        if config.subscription is None and not config.compacted:
            spans = plan.checked(self._client, spans)
        decoder = Decoder(self._client, format=config.format, metadata=config.metadata)
        with closing(self._feed(spans)) as feed:
            linger = config.linger.total_seconds()
            async with aclosing(feed.batches(size=config.batch_size, linger=linger)) as batches:
                async for taken in batches:
                    for rows in decoder.rows(self._wanted(taken)):
                        yield self._chunk(rows)

    def _feed(self, spans: Sequence[Span]) -> Feed:
        config, begin = self._config, None
        if self._window is not None:
            begin = partial(_seek, at=millis(self._window.start - config.lateness))
        elif config.start != "earliest":
            begin = partial(_seek, at=millis(config.start))
        settings: dict[str, Any] = {
            "queue_size": config.receiver_queue_size,
            "compacted": config.compacted,
        }
        return Feed(self._client, spans, ends=self._ends, begin=begin, **settings)

    def _wanted(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        """Return what lies in the window; end partitions that are past it."""
        if self._window is None:
            return taken
        late = millis(self._window.end + self._config.lateness)
        for each in taken:
            if each.messages[-1].publish_timestamp() >= late:
                each.partition.done = True
        return within(taken, self._window)

    def _chunk(self, rows: Rows) -> Chunk:
        gaps = [record for each in rows.taken for record in self._gap(each.partition)]
        for each in rows.taken:
            last = Position.of(each.messages[-1].message_id())
            self._positions[each.partition.span.name] = last
        found = [*gaps, *([rows.rejected] if rows.rejected else [])]
        rejected = pa.Table.from_batches(found).combine_chunks().to_batches()[0] if found else None
        return Chunk(rows.batch, plan.cursor_of(self._positions), rejected)

    def _gap(self, partition: Partition) -> list[pa.RecordBatch]:
        """Say, once, that the message which was read last is gone, and maybe others with it.

        With a subscription it means nothing: what that has acknowledged may be deleted.

        :raises DataError: if ``on_gap`` is fail
        """
        first, after, name = partition.gap, partition.span.after, partition.span.name
        partition.gap = None
        if first is None or after is None:
            return []
        said = f"the message at {after} is gone; reading goes on at {first}"
        if self._config.on_gap == "fail":
            raise DataError(
                f"{name}: {said}, and messages between may be lost. Set on_gap: continue, or"
                " a subscription, which holds messages until they are committed"
            )
        log.warning("%s: %s: messages between may be lost", name, said)
        return [
            rejects(
                ["{}"],
                stage="source",
                reason=[f"gap: {said}: messages between may be lost"],
                location=[f"{name} {after}"],
            )
        ]


def planned(
    client: Pulsar, topics: Sequence[str], config: PulsarConfig, positions: plan.Positions
) -> list[Span]:
    """Return the topic partitions to read, each from its position; the subscription holds them."""
    found = client.partitions(topics) if topics else []
    spans = plan.all_spans(dict(zip(topics, found, strict=True)), positions, config.slices)
    if config.subscription is not None:
        client.keep([span.name for span in spans], config.subscription)
    return spans


def more(client: Pulsar, topics: Sequence[str], config: PulsarConfig, since: Cursor | None) -> bool:
    """Say whether a message stands behind the cursor."""
    spans = planned(client, topics, config, plan.positions_of(since))
    readers = client.readers([(span.name, span.after) for span in spans], queue_size=1)
    if config.start == "earliest":
        return any(client.available(readers))
    for reader, span in zip(readers, spans, strict=True):
        _seek(reader, span, at=millis(config.start))
    return any(client.available(readers))


def published(client: Pulsar, topics: Sequence[str], window: Window) -> bool:
    """Say whether the first message behind the window's start lies in it."""
    names = [name for each in client.partitions(topics) for name in each]
    readers = client.readers([(name, None) for name in names], queue_size=1)
    for reader in readers:
        reader.seek(millis(window.start))
    for reader, there in zip(readers, client.available(readers), strict=True):
        if not there:
            continue
        time = reader.read_next(2_000).publish_timestamp()
        if millis(window.start) <= time < millis(window.end):
            return True
    return False


def _seek(reader: _pulsar.Reader, span: Span, *, at: int) -> None:
    """Let a reader that has no position begin with what was published at a time or later."""
    if span.after is None:
        reader.seek(max(0, at))
