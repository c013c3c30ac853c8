"""Upkeep of Delta tables: fewer and larger files, shorter logs, no files that nobody needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.delta import Place, delta_errors, retried
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sinks._delta_types import DIALECT
from airflow_provider_spotify.core.sinks._delta_upkeep import MaintenancePlan, VacuumPlan

if TYPE_CHECKING:
    from deltalake import DeltaTable

_HOUR = timedelta(hours=1)


def maintain(place: Place, schema: str, plan: MaintenancePlan) -> list[dict[str, Any]]:
    """Do the upkeep; return for each table what was done, as JSON.

    Loads may run meanwhile: what meets the commit of one is done again upon the new version, and a
    load does the same.

    :raises ConfigurationError: if a table is not there, or a retention is shorter than its own
    """
    with delta_errors(place.uri(schema)):
        there = place.tables(schema)
    wanted = there if plan.tables is None else [DIALECT.fit(name) for name in plan.tables]
    if missing := [name for name in wanted if name not in there]:
        raise ConfigurationError(
            f"{place.uri(schema)} has no table {', '.join(missing)}; it has {', '.join(there)}"
        )
    return [_maintained(place, (schema, name), plan) for name in wanted]


def _maintained(place: Place, steps: tuple[str, str], plan: MaintenancePlan) -> dict[str, Any]:
    done: dict[str, Any] = {"table": steps[1]}
    columns = next((c for n, c in plan.z_order.items() if DIALECT.fit(n) == steps[1]), ())
    with delta_errors(place.uri(*steps)):
        if plan.optimize or columns:
            found = retried(lambda: _optimized(_opened(place, steps), columns))
            done["files_added"] = found["numFilesAdded"]
            done["files_removed"] = found["numFilesRemoved"]
        if plan.checkpoint:
            retried(lambda: _opened(place, steps).create_checkpoint())
            done["checkpoint"] = True
        if plan.vacuum:
            vacuum = plan.vacuum
            done["vacuumed"] = len(retried(lambda: _vacuumed(_opened(place, steps), vacuum)))
            done["dry_run"] = vacuum.dry_run
        done["version"] = _opened(place, steps).version()
    return done


def _opened(place: Place, steps: tuple[str, str]) -> DeltaTable:
    table = place.table(*steps)
    if table is None:
        raise ConfigurationError(f"{place.uri(*steps)} is no longer there")
    return table


def _optimized(table: DeltaTable, columns: Sequence[str]) -> dict[str, Any]:
    if columns:
        return table.optimize.z_order([DIALECT.fit(name) for name in columns])
    return table.optimize.compact()


def _vacuumed(table: DeltaTable, plan: VacuumPlan) -> list[str]:
    hours = -(-plan.retention // _HOUR)
    own = _retention(table)
    if plan.retention < own and not plan.below_retention:
        raise ConfigurationError(
            f"{table.table_uri}: vacuum.retention is shorter than the {own} that its readers may "
            "count on; say below_retention: true if nobody reads an earlier version"
        )
    return table.vacuum(
        retention_hours=hours,
        dry_run=plan.dry_run,
        enforce_retention_duration=not plan.below_retention,
    )


def _retention(table: DeltaTable) -> timedelta:
    """Return how long a table keeps files of earlier versions, by its property or by default."""
    said = table.metadata().configuration.get("delta.deletedFileRetentionDuration", "")
    units = {"day": 86_400, "week": 604_800, "hour": 3_600, "minute": 60, "second": 1}
    words = said.lower().replace("interval", "").split()
    if len(words) == 2 and words[1].rstrip("s") in units and words[0].isdigit():
        return timedelta(seconds=int(words[0]) * units[words[1].rstrip("s")])
    return timedelta(days=7)
