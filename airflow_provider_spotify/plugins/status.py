"""How every import stands, read from the ledgers beside the tenants' data."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from airflow_provider_spotify.core.config.compile import Folder, load_folder
from airflow_provider_spotify.core.config.plans import DestinationPlan, ImportPlan, TenantPlan
from airflow_provider_spotify.core.model import Frozen
from airflow_provider_spotify.core.opening import Resolver, open_sink
from airflow_provider_spotify.core.sinks.base import LedgerEntry

State = Literal["loaded", "running", "never", "unreachable"]
_UNDER_WAY = ("staging", "partial")
"""What a ledger calls a load that has not committed."""


class ImportStatus(Frozen):
    """One import as its ledger tells it.

    :param rows: rows of the last load that committed; ``rejected`` likewise
    :param usage: what that load asked of an API, as its report counts it
    :param age: seconds since that load committed: the freshness of the table
    :param error: why the ledger could not be read, by the kind of error only
    """

    tenant: str
    name: str
    dag_id: str
    table: str
    state: State
    rows: int | None = None
    rejected: int | None = None
    usage: Mapping[str, float] = {}
    last_load: datetime | None = None
    seconds: float | None = None
    age: float | None = None
    error: str | None = None


class _Reading:
    """What was last read of one tenant, and when."""

    def __init__(self, statuses: Sequence[ImportStatus], *, at: float) -> None:
        self.statuses = statuses
        self.at = at


class Board:
    """The statuses of a folder of tenants, read when asked for and kept for a short time.

    :param folder: gives the tenants' YAML folder
    :param resolve: finds connections
    :param keep: seconds that a reading is good for
    :param patience: seconds that one question may take; what is late is in the next answer
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        *,
        resolve: Resolver,
        keep: float = 15.0,
        patience: float = 8.0,
    ) -> None:
        self._folder = folder
        self._resolve = resolve
        self._keep = keep
        self._patience = patience
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="imports-status")
        self._readings: dict[str, _Reading] = {}
        self._lock = threading.Lock()
        self._tenants: tuple[float, Folder] | None = None

    def tenants(self) -> Folder:
        """Return the folder's tenants and problems, compiled at most once in ``keep`` seconds."""
        with self._lock:
            if self._tenants is None or time.monotonic() - self._tenants[0] > self._keep:
                self._tenants = (time.monotonic(), load_folder(self._folder()))
            return self._tenants[1]

    def statuses(self, names: Iterable[str]) -> list[ImportStatus]:
        """Return the statuses of these tenants' imports, in the order of their YAML."""
        plans = {n: p for n, p in self.tenants().tenants.items() if n in set(names)}
        stale = [plan for name, plan in plans.items() if not self._fresh(name)]
        jobs = [self._pool.submit(self._read, plan) for plan in stale]
        wait(jobs, timeout=self._patience)
        found: list[ImportStatus] = []
        for name, plan in plans.items():
            reading = self._readings.get(name)
            found += reading.statuses if reading else _unread(plan, "TimeoutError")
        return [_aged(status) for status in found]

    def _fresh(self, name: str) -> bool:
        reading = self._readings.get(name)
        return reading is not None and time.monotonic() - reading.at <= self._keep

    def _read(self, tenant: TenantPlan) -> None:
        if not self._fresh(tenant.tenant):
            statuses = [_status(plan, resolve=self._resolve) for plan in tenant.imports.values()]
            self._readings[tenant.tenant] = _Reading(statuses, at=time.monotonic())


def summary(statuses: Sequence[ImportStatus]) -> Mapping[str, int]:
    """Count the imports by state."""
    counts = dict.fromkeys(("loaded", "running", "never", "unreachable"), 0)
    for status in statuses:
        counts[status.state] += 1
    return counts


def _status(plan: ImportPlan, *, resolve: Resolver) -> ImportStatus:
    """Read one ledger. Any error is one import's, never the page's."""
    try:
        sink = open_sink(_hasty(plan.destination), tenant=plan.tenant, resolve=resolve)
        history = sink.history(plan.name, limit=5)
    except Exception as error:
        return _plain(plan, "unreachable", error=type(error).__name__)
    committed = [entry for entry in history if entry.status == "committed"]
    running = bool(history) and history[0].status in _UNDER_WAY
    if not committed:
        return _plain(plan, "running" if running else "never")
    return _loaded(plan, committed[0], running=running)


def _hasty(plan: DestinationPlan) -> DestinationPlan:
    """Do not queue behind a long load for a page: give up soon and be asked again."""
    if "lock_timeout" not in type(plan.config).model_fields:
        return plan
    config = plan.config.model_copy(update={"lock_timeout": timedelta(seconds=2)})
    return plan.model_copy(update={"config": config})


def _loaded(plan: ImportPlan, entry: LedgerEntry, *, running: bool) -> ImportStatus:
    assert entry.finished_at is not None
    finished = entry.finished_at
    finished = finished if finished.tzinfo else finished.replace(tzinfo=UTC)
    started = entry.started_at
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    return _plain(plan, "running" if running else "loaded").model_copy(
        update={
            "rows": entry.rows,
            "rejected": entry.rejected,
            "usage": dict(entry.report.usage) if entry.report else {},
            "last_load": finished,
            "seconds": (finished - started).total_seconds(),
        }
    )


def _plain(plan: ImportPlan, state: State, *, error: str | None = None) -> ImportStatus:
    return ImportStatus(
        tenant=plan.tenant,
        name=plan.name,
        dag_id=plan.dag_id,
        table=plan.table,
        state=state,
        error=error,
    )


def _unread(tenant: TenantPlan, error: str) -> list[ImportStatus]:
    return [_plain(plan, "unreachable", error=error) for plan in tenant.imports.values()]


def _aged(status: ImportStatus) -> ImportStatus:
    if status.last_load is None:
        return status
    age = max(0.0, (datetime.now(UTC) - status.last_load).total_seconds())
    return status.model_copy(update={"age": age})
