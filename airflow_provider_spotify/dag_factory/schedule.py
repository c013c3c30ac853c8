"""When a DAG runs: its timetable, its start and the assets that set it off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pendulum
from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    CronTriggerTimetable,
)

from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk.bases.timetable import BaseTimetable

ASSET_SCHEME = "x-import"
"""Airflow leaves ``x-`` schemes as they are; others load every provider to find a normaliser."""


def asset(plan: ImportPlan) -> Asset:
    """Return the asset that an import renews: its table, by the tenant's own names.

    The name is what another DAG schedules on: ``schedule=Asset("acme.plays", uri=...)``. It is
    known without a connection, unlike the dataset's host, which lineage reports.
    """
    place = plan.destination.connection or plan.destination.type
    return Asset(
        name=f"{plan.tenant}.{plan.table}",
        uri=f"{ASSET_SCHEME}://{plan.tenant}/{place}/{plan.table}",
        group="imports",
    )


def schedule(tenant: TenantPlan, *, plan: ImportPlan) -> BaseTimetable | list[Asset] | None:
    """Return what sets the DAG off: time, the imports it comes ``after``, either, or nothing.

    Windows by ``interval`` need a data interval of a whole period. Airflow 3 gives a bare cron
    text one of zero length (``[scheduler] create_cron_data_intervals``), so the timetable is
    always explicit.
    """
    upstream = [asset(tenant.imports[name]) for name in plan.after]
    timetable = _timetable(tenant, plan=plan)
    if upstream and timetable:
        return AssetOrTimeSchedule(timetable=timetable, assets=upstream)
    return upstream or timetable


def start(tenant: TenantPlan) -> datetime:
    """Return midnight of the tenant's start date, in the tenant's own zone."""
    day = tenant.start_date
    return pendulum.datetime(day.year, day.month, day.day, tz=tenant.timezone)


def _timetable(tenant: TenantPlan, *, plan: ImportPlan) -> BaseTimetable | None:
    if plan.schedule is None:
        return None
    cron = plan.schedule.cron
    timezone = plan.schedule.timezone or tenant.timezone
    if plan.incremental.by == "interval":
        return CronDataIntervalTimetable(cron, timezone)
    return CronTriggerTimetable(cron, timezone)
