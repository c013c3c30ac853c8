"""WebSocket feeds: messages as they come, with reconnecting, pings and recorded gaps."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urljoin, urlsplit

from pydantic import Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients.websocket import Line, connected, without_query
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Frozen, Health, Window
from airflow_provider_spotify.core.sources.streaming._websocket_auth import AuthConfig, sign_in
from airflow_provider_spotify.core.sources.streaming.base import StreamConfig, StreamSource

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming._websocket_auth import Signed

Name = Annotated[str, StringConstraints(min_length=1)]
Address = Annotated[str, StringConstraints(pattern=r"^(wss?://[^@]+|/.*)$")]
Message = str | Mapping[str, Any]


class Reconnect(Frozen):
    """How a lost connection is made again: delays double from ``delay``, with jitter."""

    attempts: int = Field(
        5, ge=1, description="in a row without a message; then the run fails, to be tried again"
    )
    delay: Duration = timedelta(seconds=1)
    max_delay: Duration = Field(
        timedelta(minutes=1), description="if the server asks for a longer one, the run fails"
    )


class Resume(Frozen):
    """Where a server can send again what came after a position."""

    field: Name = Field(description="of a record: a number that grows, or a text")
    message: Message = Field(
        description="sent instead of subscribe once a position is known, which takes the place of"
        " {position} in it"
    )


class WebsocketConfig(StreamConfig):
    """What is received.

    A WebSocket cannot be read again: what was sent while no connection was open is lost, unless
    the server can ``resume``. Each time the connection was lost, a record of it is rejected.
    """

    url: Address = Field(
        "/", description="wss://host/path, or a path on the connection's host; without secrets"
    )
    auth: AuthConfig | None = Field(
        None, description="none given: basic or bearer as the connection is filled, or nothing"
    )
    headers: Mapping[str, str] = Field(default_factory=dict, description="without secrets")
    subprotocols: tuple[Name, ...] = ()
    subscribe: tuple[Message, ...] = Field(
        (), description="messages to send after connecting; a mapping is sent as JSON"
    )
    format: Literal["json", "text", "raw"] = Field(
        "json", description="json: objects; text, raw: the column value, as text or bytes"
    )
    record_path: Name | None = Field(
        None, description="json: where the records of a message are; others have none"
    )
    ignore: Mapping[Name, tuple[str | int | bool, ...]] = Field(
        default_factory=dict,
        description="json: messages whose field has one of these values are no records",
    )
    position: Name | None = Field(
        None, description="json: the field of a record that the cursor remembers"
    )
    resume: Resume | None = None
    quiet: Duration | None = Field(
        None, description="with until: {caught_up: true}, the silence that counts as caught up"
    )
    metadata: tuple[Literal["received_at"], ...] = Field(
        ("received_at",), description="columns beside the message's: _received_at"
    )
    ping_interval: Duration | None = Field(timedelta(seconds=20), description="none: no pings")
    ping_timeout: Duration | None = Field(
        timedelta(seconds=20), description="a connection that does not answer is made again"
    )
    open_timeout: Duration = timedelta(seconds=10)
    reconnect: Reconnect = Reconnect()
    max_message_bytes: int = Field(4 * 1024 * 1024, ge=1)
    buffer_bytes: int = Field(
        16 * 1024 * 1024, ge=1, description="received and not yet read; then the server waits"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.format != "json" and (self.record_path or self.ignore or self.position):
            raise ValueError("record_path, ignore and position need format: json")
        if self.resume is not None and self.format != "json":
            raise ValueError("resume needs format: json")
        if self.resume is not None and self.position not in (None, self.resume.field):
            raise ValueError("position is resume's field; take position away")
        return self


class WebsocketSource(StreamSource[WebsocketConfig]):
    """Receives in a thread of its own, so that pings are answered while rows are written."""

    Config = WebsocketConfig
    conn_type: ClassVar[str | None] = "websocket"
    extra: ClassVar[str | None] = "streaming"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield what is received from now on, or after the cursor's position; see :class:`Source`.

        :raises ConfigurationError: if nothing would end the reading, or a window is asked for
        :raises AuthenticationError, ForbiddenError: as the server answers or closes
        :raises TransientError: if connecting fails too often
        """
        self._readable(window)
        from airflow_provider_spotify.core.sources.streaming._websocket_reading import Reading

        signed = self._signed()
        reading = Reading(self.config, self._line(signed), first=signed.first, since=since)
        async with aclosing(reading.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk

    async def check(self) -> Health:
        """Connect and leave again."""
        begun = time.perf_counter()
        try:
            signed = self._signed()
            async with connected(self._line(signed)) as socket:
                if signed.first:
                    await socket.send(signed.first)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        message = f"{self._place}: connected"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Connect, and wait for one message for as long as ``quiet``, or two seconds."""
        import asyncio

        from airflow_provider_spotify.core.sources.streaming import _websocket_reading as reading

        signed = self._signed()
        line = self._line(signed)
        return await asyncio.to_thread(reading.speaks, self.config, line, signed.first, since)

    def dataset(self) -> DatasetName:
        """Name the server and the path."""
        parts = urlsplit(self._place)
        return DatasetName(f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or "/")

    @property
    def _place(self) -> str:
        return without_query(self._url)

    @property
    def _url(self) -> str:
        """The address without secrets.

        :raises ConfigurationError: if neither the YAML nor the connection says it
        """
        if not self.config.url.startswith("/"):
            return self.config.url
        host, port = self.credentials.host, self.credentials.port
        if not host:
            raise ConfigurationError("url: give wss://host/path, or a host in the connection")
        base = host if "://" in host else f"wss://{host}"
        base = base.replace("http://", "ws://", 1).replace("https://", "wss://", 1)
        if port:
            parts = urlsplit(base)
            base = parts._replace(netloc=f"{parts.netloc}:{port}").geturl()
        return base if self.config.url == "/" else urljoin(base, self.config.url)

    def _signed(self) -> Signed:
        config = self.config
        return sign_in(config.auth, self.credentials, url=self._url, headers=config.headers)

    def _line(self, signed: Signed) -> Line:
        config = self.config
        interval, timeout = config.ping_interval, config.ping_timeout
        return Line(
            url=signed.url,
            headers=signed.headers,
            subprotocols=config.subprotocols,
            ping_interval=interval.total_seconds() if interval else None,
            ping_timeout=timeout.total_seconds() if timeout else None,
            open_timeout=config.open_timeout.total_seconds(),
            max_message_bytes=config.max_message_bytes,
        )

    def _readable(self, window: Window | None) -> None:
        if window is not None:
            raise ConfigurationError(
                f"{self._place}: a WebSocket has no past, so no window of it can be read; take"
                " incremental: {by: interval} away"
            )
        until = self.config.until
        if until.caught_up and not (until.rows or until.within or self.config.quiet):
            raise ConfigurationError(
                f"{self._place}: a WebSocket is never caught up. Say when reading ends: until:"
                " {rows: …} or {within: …}, or quiet: …; or read on and on with flush:"
            )


SOURCE = WebsocketSource
