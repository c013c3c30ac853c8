"""Reads from a task's context why and how far an import runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from airflow_provider_spotify.core.config.plans import IncrementalPlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Run, Window

if TYPE_CHECKING:
    from airflow.sdk import Context

PARAMS = ("window_from", "window_to", "full_refresh", "dry_run")
"""The DAG params that a manual run may set."""


def run_of(context: Context, *, incremental: IncrementalPlan) -> Run:
    """Return the run that a context describes.

    The span a person asked for comes first; then the data interval, for a backfill or an import
    that reads by interval; otherwise the run goes on from the cursor.

    :param incremental: whether the import reads by cursor or by interval, and how far it looks back
    :raises ConfigurationError: if the params name no span of time
    """
    params: Any = context.get("params") or {}
    refresh = bool(params.get("full_refresh"))
    return Run(
        run_id=context["run_id"],
        window=_asked(params) or (None if refresh else _interval(context, incremental)),
        full_refresh=refresh,
        dry_run=bool(params.get("dry_run")),
        partition=_partition(context),
    )


def _asked(params: Any) -> Window | None:
    start, end = params.get("window_from"), params.get("window_to")
    if not start and not end:
        return None
    if not start:
        raise ConfigurationError("params: window_to needs window_from")
    try:
        return Window(start=_moment(start), end=_moment(end) if end else datetime.now(UTC))
    except (ValidationError, ValueError) as error:
        raise ConfigurationError(
            f"params: window_from {start!r} to window_to {end!r} is no span of time;"
            " write 2026-01-31 or 2026-01-31T06:00:00+01:00"
        ) from error


def _moment(value: str | datetime) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _interval(context: Context, incremental: IncrementalPlan) -> Window | None:
    if incremental.by != "interval" and context["dag_run"].run_type != "backfill":
        return None
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if not start or not end or start >= end:
        return None
    return Window(start=start - incremental.lookback, end=end)


def _partition(context: Context) -> str | None:
    """Name the part of a fanned-out load: its map index, kept apart by the partition's key."""
    index = context["ti"].map_index
    return None if index is None or index < 0 else str(index)
