"""Speaks to Kafka by librdkafka: settings from credentials, topics, offsets, errors of our tree."""

from __future__ import annotations

import difflib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_spotify.core.clients.kafka_errors import recorded, translated
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    MissingDependency,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, TopicPartition

T = TypeVar("T")
Place = tuple[str, int]
"""A topic and one of its partitions."""

PATIENCE = 10.0
"""Seconds that a broker may take to answer."""
_TRY = 1.0
_SECRETS = ("password", "secret", "token", "jaas", "sasl.oauthbearer.config", ".pem", ".key")
_NOT_KAFKAS = "schema_registry_"
_OURS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "allow.auto.create.topics": False,
    "auto.offset.reset": "error",
    # how long fetching pauses once enough waits here; the default of 1 s starves a fast reader
    "fetch.queue.backoff.ms": 5,
    # the default waits up to 10 s before it tries a broker that has come back
    "reconnect.backoff.max.ms": 1_000,
    "topic.metadata.refresh.interval.ms": 30_000,
    "socket.keepalive.enable": True,
}
log = logging.getLogger(__name__)


def settings(credentials: Credentials) -> dict[str, Any]:
    """Return librdkafka's settings, as the connection type ``kafka`` keeps them: its extra.

    Where the extra says nothing of them, host and port are the broker, login and password those of
    SASL. https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md

    :raises ConfigurationError: if no broker is named
    """
    found = {k: v for k, v in credentials.extra.items() if not k.startswith(_NOT_KAFKAS)}
    if not found.get("bootstrap.servers"):
        if not credentials.host:
            raise ConfigurationError(
                'the connection names no broker: give {"bootstrap.servers": "host:9092"} as extra'
            )
        found["bootstrap.servers"] = f"{credentials.host}:{credentials.port or 9092}"
    if credentials.login and "sasl.username" not in found:
        found["sasl.username"] = credentials.login
    if credentials.secret() and "sasl.password" not in found:
        found["sasl.password"] = credentials.secret()
    if "sasl.username" in found and "security.protocol" not in found:
        found["security.protocol"] = "SASL_SSL"
    if "sasl.username" in found and not {"sasl.mechanism", "sasl.mechanisms"} & found.keys():
        found["sasl.mechanism"] = "PLAIN"
    return found


def servers(credentials: Credentials) -> str:
    """Return the brokers for messages and names, in order; they hold no secret."""
    listed = str(settings(credentials)["bootstrap.servers"])
    return ",".join(sorted(part.strip().rpartition("://")[2] for part in listed.split(",")))


