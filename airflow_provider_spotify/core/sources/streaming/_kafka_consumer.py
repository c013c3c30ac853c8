"""A consumer of Kafka's partitions that knows where each stands, and where each is to end."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from airflow_provider_spotify.core.clients.kafka import Place
from airflow_provider_spotify.core.clients.kafka_errors import translated
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.streaming import _kafka_offsets as offsets
from airflow_provider_spotify.core.sources.streaming._kafka_messages import Gathered, gathered

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming._kafka_stream import KafkaStream

JOINING = 330.0
"""Seconds to wait for the group: max.poll.interval.ms, and some more."""
SILENCE = 30.0
"""Seconds without a broker, or without the messages that it says it has, that are waited for."""
log = logging.getLogger(__name__)


class Assigned:
    """Reads every partition from where the cursor says; no group can take one away.

    :param bounded: whether to end where the partitions end now
    """

    def __init__(
        self,
        stream: KafkaStream[Any],
        since: Cursor | None,
        window: Window | None,
        *,
        bounded: bool,
        **own: Any,
    ) -> None:
        self._stream, self._config, self._window = stream, stream.config, window
        self.positions: dict[Place, int] = offsets.places(since)
        self.ends: dict[Place, int] = {}
        """Where those that are still read are to end; empty where there is no end."""
        self.bounded = bounded
        self.ended = False
        """Every partition is read to its end, or was taken away."""
        self._several = True
        self._looked = self._heard = time.monotonic()
        self._client = stream.open(**own)
        try:
            self._begin(since)
        except BaseException:
            self._client.close()
            raise

    def close(self) -> None:
        """Leave the brokers."""
        self._client.close()

    def commit(self, at: Mapping[Place, int], *, wait: bool) -> bool:
        """Commit offsets of the group; False if it is closed."""
        try:
            self._client.commit(at, wait=wait)
        except RuntimeError:
            return False
        return True

    @property
    def behind(self) -> int:
        """How many offsets are left until the end."""
        return sum(end - self.positions[place] for place, end in self.ends.items())

    def take(self, most: int, wait: float) -> Gathered:
        """Return messages, as many as asked for or as came in ``wait`` seconds.

        :raises DataError: if messages that should come next are gone
        :raises ImporterError: as the brokers answer
        """
        with translated(self._client.place):
            found = self._client.consumer.consume(most, wait)
        if not found:
            self._look_around()
            return Gathered([], [], [], None)
        self._heard = time.monotonic()
        troubles = []
        if any(map(Message.error, found)):
            troubles = [message for message in found if message.error() is not None]
            found = [message for message in found if message.error() is None]
        taken = self._advance(gathered(found, several=self._several))
        for message in troubles:
            self._troubled(message)
        return taken

    # ── where to begin ───────────────────────────────────────────────────────────────────────

    def _begin(self, since: Cursor | None) -> None:
        spans = self._spans(since)
        self._several = len({topic for topic, _ in spans}) > 1
        self.positions |= {place: span.start for place, span in spans.items()}
        left = spans
        if self.bounded:
            left = {place: span for place, span in spans.items() if span.behind}
            self.ends = {place: span.end for place, span in left.items()}
            self.ended = not left
        log.info(
            "%s: %s offsets of %s partitions are to be read",
            *(self._client.place, sum(span.behind for span in spans.values()), len(spans)),
        )
        self._assign({place: span.start for place, span in left.items()})

    def _spans(self, since: Cursor | None) -> dict[Place, offsets.Span]:
        wanted, window = self._stream.wanted, self._window
        return offsets.spans(self._client, self._config, wanted, since=since, window=window)

    def _assign(self, starts: Mapping[Place, int]) -> None:
        listed = [TopicPartition(topic, number, at) for (topic, number), at in starts.items()]
        with translated(self._client.place):
            self._client.consumer.incremental_assign(listed)

    # ── going on ─────────────────────────────────────────────────────────────────────────────

    def _advance(self, found: Gathered) -> Gathered:
        """Note how far messages reach, and drop those behind the end."""
        last = found.last()
        if self.bounded and any(at >= self.ends.get(place, 0) for place, at in last.items()):
            inside = [m for m in found.messages if m.offset() < self.ends.get(_place(m), 0)]  # type: ignore[operator]
            found = gathered(inside, several=self._several)
        for place, at in last.items():
            self._reach(place, at + 1)
        return found

    def _reach(self, place: Place, at: int) -> None:
        """Note that a partition is read up to an offset; take it off if that is its end."""
        if not self.bounded:
            self.positions[place] = at
        elif place in self.ends:
            self.positions[place] = at
            if at >= self.ends[place]:
                self.positions[place] = self.ends.pop(place)
                self._leave(place)
                self.ended = not self.ends

    def _leave(self, place: Place) -> None:
        with translated(self._client.place):
            self._client.consumer.incremental_unassign([TopicPartition(*place)])

    def _troubled(self, message: Message) -> None:
        """Act on a message that is an event: the end of a partition, or an error."""
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            self._reach(_place(message), int(message.offset() or 0))
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._jump(_place(message))
        elif error.retriable():
            log.warning("%s: %s", self._client.place, error.str())
        else:
            with translated(self._client.place):
                raise KafkaException(error)

    def _jump(self, place: Place) -> None:
        """Go on behind messages that went away while they were waited for, if that is allowed."""
        low, high = self._client.bounds([place])[place]
        start = offsets.checked(place, self.positions[place], low, high, on_gap=self._config.on_gap)
        self._client.consumer.incremental_unassign([TopicPartition(*place)])
        self._assign({place: start})

    def _look_around(self) -> None:
        """Nothing came: look whether the brokers are there, and whether partitions are new."""
        self._client.raise_refusal()
        now = time.monotonic()
        if self.bounded and now - self._heard > SILENCE:
            raise TransientError(
                f"{self._client.place} has given no message for {SILENCE:.0f} s, and"
                f" {self.behind} offsets are left: {self._client.troubles or 'it does not say why'}"
            )
        if (
            not self.bounded
            and self._config.slices is None
            and now - self._looked > self._client.refresh
        ):
            self._looked = now
            self._look_for_new()

    def _look_for_new(self) -> None:
        """Take up partitions and topics that are new; it also shows whether a broker is there."""
        spans = self._spans(offsets.cursor(self.positions))
        new = {place: span.start for place, span in spans.items() if place not in self.positions}
        if new:
            log.info("%s: %s partitions are new", self._client.place, len(new))
            self._several = len({topic for topic, _ in spans}) > 1
            self.positions |= new
            self._assign(new)


class Shared(Assigned):
    """Reads those partitions that the group gives this member, and stays one until it is closed.

    It begins where the group stands, or behind that where the cursor is farther. Reading ends when
    partitions are taken away: whoever gets them begins at what the group committed.
    """

    def _begin(self, since: Cursor | None) -> None:
        self._known = self.positions
        self.positions = {}
        self._joined = False
        topics = list(self._stream.wanted)
        with translated(self._client.place):
            self._client.topics(topics)  # says what is missing
            self._client.consumer.subscribe(
                topics, on_assign=self._given, on_revoke=self._taken, on_lost=self._taken
            )

    def _given(self, _: Any, given: list[TopicPartition]) -> None:
        """Begin with partitions that the group gives us; called while messages are waited for."""
        places = [(each.topic, each.partition) for each in given]
        bounds = self._client.bounds(places)
        stored = self._client.stored(places)
        starts = {}
        for place in places:
            at = max(stored.get(place, -1), self._known.get(place, -1))
            low, high = bounds[place]
            if at >= 0:
                starts[place] = offsets.checked(place, at, low, high, on_gap=self._config.on_gap)
            else:
                start = self._config.start
                one = {place: bounds[place]}
                starts |= offsets.beginnings(self._client, one, [place], start=start, grown=[])
        self.positions |= starts
        if self.bounded:
            self.ends |= {p: bounds[p][1] for p in places if starts[p] < bounds[p][1]}
        self._joined = True
        self.ended = self.bounded and not self.ends
        self._assign(starts)

    def _taken(self, _: Any, taken: list[TopicPartition]) -> None:
        self.ended = self.ended or bool(taken)

    def _leave(self, place: Place) -> None:
        with translated(self._client.place):
            self._client.consumer.pause([TopicPartition(*place)])

    def _look_around(self) -> None:
        """Nothing came: a group may wait for its members as long as each may take for a batch."""
        if self._joined:
            super()._look_around()
            return
        self._client.raise_refusal()
        if time.monotonic() - self._heard > JOINING:
            raise TransientError(
                f"{self._client.place}: the group {self._stream.group} has given no partition for"
                f" {JOINING:.0f} s: {self._client.troubles or 'it does not say why'}"
            )

    def _look_for_new(self) -> None:
        """Do nothing: the group gives out what is new."""


def holds_message(client: Any, spans: Mapping[Place, offsets.Span], window: Window | None) -> bool:
    """Say whether spans hold a message: offsets may have none behind them.

    Transactions end with a mark that takes an offset, and compaction leaves gaps.
    """
    left = {place: span for place, span in spans.items() if span.behind}
    starts = [TopicPartition(topic, n, span.start) for (topic, n), span in left.items()]
    if not left:
        return False
    deadline = time.monotonic() + SILENCE
    with translated(client.place):
        client.consumer.assign(starts)
        while left and time.monotonic() < deadline:
            for message in client.consumer.consume(100, 0.05):
                if message.error() is None and _inside(message, left, window):
                    return True
                span = left.get(_place(message))
                reached = int(message.offset() or 0) + (message.error() is None)
                if span is not None and reached >= span.end:
                    del left[_place(message)]
    if left:
        raise TransientError(f"{client.place} does not say whether there is a message")
    return False


def _inside(message: Message, spans: Mapping[Place, offsets.Span], window: Window | None) -> bool:
    span = spans.get(_place(message))
    if span is None or int(message.offset() or 0) >= span.end:
        return False
    if window is None:
        return True
    return window.start.timestamp() * 1000 <= message.timestamp()[1] < window.end.timestamp() * 1000


def _place(message: Message) -> Place:
    return str(message.topic()), int(message.partition() or 0)
