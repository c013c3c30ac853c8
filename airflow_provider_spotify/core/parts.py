"""Splits one load into parts that many workers read, and publishes them together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import (
    CheckResult,
    ColumnProfile,
    Cursor,
    LoadReport,
    MaskedColumn,
    Part,
    Run,
)
from airflow_provider_spotify.core.pipeline import judge, load_spec, moves_cursor
from airflow_provider_spotify.core.receipts import Receipts
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sources.base import Source


def split(
    plan: ImportPlan, *, source: Source[Any], sink: Sink[Any], run: Run
) -> list[dict[str, Any]]:
    """Return the source's options of each part, as JSON: at least one, at most ``plan.partitions``.

    Every part reads what is there now, after the cursor that the whole load starts from.

    A window, and a dry run, are one part.

    :raises ConfigurationError: if the source cannot be read in parts
    """
    if type(source).joined is Source.joined:  # better said now than when all have read
        source.joined([None] * plan.partitions)
    if run.dry_run or run.window is not None:
        return [_options(source)]
    with sink.begin(load_spec(plan, run)) as load:
        since = load.since
    parts = asyncio.run(source.partitions(plan.partitions, since))
    return [_options(part) for part in parts] or [_options(source)]


def part_of(run: Run, *, number: int, of: int) -> Run:
    """Return the run of one part; the first is number 1."""
    return run.model_copy(update={"part": Part(number=number, of=of), "partition": None})


def publish_parts(
    plan: ImportPlan,
    *,
    source: Source[Any],
    sink: Sink[Any],
    run: Run,
    reports: Sequence[LoadReport],
) -> LoadReport:
    """Show the rows of all parts at once, with one cursor, or none of them.

    :param reports: of the parts, in their order
    :raises DataError: if the whole fails a check; the parts are discarded
    :raises TransientError: if another load of the import came between; the parts are discarded
    :raises ConfigurationError: if a part is not there
    """
    from airflow_provider_spotify.core.transforms.quality import Quality  # loads pyarrow

    if run.dry_run:
        return _joined(reports, run=run, changes={})
    spec = load_spec(plan, run, parts=[report.load_id for report in reports])
    with sink.begin(spec) as load:
        quality = Quality(plan.quality, newest=load.done.newest)
        try:
            checks = judge(plan, load, quality, rows=load.done.rows, sink=sink, spec=spec)
        except DataError:
            load.abandon()
            raise
        cursor = _cursor(source, [held.cursor for held in load.held], since=load.since)
        done = load.done._replace(cursor=cursor)
        facts = {
            "load_id": spec.load_id,
            "started_at": min(report.started_at for report in reports),
            "rows": done.rows,
            "rejected": done.rejected,
            "cursor_before": load.before,
            "cursor_after": cursor if moves_cursor(run) else load.before,
            "checks": [*_row_checks(reports), *(c for c in checks if _judges_all(plan, c))],
        }
        report = _joined(reports, run=run, changes=facts)
        changes = load.publish(done, report)
    if moves_cursor(run):
        Receipts(source).give(cursor, last=True)
    ended = {"schema_changes": tuple(changes), "finished_at": datetime.now(UTC)}
    return report.model_copy(update=ended)


def _options(source: Source[Any]) -> dict[str, Any]:
    return source.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)  # type: ignore[no-any-return]


def _cursor(
    source: Source[Any], cursors: Sequence[Cursor | None], *, since: Cursor | None
) -> Cursor | None:
    """Return where the whole goes on: where it was, if no part held anything."""
    if all(cursor is None or cursor == since for cursor in cursors):
        return since
    return source.joined(cursors)


def _judges_all(plan: ImportPlan, result: CheckResult) -> bool:
    return result.check in {check.check for check in plan.quality if check.table_level}


def _row_checks(reports: Iterable[LoadReport]) -> list[CheckResult]:
    """Add up what the same check found in each part."""
    found: dict[tuple[str, tuple[str, ...], str], CheckResult] = {}
    for result in (check for report in reports for check in report.checks):
        name = (result.check, result.columns, result.severity)
        other = found.get(name)
        if other is None or (other.passed and not result.passed):
            failed = result.failed_rows + (other.failed_rows if other else 0)
            found[name] = result.model_copy(update={"failed_rows": failed})
        else:
            failed = result.failed_rows + other.failed_rows
            found[name] = other.model_copy(update={"failed_rows": failed})
    return list(found.values())


def _joined(reports: Sequence[LoadReport], *, run: Run, changes: Mapping[str, Any]) -> LoadReport:
    """Return the report of the whole: sums, and what any part saw."""
    seconds: Counter[str] = Counter()
    usage: Counter[str] = Counter()
    for report in reports:
        seconds.update(report.seconds)
        usage.update(report.usage)
    whole = {
        "run_id": run.run_id,
        "rows": sum(report.rows for report in reports),
        "rejected": sum(report.rejected for report in reports),
        "bytes": sum(report.bytes for report in reports),
        "seconds": dict(seconds),
        "usage": dict(usage),
        "columns": _profiles(reports),
        "masked": _masked(reports),
        "undeclared_pii": {k: v for report in reports for k, v in report.undeclared_pii.items()},
        "finished_at": datetime.now(UTC),
    }
    return reports[0].model_copy(update=whole | dict(changes))


def _masked(reports: Iterable[LoadReport]) -> tuple[MaskedColumn, ...]:
    return tuple(dict.fromkeys(each for report in reports for each in report.masked))


def _profiles(reports: Iterable[LoadReport]) -> tuple[ColumnProfile, ...]:
    """Add up nulls, widen bounds; distinct values and quantiles of parts say nothing together."""
    found: dict[str, ColumnProfile] = {}
    for column in (each for report in reports for each in report.columns):
        other = found.get(column.name)
        if other is None:
            found[column.name] = column
            continue
        bounds = {
            "min": _bound(min, other.min, column.min),
            "max": _bound(max, other.max, column.max),
        }
        sums = {"nulls": other.nulls + column.nulls, "distinct": None, "quantiles": None}
        found[column.name] = other.model_copy(update=bounds | sums)
    return tuple(found.values())


def _bound(choose: Any, one: Any, other: Any) -> Any:
    known = [value for value in (one, other) if value is not None]
    try:
        return choose(known) if known else None
    except TypeError:  # a column that is text in one part and a number in another
        return None