class Kafka:
    """One client, which reads. Close it, or use it as a context manager.

    :param group: whose offsets it may commit; a reader that assigns itself joins no group
    :raises ConfigurationError: if librdkafka does not take a setting
    """

    def __init__(self, credentials: Credentials, *, group: str | None = None, **own: Any) -> None:
        try:
            from confluent_kafka import Consumer
        except ImportError as error:
            raise MissingDependency("confluent-kafka", extra="streaming") from error
        self.place = servers(credentials)
        self.errors: list[KafkaError] = []
        given = settings(credentials)
        secrets = [str(v) for k, v in given.items() if any(word in k for word in _SECRETS)]
        words = {**_OURS, **given, "group.id": group or "spotify-imports", **own}
        words |= {"enable.auto.commit": False, "error_cb": self._noted}
        self.refresh = int(words["topic.metadata.refresh.interval.ms"]) / 1000
        """Seconds between two looks for what is new."""
        with translated(self.place):
            self.consumer: Consumer = Consumer(words, logger=_Quiet(secrets))

    def __enter__(self) -> Kafka:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the brokers, and the group, if it is a member."""
        self.consumer.close()

    def _noted(self, error: KafkaError) -> None:
        """Remember what is wrong beside the messages; librdkafka goes on by itself."""
        self.errors.append(error)
        del self.errors[:-20]

    def ask(self, question: Callable[[float], T]) -> T:
        """Ask a broker, again and again for a while; a refusal of the credentials ends it.

        :param question: takes the seconds it may take
        :raises AuthenticationError: if the credentials are refused
        :raises TransientError: if no broker answers
        """
        from confluent_kafka import KafkaException

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return question(_TRY)
            except KafkaException as error:
                self.consumer.poll(0)  # hands out the errors
                self.raise_refusal()
                if not error.args[0].retriable() and not _is_silence(error.args[0]):
                    with translated(self.place):
                        raise
                if time.monotonic() > deadline:
                    said = recorded(self.errors) or error.args[0].str()
                    raise TransientError(f"no broker answers at {self.place}: {said}") from None

    def raise_refusal(self) -> None:
        """Raise an AuthenticationError if a broker has refused the credentials."""
        from confluent_kafka import KafkaError, KafkaException

        for error in self.errors:
            if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
                with translated(self.place):
                    raise KafkaException(error)

    def count(self) -> int:
        """Return how many topics this user may see, those of Kafka itself left out."""
        found = self.ask(lambda seconds: self.consumer.list_topics(timeout=seconds)).topics
        return sum(not name.startswith("__") for name in found)

    def topics(self, wanted: Sequence[str]) -> dict[str, list[int]]:
        """Return the partitions of the topics, by name; ``^…`` is a pattern of names.

        :raises ConfigurationError: if there is no such topic; the message offers the nearest
        """
        found = self.ask(lambda seconds: self.consumer.list_topics(timeout=seconds)).topics
        open = {name: topic for name, topic in found.items() if not name.startswith("__")}
        names: list[str] = []
        for each in wanted:
            if each.startswith("^"):
                names += [name for name in sorted(open) if re.search(each, name)]
            elif each in found:
                names.append(each)
            else:
                raise ConfigurationError(_missing(each, open, self.place))
        if not names:
            raise ConfigurationError(
                f"no topic at {self.place} matches {', '.join(wanted)}; there are: {_some(open)}"
            )
        for name in names:
            if found[name].error is not None:
                with translated(self.place):
                    from confluent_kafka import KafkaException

                    raise KafkaException(found[name].error)
        return {name: sorted(found[name].partitions) for name in dict.fromkeys(names)}

    def bounds(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        """Return of each partition its first offset and the one that its next message gets.

        With read_committed the latter is where the oldest open transaction begins.
        """
        first, last = self.at(places, -2), self.at(places, -1)
        return {place: (first[place], last[place]) for place in places}

    def at(self, places: Sequence[Place], time: int) -> dict[Place, int]:
        """Return of each partition the first offset at or after a time, -1 if there is none.

        :param time: milliseconds since 1970; -2 means the first message, -1 behind the last
        """
        from confluent_kafka import TopicPartition

        if not places:
            return {}
        asked = [TopicPartition(topic, number, time) for topic, number in places]
        found = self.ask(lambda seconds: self._times(asked, seconds))
        return {(each.topic, each.partition): each.offset for each in found}

    def _times(self, asked: list[TopicPartition], seconds: float) -> list[TopicPartition]:
        from confluent_kafka import KafkaException

        found = self.consumer.offsets_for_times(asked, timeout=seconds)
        for each in found:
            if each.error is not None:
                raise KafkaException(each.error)
        return found

    def stored(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the offsets that the group committed, of the partitions that have one."""
        from confluent_kafka import TopicPartition

        asked = [TopicPartition(topic, number) for topic, number in places]
        found = self.ask(lambda seconds: self.consumer.committed(asked, timeout=seconds))
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    @property
    def troubles(self) -> str:
        """What went wrong last, beside the messages."""
        return recorded(self.errors)

    def commit(self, offsets: Mapping[Place, int], *, wait: bool) -> None:
        """Store the offsets of the group at the brokers."""
        from confluent_kafka import TopicPartition

        listed = [TopicPartition(topic, number, at) for (topic, number), at in offsets.items()]
        with translated(self.place):
            if wait:
                self.consumer.commit(offsets=listed, asynchronous=False)
            else:
                self.consumer.commit(offsets=listed, asynchronous=True)


@contextmanager
def kafka(credentials: Credentials, **words: Any) -> Iterator[Kafka]:
    """Open a client for a question or two."""
    with Kafka(credentials, **words) as client:
        yield client


class _Quiet:
    """Takes librdkafka's log lines to ours, less loud, without the secrets of the connection."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def log(self, level: int, message: str, *args: object) -> None:
        text = str(message) % args if args else str(message)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        log.log(min(level, logging.INFO), "%s", text)


def _is_silence(error: KafkaError) -> bool:
    from confluent_kafka import KafkaError

    return error.code() in (
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._WAIT_COORD,
        KafkaError._RESOLVE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    )


def _missing(name: str, known: Mapping[str, Any], place: str) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    offer = f"did you mean {' or '.join(map(repr, near))}?"
    hint = offer if near else f"there are: {_some(known)}"
    return f"there is no topic {name!r} at {place}, or its user may not see it; {hint}"


def _some(names: Mapping[str, Any], most: int = 10) -> str:
    shown = sorted(names)[:most]
    return ", ".join(shown) + (" …" if len(names) > most else "") if shown else "none"
