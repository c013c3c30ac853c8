"""Sources that export events: a span of time is one file of JSON lines, perhaps of gigabytes.

A span's file comes to disk whole before the first of its rows is given, so what breaks on the way
is asked for again and costs no row; the next span comes while this one is parsed. A chunk's cursor
goes to the next span only with the last row of its own. Within one it says how many bytes of text
were given, and their CRC-32: whoever resumes there has the file again, skips them and makes sure
that they are the same. If they are not, the export's order is not kept, and the span is read again
from its start, where the source says that it rereads; else it is an error that says so.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ImporterError,
    MissingDependency,
)
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Window
from airflow_provider_spotify.core.sources.web.base import WebSource
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.progress import (
    Extent,
    Slice,
    cut,
    floor,
    mark_name,
    marks_of,
    slices,
    until_of,
)
from airflow_provider_spotify.core.sources.web.resource import Spans

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.clients.http.client import HttpClient
    from airflow_provider_spotify.core.sources.web.export_text import Stream


class ExportConfig(WebConfig):
    """The keys of a source that exports."""

    batch_bytes: int = Field(
        4 * 2**20, ge=256, description="bytes of exported text that become one batch of events"
    )
    max_export_bytes: int = Field(
        64 * 2**30, ge=1, description="the longest export of one span; bounds what fills the disk"
    )


E = TypeVar("E", bound=ExportConfig)


class TooLarge(Exception):
    """The span is too long for one export.

    :param cause: what it is if no shorter span can be asked for
    """

    def __init__(self, cause: ImporterError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class ExportSource(WebSource[E]):
    """Reads some of its resources, those of ``exports``, as files of JSON lines."""

    exports: ClassVar[Mapping[str, str]]
    """Resources that are exported, and the column without which an object is no row."""

    # What a source says of itself.

    @abstractmethod
    async def fetch(self, http: HttpClient, now: Slice, *, to: Path) -> bool:
        """Bring the export of a span into a file; return False where there is nothing.

        :raises TooLarge: if only a shorter span can be exported
        """

    @abstractmethod
    def text(self, path: Path) -> AbstractContextManager[Stream]:
        """Open the text of a file that was fetched; the same order each time.

        :raises TransientError: if the file is damaged; it may also be raised while it is read
        """

    @abstractmethod
    async def holds(self, http: HttpClient, due: Sequence[Slice]) -> bool:
        """Say whether spans have events, as cheaply as the system allows."""

    @abstractmethod
    def in_window(self, batch: pa.RecordBatch, window: Window) -> pa.RecordBatch:
        """Return the rows of a span whose time lies in a window."""

    def judge(self, body: Mapping[str, Any]) -> ImporterError | str | None:
        """Say why an object of an export is no row: a reason, or the error that it reports."""
        return None

    def finished(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return rows as they are given."""
        return batch

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone whose days the system exports by; None: UTC."""
        return None

    # What follows from it.

    @property
    def exported(self) -> bool:
        """The resource is one that is exported."""
        return self.config.resource in self.exports

    def calendar(self, time: datetime) -> datetime:
        """Return a time by the system's clock, labelled UTC."""
        return time.astimezone(self.zone).replace(tzinfo=UTC, fold=0) if self.zone else time

    def instant(self, shown: datetime) -> datetime:
        """Return the time that the system's clock shows so."""
        return shown.replace(tzinfo=self.zone).astimezone(UTC) if self.zone else shown

    def now(self) -> datetime:
        """Return the time by the system's clock, labelled UTC."""
        return self.calendar(datetime.now(UTC))

    @property
    def extent(self) -> Extent:
        """What the configuration says about time, by the system's clock."""
        found = super().extent
        if not self.exported:
            return found
        start, end = (self.calendar(t) if t else None for t in (found.start, found.end))
        return found._replace(start=start, end=end)

    @property
    def spans(self) -> Spans:
        """How the export goes on."""
        progress = self.resource.progress
        assert isinstance(progress, Spans)
        return progress

    def due(
        self, since: Cursor | None, window: Window | None
    ) -> tuple[list[Slice], Mapping[str, Any], datetime]:
        """Return the spans to read, where reading had come to in the first, and up to when."""
        since = None if window else since
        begun: Mapping[str, Any] = (since or {}).get("pass") or {}
        if begun.get("of") != self.shape:
            begun = {}
        until = until_of(self.spans, now=self.now(), extent=self.extent)
        if begun:
            until = min(until, datetime.fromisoformat(begun["until"]))
        if window:
            window = self._whole_units(window)
        found = slices(
            self.spans,
            [""],
            marks=marks_of(since),
            until=until,
            extent=self.extent,
            window=window,
            at=(begun["key"], begun["at"]) if begun else None,
        )
        return list(self._shortened(found, begun)), begun, until

    def _whole_units(self, window: Window) -> Window:
        """Return the units, by the system's clock, that a window touches."""
        unit, offset = self.spans.unit, self.spans.offset
        start, end = self.calendar(window.start), self.calendar(window.end)
        last = floor(end, unit, offset=offset)
        return Window(start=start, end=end if last == end else last + unit)

    def _shortened(self, found: Sequence[Slice], begun: Mapping[str, Any]) -> Iterator[Slice]:
        """Begin with the very span of which a part was given, which may have been a shorter one."""
        if not begun.get("to") or not found or found[0].start is None:
            yield from found
            return
        to = datetime.fromisoformat(begun["to"])
        for now in found:
            if now.end and now.start and now.start < to < now.end:
                yield now._replace(end=to, last=False)
                yield now._replace(start=to)
            else:
                yield now

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks; what came before an error is yielded before it is raised.

        :raises BudgetSpent: if the run's budget of records ends
        """
        if not self.exported:
            async with aclosing(super().read(since, window)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield chunk
            return
        try:
            from airflow_provider_spotify.core.sources.web.export_reader import ExportReader
        except ModuleNotFoundError as error:
            if error.name != "numpy":
                raise
            raise MissingDependency("numpy", extra=self.extra or "analytics") from None

        async with self.client() as http:
            reader = ExportReader(self, http, since=since, window=window)
            async with aclosing(reader.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether a span is due, and whether it has events."""
        if not self.exported:
            return await super().is_ready(since, window)
        due, begun, _ = self.due(since, window)
        if begun.get("page"):
            return True
        async with self.client() as http:
            return bool(due) and await self.holds(http, due)

    async def _checked(self) -> str:
        if not self.exported:
            return await super()._checked()
        until = until_of(self.spans, now=self.now(), extent=self.extent)
        last = Slice("", mark_name(""), until - self.spans.unit, until)
        async with self.client() as http:
            some = "some" if await self.holds(http, [last]) else "no"
        return f"{self.dataset().namespace} answers; {some} events from {last.start:%Y-%m-%dT%H} on"

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split the span of time."""
        if not self.exported:
            return await super().partitions(n, since)
        until = until_of(self.spans, now=self.now(), extent=self.extent)
        cuts = cut(self.spans, n, since=since, until=until, extent=self.extent) if n > 1 else []
        if len(cuts) < 2:
            return [self.narrowed(end=self.instant(until))]
        return [self.narrowed(start=self.instant(a), end=self.instant(b)) for a, b in cuts]

    def dataset(self) -> DatasetName:
        """Name the host that has the data, and the resource's path."""
        parts = urlsplit(self.base_url)
        path = f"{parts.path.rstrip('/')}/{self.resource.path.lstrip('/')}"
        return DatasetName(f"{parts.scheme}://{parts.netloc}", path)

    def begins(self) -> None:
        """Make sure that it is said from where an export begins.

        :raises ConfigurationError: if it is not
        """
        if self.exported and self.config.start is None:
            raise ConfigurationError(
                f"{self.config.resource} needs start: the day of the first event that is wanted"
            )
