"""What a source is: a Config, and how to read from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from pydantic import ConfigDict

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import (
    Chunk,
    Credentials,
    Cursor,
    DatasetName,
    Frozen,
    Health,
    Window,
)
from airflow_provider_spotify.core.usage import Estimate, Usage

NO_CREDENTIALS = Credentials()


class SourceConfig(Frozen):
    """Base of a source's Config: its fields *are* the YAML keys and the rows of its docs table."""

    model_config = ConfigDict(defer_build=True)  # to list the sources, none has to validate


C = TypeVar("C", bound=SourceConfig)


class Wanted(NamedTuple):
    """Values of the destination that a source reads by.

    :param own: column of the import's own table; values that stand there are not wanted again
    """

    table: str
    column: str
    own: str | None = None


class Source(ABC, Generic[C]):
    """One system to read from. Holds no open connection until a method is called.

    :param config: the YAML keys of this import's ``source:``
    :param credentials: how to reach the system, from the connection that the YAML names
    :param tenant: whose data it is; keys caches and rate limits
    """

    Config: ClassVar[type[SourceConfig]]
    conn_type: ClassVar[str | None] = None
    """Airflow's connection type; None where no connection is needed."""
    extra: ClassVar[str | None] = None
    """The extra of this package that brings its libraries."""
    textual: ClassVar[bool] = False
    """Its columns arrive as text; the contract finds their types."""

    def __init__(
        self, config: C, *, credentials: Credentials = NO_CREDENTIALS, tenant: str = "default"
    ) -> None:
        self.config = config
        self.credentials = credentials
        self.tenant = tenant
        self.usage = Usage()
        """What reading has asked of the system; the pipeline gives one with the run's budget."""
        self.repeatable = False
        """Rows may come again, for they are written by key; the pipeline says so."""

    @abstractmethod
    def read(self, since: Cursor | None, window: Window | None = None) -> AsyncIterator[Chunk]:
        """Yield everything after ``since``, in batches, each with the cursor to resume from.

        With ``window``, yield exactly the rows whose time lies in it, whatever ``since`` is.
        It runs in a thread and an event loop of its own, so it may block. Closing the iterator
        early must free what it holds.

        :raises NothingToDo: never; an empty source yields no chunk
        """

    @abstractmethod
    async def check(self) -> Health:
        """Try the credentials with the cheapest call there is; report, do not raise."""

    @abstractmethod
    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether ``read`` would yield anything now, as cheaply as the system allows."""

    async def estimate(self, since: Cursor | None, window: Window | None = None) -> Estimate | None:
        """Foretell what ``read`` would ask of the system; None if there is no telling.

        It may ask the system where a count costs nothing that is billed.
        """
        return None

    def rereads(self) -> str | None:
        """Say why rows come again that were read before, if they do: they need a merge."""
        return None

    def wants(self) -> Wanted | None:
        """Name the values that ``given`` must bring before this source can read, if any."""
        return None

    def given(self, values: Iterable[Any]) -> Self:
        """Return this source with the values that it wants."""
        return self

    @abstractmethod
    def dataset(self) -> DatasetName:
        """Name what is read, as OpenLineage would; needs no connection."""

    def following(self) -> Self:
        """Return this source as one that never ends: it waits for what is still to come.

        :raises ConfigurationError: if the system is no stream
        """
        raise ConfigurationError(
            f"{type(self).__name__} is no stream and ends when all is read; take flush: away"
        )

    def committed(self, cursor: Cursor) -> None:
        """Learn that everything up to ``cursor`` is visible in the destination, for good.

        A system that remembers what it delivered is told so here (acknowledged, committed). It is
        called from another thread than ``read``, perhaps after ``read`` has ended. What it fails
        to say is said again after the next load, so an error here never undoes one.
        """

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split what comes after ``since`` into at most ``n`` sources that read the same rows.

        A partition is this source with a narrower config, and begins at ``since``. What arrives
        after this call belongs to none of them, or to one whose own cursor says how far it read:
        so ``joined`` leaves no gap.
        """
        return [self]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return where the whole goes on, from where its partitions ended, in their order.

        None stands for a partition that held no rows.

        :raises ConfigurationError: if this source knows no way
        """
        if len(cursors) == 1:
            return cursors[0]
        raise ConfigurationError(
            f"{type(self).__name__} cannot be read in partitions; take partitions: away"
        )

    def narrowed(self, **changes: object) -> Self:
        """Return this source with some keys of its config changed and validated."""
        config = self.Config.model_validate({**self.config.model_dump(), **changes})
        return type(self)(config, credentials=self.credentials, tenant=self.tenant)  # type: ignore[arg-type]
