"""The plan of the upkeep of Delta tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pydantic import Field

from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.model import Frozen


class VacuumPlan(Frozen):
    """Which files of earlier versions are deleted."""

    retention: Duration = Field(
        timedelta(days=7), description="files stay for so long after no version needs them"
    )
    dry_run: bool = Field(False, description="delete nothing; say how many files would go")
    below_retention: bool = Field(
        False,
        description="allow less than the table's own retention (7 days by default): queries that"
        " still read an earlier version then fail",
    )


class MaintenancePlan(Frozen):
    """What is done to each table."""

    tables: Sequence[str] | None = Field(None, description="all of the destination by default")
    optimize: bool = Field(True, description="put small files together")
    z_order: Mapping[str, Sequence[str]] = Field(
        default_factory=dict, description="the columns by which the rows of a table are laid out"
    )
    vacuum: VacuumPlan | None = Field(None, description="delete files of earlier versions")
    checkpoint: bool = Field(True, description="shorten the log that readers have to read")
