"""Speaks WebSocket: one connection, and what its end means, in errors of ours."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    MissingDependency,
    TransientError,
)

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed, InvalidStatus

library_log = logging.getLogger(f"{__name__}.library")
library_log.setLevel(logging.INFO)  # at DEBUG it writes the handshake, secrets included

NORMAL, TOO_BIG = 1000, 1009
_UNAUTHORIZED = {1008, 3000, 4401}
_FORBIDDEN = {3003, 4403}
"""Close codes: https://www.iana.org/assignments/websocket/websocket.xhtml; from 4000 on they are
private, and many servers take HTTP's status."""
_CLOSING = 1.0  # seconds that the other side may take to say good-bye


class Line(NamedTuple):
    """How a server is reached. ``url`` and ``headers`` may hold secrets, ``place`` never does."""

    url: str
    headers: Mapping[str, str]
    subprotocols: Sequence[str]
    ping_interval: float | None
    ping_timeout: float | None
    open_timeout: float
    max_message_bytes: int

    @property
    def place(self) -> str:
        """The address without its query and user."""
        return without_query(self.url)


class Ended(TransientError):
    """A connection has ended, and another one may be begun.

    :param normal: the server said that it has nothing more to send (close code 1000)
    """

    def __init__(
        self, message: str, *, normal: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.normal = normal


def without_query(url: str) -> str:
    """Return an address without query, fragment and user."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@asynccontextmanager
async def connected(line: Line) -> AsyncIterator[ClientConnection]:
    """Connect; inside, every error of the connection becomes one of ours.

    :raises Ended: if it could not be made or was lost, and trying again may help
    :raises AuthenticationError, ForbiddenError, ConfigurationError: if it may not
    """
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import (
            ConnectionClosed,
            InvalidHandshake,
            InvalidStatus,
            InvalidURI,
            NegotiationError,
        )
    except ImportError as error:
        raise MissingDependency("websockets", extra="streaming") from error
    settings: dict[str, Any] = {
        "additional_headers": dict(line.headers),
        "subprotocols": list(line.subprotocols) or None,
        "ping_interval": line.ping_interval,
        "ping_timeout": line.ping_timeout,
        "open_timeout": line.open_timeout,
        "close_timeout": _CLOSING,
        "max_size": line.max_message_bytes,
        "logger": library_log,
    }
    try:
        async with connect(line.url, **settings) as socket:
            yield socket
    except ConnectionClosed as error:
        raise _closed(error, line) from error
    except InvalidStatus as error:
        raise _status(error, line.place) from None  # it holds the request's headers
    except InvalidURI:
        raise ConfigurationError(f"{line.place}: this is no address of a WebSocket") from None
    except NegotiationError as error:
        raise ConfigurationError(f"{line.place}: subprotocols: {error}") from None
    except ssl.SSLCertVerificationError as error:
        said = error.verify_message
        raise ConfigurationError(f"{line.place}: its certificate is refused: {said}") from error
    except (InvalidHandshake, OSError, TimeoutError, EOFError) as error:
        raise Ended(f"{line.place}: {_said(error)}") from None


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _closed(error: ConnectionClosed, line: Line) -> ImporterError:
    """Say what the close frames mean; without one the connection was lost."""
    ours, theirs = error.sent, error.rcvd
    if ours is not None and ours.code == TOO_BIG and not error.rcvd_then_sent:
        return ConfigurationError(
            f"{line.place}: a message is larger than max_message_bytes"
            f" ({line.max_message_bytes}); raise it"
        )
    if theirs is None:
        why = f"closed by us: {ours.code} {ours.reason}" if ours else "the connection was lost"
        return Ended(f"{line.place}: {why}")
    said = f"{line.place}: the server closed: {theirs.code} {_scrubbed(theirs.reason, line)}"
    if theirs.code in _UNAUTHORIZED:
        return AuthenticationError(f"{said.rstrip()}; it refuses the credentials")
    if theirs.code in _FORBIDDEN:
        return ForbiddenError(f"{said.rstrip()}; the credentials have no permission for it")
    return Ended(said.rstrip(), normal=theirs.code == NORMAL)


def _scrubbed(reason: str, line: Line) -> str:
    """Take out of a server's words what it was sent as a secret."""
    parts = [value for value in (urlsplit(line.url).query, *line.headers.values()) if value]
    words = {word for part in parts for word in part.replace("=", " ").replace("&", " ").split()}
    for word in sorted((w for w in words if len(w) > 5), key=len, reverse=True):
        reason = reason.replace(word, "***")
    return reason


def _status(error: InvalidStatus, place: str) -> ImporterError:
    status = error.response.status_code
    said = f"{place}: the server answers {status}"
    if status == 401:
        return AuthenticationError(f"{said}; it refuses the credentials")
    if status == 403:
        return ForbiddenError(f"{said}; the credentials have no permission for it")
    if status == 429 or status >= 500:
        after = error.response.headers.get("Retry-After", "")
        return Ended(said, retry_after=float(after) if after.isdigit() else None)
    return ConfigurationError(f"{said}; look at url: and subprotocols:")
