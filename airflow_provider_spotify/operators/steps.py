"""The steps of a load that several tasks share, and what a silent stream waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from airflow_provider_spotify.core import parts
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Cursor, LoadReport, Run
from airflow_provider_spotify.core.opening import Opened
from airflow_provider_spotify.hooks.options import plain
from airflow_provider_spotify.triggers.ready import SourceReadyTrigger

Step: TypeAlias = Literal["import", "split", "part", "publish"]
"""``import`` is the whole load in one task."""

_POKE = 5.0
"""Seconds between two questions whether a silent stream has something."""


def split(plan: ImportPlan, opened: Opened, *, run: Run) -> list[dict[str, Any]]:
    """Return what each task of the step ``part`` is to read."""
    found = parts.split(plan, source=opened.source, sink=opened.sink, run=run)
    return [
        {"number": number, "of": len(found), "options": options}
        for number, options in enumerate(found, 1)
    ]


def part_run(run: Run, part: Mapping[str, Any]) -> Run:
    """Return the run of one part."""
    return parts.part_of(run, number=part["number"], of=part["of"])


def publish(
    plan: ImportPlan, opened: Opened, *, run: Run, reports: Iterable[Mapping[str, Any]]
) -> LoadReport:
    """Show what all parts hold; their reports come from XCom, in the order of the parts."""
    found = [LoadReport.model_validate(report) for report in reports]
    return parts.publish_parts(plan, source=opened.source, sink=opened.sink, run=run, reports=found)


def when_ready(plan: ImportPlan, *, since: Cursor | None, until: str | None) -> SourceReadyTrigger:
    """Return what fires when a stream has something after a cursor, or its time is up."""
    return SourceReadyTrigger(
        source_type=plan.source.type,
        config=plain(plan.source.config),
        conn_id=plan.source.connection,
        tenant=plan.tenant,
        since=None if since is None else dict(since),
        poke_interval=_POKE,
        until=until,
    )
