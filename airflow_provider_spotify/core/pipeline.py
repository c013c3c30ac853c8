"""The whole flow of one import: read, transform, write, judge, publish."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import DataError, QualityViolation
from airflow_provider_spotify.core.model import (
    CheckResult,
    LoadReport,
    Run,
    SchemaChange,
    load_id,
)
from airflow_provider_spotify.core.moving import Mover, WhenIdle, judged
from airflow_provider_spotify.core.opening import refuse_append, supplied
from airflow_provider_spotify.core.pace import Pace, StreamPace
from airflow_provider_spotify.core.progress import Meter, Watcher
from airflow_provider_spotify.core.receipts import Receipts
from airflow_provider_spotify.core.rehearsal import Rehearsal
from airflow_provider_spotify.core.sinks.base import Load, LoadSpec, Progress, Sink
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.core.usage import Usage

if TYPE_CHECKING:
    from airflow_provider_spotify.core.transforms.chain import Chain
    from airflow_provider_spotify.core.transforms.quality import Quality


def run_import(
    plan: ImportPlan,
    *,
    source: Source[Any],
    sink: Sink[Any],
    run: Run,
    key: bytes | None = None,
    progress: Watcher | None = None,
    cancel: threading.Event | None = None,
    until: datetime | None = None,
    when_idle: WhenIdle = "end",
) -> LoadReport:
    """Bring everything new from the source into the sink, or nothing.

    A part of a load (``run.part``) is held instead, until ``publish_parts`` shows all of them.

    :param key: the tenant's key, where personal columns are hashed, tokenized or encrypted
    :param progress: told every few seconds where the load stands; a log line by default
    :param cancel: set it to stop at the next chunk
    :param until: with ``flush``, the moment at which to end; ``run_for`` from now by default
    :param when_idle: with ``flush``, end in silence, or raise so that the same run may go on later
    :raises DataError: if the data breaks the contract or an error check; nothing is published
    :raises BudgetSpent: if the load counts only as a whole, and its budget ended it before
    :raises TransientError: if the source or sink cannot answer now; what was read is checkpointed
    :raises Cancelled: if ``cancel`` was set; what was read is checkpointed
    """
    meter, receipts = Meter(plan.dag_id, watch=progress), Receipts(source)
    spec = load_spec(plan, run)
    with Rehearsal(sink, spec) if run.dry_run else sink.begin(spec) as load:
        chain = _chain(plan, load, textual=source.textual, key=key)
        pace = StreamPace(plan.flush, until=until) if plan.flush else Pace(plan.checkpoint)
        mover = Mover(plan, load, chain, meter=meter, pace=pace, receipts=receipts)
        try:
            reading = _opened(plan, source, sink=sink)
            whole = _whole(plan, run)
            done = mover.move(reading, run.window, cancel=cancel, when_idle=when_idle, whole=whole)
            checks = judge(plan, load, chain.quality, rows=done.rows, sink=sink, spec=spec)
        except DataError:
            load.abandon()
            raise
        facts = {
            "source": source.dataset(),
            "destination": sink.dataset(plan.table),
            "cursor_before": load.before,
            "cursor_after": done.cursor if moves_cursor(run) else load.before,
            "checks": checks,
            "usage": reading.usage.facts(),
            "stopped": mover.stopped,
        }
        report = _report(spec, done=judged(done, load), chain=chain, meter=meter, facts=facts)
        with meter.stage("publish"):
            changes = _end(load, done, report, run=run)
    if moves_cursor(run) and not run.dry_run and run.part is None:
        receipts.give(done.cursor, last=True)
    meter.tell()
    ended = {"seconds": dict(meter.seconds), "finished_at": datetime.now(UTC)}
    return report.model_copy(update={"schema_changes": tuple(changes), **ended})


def moves_cursor(run: Run) -> bool:
    """Say whether the next load goes on where this one ends."""
    return run.window is None and not run.replay


def _chain(plan: ImportPlan, load: Load, *, textual: bool, key: bytes | None) -> Chain:
    from airflow_provider_spotify.core.transforms.chain import Chain  # loads pyarrow

    return Chain(plan, known=load.schema, textual=textual, key=key, newest=load.done.newest)


def _end(load: Load, done: Progress, report: LoadReport, *, run: Run) -> Sequence[SchemaChange]:
    if run.part is None:
        return load.publish(done, report)
    load.hold(done, report)
    return ()


def load_spec(plan: ImportPlan, run: Run, *, parts: Sequence[int] = ()) -> LoadSpec:
    """Describe a load. A ``replace`` reads everything, or it would leave only what is new."""
    if plan.write.mode == "replace":
        run = run.model_copy(update={"full_refresh": True})
    return LoadSpec(
        tenant=plan.tenant,
        import_name=plan.name,
        table=plan.table,
        write=plan.write,
        load_id=load_id(plan.tenant, plan.name, run),
        run=run,
        started_at=datetime.now(UTC),
        staged=plan.flush is None and _may_stop(plan),
        flowing=plan.flush is not None,
        parts=parts,
    )


def _opened(plan: ImportPlan, source: Source[Any], *, sink: Sink[Any]) -> Source[Any]:
    refuse_append(plan, source)
    source = supplied(source, sink=sink, table=plan.table)
    source = source.following() if plan.flush else source
    source.usage = Usage(budget=plan.budget)
    source.repeatable = plan.write.mode in ("merge", "scd2")
    return source


def _whole(plan: ImportPlan, run: Run) -> bool:
    """Say whether half of a load is worth nothing, as no later one would read the rest."""
    counts = plan.write.mode == "replace" or run.full_refresh or run.part is not None
    return (counts or not moves_cursor(run)) and not run.dry_run


def _may_stop(plan: ImportPlan) -> bool:
    """Say whether the data may be found bad as a whole; then none of it may be seen before."""
    return (
        plan.max_rejected is not None
        or plan.contract.mode == "freeze"
        or plan.pii.undeclared == "fail"
        or any(check.severity == "error" and check.table_level for check in plan.quality)
    )


def judge(
    plan: ImportPlan, load: Load, quality: Quality, *, rows: int, sink: Sink[Any], spec: LoadSpec
) -> list[CheckResult]:
    """Run the checks over the whole load, before anyone can see it; of a part, those of its rows.

    :param quality: the row checks, as the load's rows left them
    :raises QualityViolation: if one of severity ``error`` fails
    """
    history = _history(plan, sink, but=spec.load_id)
    results = quality.finish(rows=rows, history=history, now=datetime.now(UTC))
    table_checks = {check.check for check in plan.quality if check.table_level}
    if spec.run.part is not None:
        return [result for result in results if result.check not in table_checks]
    results += [load.audit(check) for check in plan.quality if check.check == "unique"]
    # a failed row check has rejected its rows already; what fails here is the load as a whole
    failed = [
        result
        for result in results
        if not result.passed and result.severity == "error" and result.check in table_checks
    ]
    if failed:
        said = "; ".join(f"{result.check}: {result.message}" for result in failed)
        raise QualityViolation(f"{plan.dag_id}: nothing was published, because {said}")
    return results


def _history(plan: ImportPlan, sink: Sink[Any], *, but: int) -> list[int]:
    """Return the row counts of other loads, newest first, if a check compares with them."""
    wanted = max((c.history for c in plan.quality if c.check == "row_count_anomaly"), default=0)
    # twice as many, because loads that were given up or replaced are in the ledger too
    entries = sink.history(plan.name, limit=2 * wanted) if wanted else ()
    return [e.rows for e in entries if e.status == "committed" and e.load_id != but]


def _report(
    spec: LoadSpec, *, done: Progress, chain: Chain, meter: Meter, facts: dict[str, Any]
) -> LoadReport:
    return LoadReport(
        tenant=spec.tenant,
        import_name=spec.import_name,
        table=spec.table,
        load_id=spec.load_id,
        run_id=spec.run.run_id,
        started_at=spec.started_at,
        finished_at=datetime.now(UTC),
        rows=done.rows,
        bytes=meter.bytes,
        rejected=done.rejected,
        seconds=dict(meter.seconds),
        schema_changes=tuple(chain.contract.changes),
        columns=tuple(chain.profile.columns()),
        masked=tuple(chain.privacy.masked),
        undeclared_pii=chain.undeclared,
        dry_run=spec.run.dry_run,
        **facts,
    )
