"""What a sink is: a place where rows, rejects, cursor and ledger commit together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import (
    CheckResult,
    Credentials,
    Cursor,
    DatasetName,
    Frozen,
    Health,
    LoadReport,
    Run,
    SchemaChange,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.config.plans import WritePlan
    from airflow_provider_spotify.core.config.rules import Check

NO_CREDENTIALS = Credentials()


class SinkConfig(Frozen):
    """Base of a sink's Config: its fields are the YAML keys of ``destination:``."""


class LoadSpec(NamedTuple):
    """Which load this is.

    :param staged: keep rows invisible until ``publish``, because a table-level check may stop it
    :param flowing: show rows at each checkpoint, also those of a ``merge``: a stream
    :param parts: the ids of the held loads that this load publishes; it reads nothing itself
    """

    tenant: str
    import_name: str
    table: str
    write: WritePlan
    load_id: int
    run: Run
    started_at: datetime
    staged: bool = False
    flowing: bool = False
    parts: Sequence[int] = ()


class Progress(NamedTuple):
    """How far a load has come: what a checkpoint or a publish makes durable.

    :param schema: the contract's schema, before privacy; the next load starts from it
    :param newest: the newest moment so far, as ISO text, of each column whose freshness is asked
    """

    cursor: Cursor | None
    schema: pa.Schema | None
    rows: int
    rejected: int
    newest: Mapping[str, str] = MappingProxyType({})


class LedgerEntry(NamedTuple):
    """One row of the ledger ``_imports``: a load that committed, or is under way."""

    load_id: int
    import_name: str
    run_id: str
    table: str
    status: str
    rows: int
    rejected: int
    cursor_before: Cursor | None
    cursor_after: Cursor | None
    started_at: datetime
    finished_at: datetime | None
    report: LoadReport | None


class Load(ABC):
    """One load under way; a context manager that leaves only whole states behind.

    Leaving it without ``publish`` keeps what was checkpointed (the same load goes on from there)
    and discards the rest. Loads of one import exclude each other: beginning a second one while
    the first is under way raises TransientError. The parts of a load run beside each other.
    """

    since: Cursor | None
    """Where reading starts: the last checkpoint of this load, or the last committed cursor."""
    before: Cursor | None
    """Where the load as a whole starts: ``since``, if no earlier attempt made progress."""
    schema: pa.Schema | None
    """The contract's schema as last committed or checkpointed; None before the first load."""
    done: Progress
    """What earlier attempts of this load made durable; of parts, what they hold together."""
    held: Sequence[Progress] = ()
    """What each of ``spec.parts`` made durable, in their order."""

    @property
    def shows(self) -> bool:
        """A checkpoint makes rows visible, for good; else only ``publish`` does."""
        return False

    @property
    def full(self) -> bool:
        """So much waits in memory that a checkpoint now costs less than one later."""
        return False

    @property
    def refused(self) -> int:
        """How many rows of this attempt the destination could not hold; they are rejected."""
        return 0

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows. A batch may bring new or wider columns; the table follows at publish."""

    @abstractmethod
    def reject(self, batch: pa.RecordBatch) -> None:
        """Take rejected records (``REJECTED_SCHEMA``)."""

    @abstractmethod
    def checkpoint(self, progress: Progress) -> None:
        """Make everything taken so far durable, with the cursor, in one transaction."""

    def hold(self, progress: Progress, report: LoadReport) -> None:
        """End one part of a load: everything is durable and stays invisible until it is published.

        A load whose ``spec.parts`` names it publishes it. Begun again by the same run, a part that
        is held starts afresh; one that failed goes on from its checkpoint.

        :raises ConfigurationError: if this destination cannot hold parts
        """
        raise ConfigurationError(
            f"{type(self).__name__} cannot hold parts of a load; take partitions: away"
        )

    @abstractmethod
    def audit(self, check: Check) -> CheckResult:
        """Judge a table-level check (``unique``) over what would be visible after publishing."""

    @abstractmethod
    def publish(self, progress: Progress, report: LoadReport) -> Sequence[SchemaChange]:
        """Make the load visible: rows, rejects, cursor and ledger in one transaction."""

    @abstractmethod
    def abandon(self) -> None:
        """Discard also what was checkpointed and not yet visible, so that a retry reads afresh.

        The pipeline calls it when the data was judged bad: resuming would judge the same rows.
        """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...


C = TypeVar("C", bound=SinkConfig)


class Sink(ABC, Generic[C]):
    """One destination of one tenant."""

    Config: ClassVar[type[SinkConfig]]
    conn_type: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None

    def __init__(
        self, config: C, *, credentials: Credentials = NO_CREDENTIALS, tenant: str = "default"
    ) -> None:
        self.config = config
        self.credentials = credentials
        self.tenant = tenant

    @abstractmethod
    def begin(self, spec: LoadSpec) -> Load:
        """Open a load, or the unfinished earlier attempt of the same load.

        A load that already committed is rewound: it starts from the cursor it started from then,
        and its publish replaces its rows and those of the loads that followed it.

        A part (``spec.run.part``) starts where the whole load does. A load with ``spec.parts``
        finds their rows and rejects in ``done``; it publishes them if they are all there and the
        cursor still stands where they began. Their rows carry its id. Of rows of one key the one
        of the later part wins. It takes no rows of its own.

        :raises TransientError: if another load of the same import is under way, or was published
            after the parts began: they are discarded, and have to run again
        :raises ConfigurationError: if a part in ``spec.parts`` is not held
        """

    @abstractmethod
    def cursor(self, import_name: str) -> Cursor | None:
        """Return the committed cursor of an import."""

    @abstractmethod
    def schema(self, import_name: str) -> pa.Schema | None:
        """Return the contract's schema of an import as last committed."""

    @abstractmethod
    def history(self, import_name: str, *, limit: int = 20) -> Sequence[LedgerEntry]:
        """Return the latest ledger rows of an import, newest first; parts are not loads."""

    @abstractmethod
    def rejected(self, table: str, *, replayed: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the rejected records of a table that no replay has taken yet (or all)."""

    @abstractmethod
    def values(
        self, table: str, column: str, *, missing_from: tuple[str, str] | None = None
    ) -> Sequence[Any]:
        """Return the distinct values of a column, in order; none if there is no such table.

        :param missing_from: a table and column; leave out the values that stand there
        :raises ConfigurationError: if the table has no such column
        """

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a read-only query in the destination's own dialect."""

    @abstractmethod
    def check(self) -> Health:
        """Try the destination with the cheapest statement there is; report, do not raise."""

    @abstractmethod
    def dataset(self, table: str) -> DatasetName:
        """Name a table as OpenLineage would."""
