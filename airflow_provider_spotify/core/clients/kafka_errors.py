"""Turns librdkafka's errors into ours, by what their reader does next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    TransientError,
)

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

_WRONG = ("_INVALID_ARG", "_UNKNOWN_PROTOCOL", "_CONFLICT", "_STATE", "_UNSUPPORTED_FEATURE")
_KINDS: dict[type[ImporterError], tuple[str, ...]] = {
    AuthenticationError: ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"),
    ForbiddenError: (
        "TOPIC_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
    ),
    ConfigurationError: (
        *_WRONG,
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
        "UNKNOWN_TOPIC_OR_PART",
        "TOPIC_EXCEPTION",
        "UNSUPPORTED_SASL_MECHANISM",
        "_SSL",
    ),
    DataError: ("_BAD_MSG", "_BAD_COMPRESSION", "OFFSET_OUT_OF_RANGE", "_AUTO_OFFSET_RESET"),
}


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what librdkafka raises into an error of our tree that names the place."""
    from confluent_kafka import KafkaException

    try:
        yield
    except KafkaException as error:
        raise _translated(error.args[0], place) from None


def _translated(error: KafkaError, place: str) -> ImporterError:
    kind = kind_of(error)
    hint = {
        AuthenticationError: "look at the user and password of the connection",
        ForbiddenError: "ask the cluster's owner for access",
        ConfigurationError: "look at the connection's extra and the topics",
    }.get(kind)
    return kind(f"Kafka at {place}: {error.str()}" + (f"; {hint}" if hint else ""))


def kind_of(error: KafkaError) -> type[ImporterError]:
    """Return which of our errors it is; one that we do not know is worth another try."""
    for kind, names in _KINDS.items():
        if error.name() in names:
            return kind
    return TransientError


def recorded(errors: Sequence[KafkaError]) -> str:
    """Return the last things that went wrong, each once."""
    return "; ".join(dict.fromkeys(error.str() for error in errors[-3:]))
