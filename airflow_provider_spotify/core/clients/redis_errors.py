"""Turns redis-py's errors into ours, by what their reader does next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    MissingDependency,
    TransientError,
)

_BY_NAME: tuple[tuple[str, type[ImporterError]], ...] = (
    ("AuthenticationError", AuthenticationError),
    ("AuthorizationError", AuthenticationError),
    ("AuthenticationWrongNumberOfArgsError", AuthenticationError),
    ("NoPermissionError", ForbiddenError),
    ("ConnectionError", TransientError),  # loading, too many clients and a lost master among them
    ("TimeoutError", TransientError),
    ("ReadOnlyError", TransientError),
    ("OutOfMemoryError", TransientError),
    ("ClusterDownError", TransientError),
    ("ClusterError", TransientError),
    ("MovedError", TransientError),
    ("AskError", TransientError),
    ("TryAgainError", TransientError),
    ("SlotNotCoveredError", TransientError),
)
_BY_TEXT: tuple[tuple[str, type[ImporterError]], ...] = (
    ("MISCONF", TransientError),
    ("NOREPLICAS", TransientError),
    ("BUSY ", TransientError),
    ("UNBLOCKED", TransientError),
    ("NOAUTH", AuthenticationError),
    ("WRONGPASS", AuthenticationError),
    ("[SSL", ConfigurationError),
)
_HINTS: Mapping[type[ImporterError], str] = {
    AuthenticationError: "look at login and password of the connection",
    ForbiddenError: "ask for the command or the keys in the user's ACL",
}


@contextmanager
def redis_errors(place: str) -> Iterator[None]:
    """Turn redis-py's errors into ours.

    :raises ImporterError: the one that says what to do next
    """
    try:
        from redis.exceptions import RedisError
    except ImportError as error:
        raise MissingDependency("redis", extra="database") from error
    try:
        yield
    except (RedisError, OSError) as error:
        raise translated(error, place) from error


def translated(error: Exception, place: str) -> ImporterError:
    """Return an error of redis-py, or one among the replies of a pipeline, as ours."""
    names = {each.__name__ for each in type(error).__mro__}
    said = str(error).strip() or type(error).__name__
    kind: type[ImporterError] = TransientError if isinstance(error, OSError) else ConfigurationError
    for name, meant in _BY_NAME:
        if name in names:
            kind = meant
            break
    for text, meant in _BY_TEXT:
        if text in said:
            kind = meant
    hint = _HINTS.get(kind)
    return kind(f"Redis at {place}: {said}" + (f"; {hint}" if hint else ""))
