"""The frozen plans that a tenant's YAML becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, StringConstraints, model_validator

from airflow_provider_spotify.core.config.rules import (
    Check,
    ContractPlan,
    Duration,
    PiiPlan,
    PrivacyPlan,
)
from airflow_provider_spotify.core.model import Frozen
from airflow_provider_spotify.core.usage import Budget

API_VERSION = "v1"
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,200}$")]


class SourcePlan(Frozen):
    """Where an import reads: the source's type, its connection and its own validated Config."""

    type: str
    connection: ConnectionId | None = None
    config: SerializeAsAny[Frozen]


class DestinationPlan(Frozen):
    """Where an import writes: the sink's type, its connection and its own validated Config."""

    type: str
    connection: ConnectionId | None = None
    config: SerializeAsAny[Frozen]


class WritePlan(Frozen):
    """How rows reach the table.

    ``append`` adds them; ``replace`` swaps the whole table; ``merge`` updates rows of the same
    key; ``scd2`` closes the old version of a changed row and opens a new one.
    """

    mode: Literal["append", "replace", "merge", "scd2"] = "append"
    key: Sequence[str] = ()
    deleted: str | None = Field(
        None,
        description="merge: a boolean column that is not stored; a row where it is true takes the"
        " row of its key away",
    )

    @model_validator(mode="after")
    def _keyed(self) -> WritePlan:
        if self.mode in ("merge", "scd2") and not self.key:
            raise ValueError(f"{self.mode} needs a key: {{mode: {self.mode}, key: [id]}}")
        if self.deleted is not None and self.mode != "merge":
            raise ValueError("deleted: needs write mode merge")
        return self


class RetryPlan(Frozen):
    """How often a failed task is tried again, and how long apart."""

    attempts: int = Field(3, ge=0)
    delay: Duration = timedelta(seconds=30)
    max_delay: Duration = timedelta(minutes=15)


class CheckpointPlan(Frozen):
    """How much work a crash may cost: progress is durable after either bound."""

    rows: int = Field(1_000_000, ge=1)
    every: Duration = timedelta(seconds=30)


class FlushPlan(Frozen):
    """Read a stream on and on, and show what came after whichever bound is reached first.

    The task ends, and its DAG run with it, after ``run_for``, or once nothing came for ``idle``.
    A DuckDB file can be open in one process only: others read it between two flushes. With several
    flushes a second it stays open from one to the next, and lets others in about once a second.
    """

    rows: int = Field(100_000, ge=1)
    bytes: int = Field(16 * 1024 * 1024, ge=1, description="of Arrow memory")
    within: Duration = timedelta(seconds=1)
    run_for: Duration = timedelta(hours=1)
    idle: Duration | None = Field(
        timedelta(minutes=1), description="with wait_for, the next run waits without a worker"
    )


class SchedulePlan(Frozen):
    """When an import runs. A text alone is its cron expression or preset."""

    cron: str
    timezone: str | None = None


class WaitPlan(Frozen):
    """Wait, without holding a worker, until the source has something new."""

    timeout: Duration = timedelta(hours=1)
    poke: Duration = timedelta(seconds=60)


class SlaPlan(Frozen):
    """How long after it was queued a run must have succeeded."""

    within: Duration


class NotifyPlan(Frozen):
    """Whom to tell when a run fails or misses its SLA."""

    type: Literal["log", "slack", "webhook", "email"]
    connection: ConnectionId | None = None
    channel: str | None = None
    to: Sequence[str] = ()
    on: Sequence[Literal["failure", "sla", "success"]] = ("failure", "sla")


class IncrementalPlan(Frozen):
    """What a scheduled run reads: everything after the cursor, or its own data interval."""

    by: Literal["cursor", "interval"] = "cursor"
    lookback: Duration = Field(
        timedelta(0), description="by interval: read so much before it again, for late rows"
    )

    @model_validator(mode="after")
    def _of_interval(self) -> IncrementalPlan:
        if self.lookback and self.by == "cursor":
            raise ValueError("lookback needs by: interval; a cursor looks back in its source")
        return self


def _cron(value: Any) -> Any:
    return {"cron": value} if isinstance(value, str) else value


class ImportSettings(Frozen):
    """The keys that ``defaults:`` may give for every import of a tenant."""

    write: WritePlan = WritePlan()
    schedule: (
        Annotated[SchedulePlan, BeforeValidator(_cron, json_schema_input_type=str | SchedulePlan)]
        | None
    ) = None
    incremental: IncrementalPlan = IncrementalPlan()
    wait_for: WaitPlan | None = None
    contract: ContractPlan = ContractPlan()
    quality: Sequence[Check] = ()
    pii: PiiPlan = PiiPlan()
    max_rejected: int | None = Field(None, ge=0, description="abort above this; none: no bound")
    budget: Budget = Field(Budget(), description="the most that one run may ask of an API")
    checkpoint: CheckpointPlan = CheckpointPlan()
    flush: FlushPlan | None = Field(None, description="streams only: a long run, shown as it goes")
    partitions: int = Field(
        1, ge=1, le=1000, description="read by so many tasks, which are published together"
    )
    retries: RetryPlan = RetryPlan()
    timeout: Duration | None = None
    sla: SlaPlan | None = None
    pool: str | None = None
    priority: int = 1
    tags: Sequence[str] = ()
    description: str | None = None


class ImportPlan(ImportSettings):
    """One import of one tenant: the DAG ``<tenant>__<name>``."""

    tenant: Identifier
    name: Identifier
    source: SourcePlan
    destination: DestinationPlan
    table: Identifier
    privacy: PrivacyPlan = PrivacyPlan()
    after: Sequence[Identifier] = ()

    @property
    def dag_id(self) -> str:
        """The DAG this import becomes."""
        return f"{self.tenant}__{self.name}"


class TenantPlan(Frozen):
    """One tenant: its imports and what they share."""

    api_version: Literal["v1"] = Field("v1", alias="apiVersion")
    tenant: Identifier
    owner: str
    timezone: str = "UTC"
    start_date: date
    team: str | None = None
    description: str | None = None
    notify: Sequence[NotifyPlan] = ()
    privacy: PrivacyPlan = PrivacyPlan()
    imports: Mapping[Identifier, ImportPlan]
