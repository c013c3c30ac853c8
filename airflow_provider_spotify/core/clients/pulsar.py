"""Speaks to Apache Pulsar: connects, opens readers, asks for ends and schemas, acknowledges."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from airflow_provider_spotify.core.clients.pulsar_connection import address, connect, knock
from airflow_provider_spotify.core.clients.pulsar_positions import Position
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    import _pulsar
    import pulsar

Begin = Callable[[Callable[..., None]], None]
"""Begins an operation; what it is given is called with the result and the value."""
Answers = queue.SimpleQueue[tuple[int, str, Any]]

_SLICE = 0.05  # seconds between two looks at whether the broker refuses us
_KNOCK = 10.0  # seconds that a broker may take to greet
_PEEK = 5.0  # seconds that the last message of a compacted topic may take
_REFUSED = {"AuthenticationError", "ErrorGettingAuthenticationData"}
_WRONG = {
    "IncompatibleSchema": "its schema does not fit",
    "InvalidConfiguration": "a setting is wrong",
    "InvalidTopicName": "this is no name of a topic",
    "InvalidUrl": "this is no address of a broker",
    "NotAllowedError": "the broker does not allow it",
    "OperationNotSupported": "the broker cannot do it",
    "TopicNotFound": "there is no such topic, namespace or tenant",
    "UnsupportedVersionError": "the broker is too old",
}


class Schema(NamedTuple):
    """What the broker's registry holds of a topic: ``kind`` as in AVRO, JSON, BYTES."""

    kind: str
    definition: str


class Pulsar:
    """One client, and what it opened; a context manager that closes all of it.

    :param timeout: seconds that an operation may take
    """

    def __init__(self, credentials: Credentials, *, timeout: float = 30) -> None:
        self.address = address(credentials)
        self._credentials = credentials
        self.timeout = timeout
        self._client: pulsar.Client | None = None

    def __enter__(self) -> Self:
        knock(self._credentials, timeout=min(self.timeout, _KNOCK))
        self._client = connect(self._credentials, timeout=self.timeout)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        import _pulsar

        if self._client is not None:
            with suppress(_pulsar.PulsarException):  # what it held is gone in any case
                self._client.close()

    @property
    def _raw(self) -> _pulsar.Client:
        """The client under the library's wrapper, whose operations can be waited for."""
        assert self._client is not None, "use it as a context manager"
        return self._client._client

    # ── topics ───────────────────────────────────────────────────────────────────────────────

    def partitions(self, topics: Sequence[str]) -> list[list[str]]:
        """Return the partitions of each topic; one that is not partitioned is its own.

        :raises ConfigurationError: if its tenant or namespace is not there
        """
        raw = self._raw
        begins = [(topic, partial(raw.get_topic_partitions_async, topic)) for topic in topics]
        return [list(found) for found in self._together(begins)]

    def schema(self, topic: str, version: int = -1) -> Schema | None:
        """Return a version of a topic's schema, by default the newest; None if it has none."""
        import _pulsar

        try:
            found = self._raw.get_schema_info(topic, version)
        except _pulsar.TopicNotFound:
            return None
        except _pulsar.PulsarException as error:
            raise self.translated(type(error).__name__, topic) from error
        return Schema(found.schema_type().name, found.schema())

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def readers(
        self,
        starts: Sequence[tuple[str, Position | None]],
        *,
        queue_size: int = 1_000,
        compacted: bool = False,
    ) -> list[_pulsar.Reader]:
        """Open a reader of each topic partition, behind a position or at the beginning."""
        import _pulsar

        settings = _settings(inclusive=False, queue_size=queue_size, compacted=compacted)
        first = _pulsar.MessageId.earliest
        return self._opened([(name, at.id if at else first) for name, at in starts], settings)

    def ends(self, topics: Sequence[str], *, compacted: bool = False) -> list[Position | None]:
        """Return where the last message of each topic partition stands; None: there is none.

        A reader that begins with the last message is what the library has to find it.
        """
        import _pulsar

        settings = _settings(inclusive=True, queue_size=1, compacted=compacted)
        last = _pulsar.MessageId.latest
        # what was last may have been compacted away, so it need not come
        patience = _PEEK if compacted else self.timeout
        return self._firsts(self._opened([(n, last) for n in topics], settings), patience=patience)

    def nexts(self, starts: Mapping[str, Position]) -> list[Position | None]:
        """Return the first message at or behind a position of each topic partition, if any."""
        settings = _settings(inclusive=True, queue_size=1, compacted=False)
        return self._firsts(self._opened([(n, at.id) for n, at in starts.items()], settings))

    def available(self, readers: Sequence[_pulsar.Reader]) -> list[bool]:
        """Say of each reader whether a message is behind where it stands."""
        begins = [(reader.topic(), reader.has_message_available_async) for reader in readers]
        return [bool(found) for found in self._together(begins)]

    def _opened(
        self, starts: Sequence[tuple[str, _pulsar.MessageId]], settings: _pulsar.ReaderConfiguration
    ) -> list[_pulsar.Reader]:
        create = self._raw.create_reader_async
        return self._together([(name, partial(create, name, id, settings)) for name, id in starts])

    def _firsts(
        self, readers: Sequence[_pulsar.Reader], *, patience: float | None = None
    ) -> list[Position | None]:
        """Return what each reader gives first, if there is anything, and close it."""
        try:
            there = self.available(readers)
            some = [reader for reader, is_there in zip(readers, there, strict=True) if is_there]
            begins = [(reader.topic(), reader.read_next_async) for reader in some]
            found = iter(self._together(begins, patience=patience))
            firsts = [next(found) if is_there else None for is_there in there]
            return [Position.of(first.message_id()) if first else None for first in firsts]
        finally:
            for reader in readers:
                reader.close()

    # ── subscriptions ────────────────────────────────────────────────────────────────────────

    def keep(self, topics: Sequence[str], subscription: str) -> None:
        """Create a subscription where it is not: it holds all messages that are there now."""
        for topic in topics:
            self._consumer(topic, subscription).close()

    def acknowledge(self, positions: dict[str, Position], subscription: str) -> None:
        """Acknowledge everything up to a position of each topic partition.

        A broker never moves a subscription backwards, so it may be said twice and late.
        """
        import _pulsar

        for topic, position in positions.items():
            if (id := position.whole) is None:
                continue
            consumer = self._consumer(topic, subscription)
            try:
                consumer.acknowledge_cumulative(id)
            except _pulsar.PulsarException as error:
                raise self.translated(type(error).__name__, topic) from error
            finally:
                consumer.close()

    def _consumer(self, topic: str, subscription: str) -> _pulsar.Consumer:
        """Subscribe without taking messages; others may be subscribed at the same time."""
        import _pulsar

        settings = _pulsar.ConsumerConfiguration()
        settings.consumer_type(_pulsar.ConsumerType.Failover)
        settings.receiver_queue_size(0)
        settings.subscription_initial_position(_pulsar.InitialPosition.Earliest)
        begin = partial(self._raw.subscribe_async, topic, subscription, settings)
        (consumer,) = self._together([(topic, begin)])
        return consumer

    # ── waiting, and what goes wrong ─────────────────────────────────────────────────────────

    def _together(
        self, begins: Sequence[tuple[str, Begin]], *, patience: float | None = None
    ) -> list[Any]:
        """Begin operations, each of a topic, all at once; return their values in order.

        :param patience: seconds after which an answer that did not come is None
        :raises AuthenticationError, ForbiddenError, ConfigurationError: as the broker answers
        :raises TransientError: if it does not within the time
        """
        done: Answers = queue.SimpleQueue()
        for number, (_, begin) in enumerate(begins):
            begin(lambda result, value=None, n=number: done.put((n, result.name, value)))
        values: dict[int, Any] = {}
        deadline = time.monotonic() + (patience or self.timeout + 5)
        while len(values) < len(begins):
            with suppress(queue.Empty):
                number, result, value = done.get(timeout=_SLICE)
                if result != "Ok":
                    raise self.translated(result, begins[number][0])
                values[number] = value
            if time.monotonic() > deadline:
                if patience is not None:
                    break
                raise self.translated("Timeout", begins[0][0])
        return [values.get(number) for number in range(len(begins))]

    def translated(self, name: str, topic: str) -> ImporterError:
        """Turn the name of a Pulsar error or result into an error of ours.

        :raises AuthenticationError, TransientError: what a broker says that refuses to be asked
        """
        where = f"{topic} at {self.address}"
        if name in _REFUSED:
            return AuthenticationError(f"{where}: the broker refuses the credentials")
        if name == "AuthorizationError":
            return ForbiddenError(f"{where}: these credentials have no permission for it")
        if name in _WRONG:
            return ConfigurationError(f"{where}: {name}: {_WRONG[name]}")
        knock(self._credentials, timeout=min(self.timeout, _KNOCK))
        return TransientError(f"{where}: {name}")


def _settings(*, inclusive: bool, queue_size: int, compacted: bool) -> _pulsar.ReaderConfiguration:
    import _pulsar
    from pulsar.schema import BytesSchema

    settings = _pulsar.ReaderConfiguration()
    settings.schema(BytesSchema().schema_info())
    settings.start_message_id_inclusive(inclusive)
    settings.receiver_queue_size(queue_size)
    settings.read_compacted(compacted)
    return settings
