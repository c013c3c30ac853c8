"""The whole flow of one import: read, transform, write, judge, publish."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.ahead import ahead, drain, sized
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import (
    Cancelled,
    DataError,
    QualityViolation,
    TooManyRejected,
    TransientError,
)
from airflow_provider_spotify.core.model import CheckResult, Chunk, Cursor, LoadReport, Run, load_id
from airflow_provider_spotify.core.opening import supplied
from airflow_provider_spotify.core.progress import Meter, Watcher
from airflow_provider_spotify.core.rehearsal import Rehearsal
from airflow_provider_spotify.core.sinks.base import Load, LoadSpec, Progress, Sink
from airflow_provider_spotify.core.sources.base import Source

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.transforms.chain import Chain

LANE_BYTES = 16 * 1024 * 1024
"""How much may wait between two stages; with two lanes this bounds the memory of a load."""


class Ready(NamedTuple):
    """A chunk after the transforms: rows for the table, and records for its rejects.

    ``schema`` and ``newest`` are the contract's and the checks' as this chunk left them: the
    transforms run ahead of the sink, and a checkpoint must not know what is to come.
    """

    batch: pa.RecordBatch
    rejected: Sequence[pa.RecordBatch]
    cursor: Cursor
    schema: pa.Schema | None
    newest: Mapping[str, str]


def run_import(
    plan: ImportPlan,
    *,
    source: Source[Any],
    sink: Sink[Any],
    run: Run,
    key: bytes | None = None,
    progress: Watcher | None = None,
    cancel: threading.Event | None = None,
) -> LoadReport:
    """Bring everything new from the source into the sink, or nothing.

    :param key: the tenant's key, where personal columns are hashed, tokenized or encrypted
    :param progress: told every few seconds where the load stands; a log line by default
    :param cancel: set it to stop at the next chunk
    :raises DataError: if the data breaks the contract or an error check; nothing is published
    :raises TransientError: if the source or sink cannot answer now; what was read is checkpointed
    :raises Cancelled: if ``cancel`` was set; what was read is checkpointed
    """
    from airflow_provider_spotify.core.transforms.chain import Chain  # loads pyarrow

    meter = Meter(plan.dag_id, watch=progress)
    spec = _spec(plan, run)
    with Rehearsal(sink, spec) if run.dry_run else sink.begin(spec) as load:
        source = supplied(source, sink=sink, table=plan.table)
        chain = Chain(
            plan, known=load.schema, textual=source.textual, key=key, newest=load.done.newest
        )
        try:
            done = _move(source, load, chain, plan=plan, run=run, meter=meter, cancel=cancel)
            history = _history(plan, sink, but=spec.load_id)
            checks = _judge(plan, load, chain, rows=done.rows, history=history)
        except DataError:
            load.abandon()
            raise
        facts = {
            "source": source.dataset(),
            "destination": sink.dataset(plan.table),
            "cursor_before": load.before,
            "cursor_after": load.before if run.window or run.replay else done.cursor,
            "checks": checks,
        }
        report = _report(spec, done=_judged(done, load), chain=chain, meter=meter, facts=facts)
        with meter.stage("publish"):
            changes = load.publish(done, report)
    meter.tell()
    ended = {"seconds": dict(meter.seconds), "finished_at": datetime.now(UTC)}
    return report.model_copy(update={"schema_changes": tuple(changes), **ended})


def _spec(plan: ImportPlan, run: Run) -> LoadSpec:
    """Describe the load. A ``replace`` reads everything, or it would leave only what is new."""
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
        staged=_may_stop(plan),
    )


def _may_stop(plan: ImportPlan) -> bool:
    """Say whether the data may be found bad as a whole; then none of it may be seen before."""
    return (
        plan.max_rejected is not None
        or plan.contract.mode == "freeze"
        or plan.pii.undeclared == "fail"
        or any(check.severity == "error" and check.table_level for check in plan.quality)
    )


def _move(
    source: Source[Any],
    load: Load,
    chain: Chain,
    *,
    plan: ImportPlan,
    run: Run,
    meter: Meter,
    cancel: threading.Event | None,
) -> Progress:
    """Bring every chunk from the source to the load; return how far that came."""
    reached, stop = load.done, threading.Event()
    durable, clock = 0, time.monotonic()
    chunks = drain(source.read(load.since, run.window), cancel=cancel, stop=stop)
    reasons: Counter[str] = Counter()
    try:
        with ExitStack() as stack:
            ready = stack.enter_context(closing(_ready(chunks, chain, meter)))
            stack.callback(stop.set)  # comes first: a source that waits must not keep us waiting
            for item in ready:
                if cancel is not None and cancel.is_set():
                    raise Cancelled("the import was asked to stop while it was writing")
                _write(item, load, meter)
                reached = _reached(item, load, meter)
                _bound(plan, item, _judged(reached, load), reasons)
                late = time.monotonic() - clock >= plan.checkpoint.every.total_seconds()
                if late or load.full or meter.rows - durable >= plan.checkpoint.rows:
                    with meter.stage("write"):
                        load.checkpoint(reached)
                    durable, clock = meter.rows, time.monotonic()
    except (TransientError, Cancelled):
        load.checkpoint(reached)
        raise
    return reached


def _reached(item: Ready, load: Load, meter: Meter) -> Progress:
    """Return how far the load is once an item is written, earlier attempts included."""
    rows, rejected = load.done.rows + meter.rows, load.done.rejected + meter.rejected
    return Progress(item.cursor, item.schema, rows, rejected, newest=item.newest)


def _judged(done: Progress, load: Load) -> Progress:
    """Return the progress with the rows that the sink could not hold counted as rejected."""
    refused = load.refused
    return done._replace(rows=done.rows - refused, rejected=done.rejected + refused)


def _ready(
    chunks: Generator[Chunk, None, None], chain: Chain, meter: Meter
) -> Generator[Ready, None, None]:
    """Read and transform, each in a thread of its own."""
    read = ahead(_timed(chunks, meter), size=_chunk_size, limit=LANE_BYTES, name="read")
    shaped = _transform(read, chain, meter)
    return ahead(shaped, size=_ready_size, limit=LANE_BYTES, name="transform")


def _timed(chunks: Generator[Chunk, None, None], meter: Meter) -> Generator[Chunk, None, None]:
    with closing(chunks):
        while True:
            with meter.stage("read"):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


def _transform(
    chunks: Generator[Chunk, None, None], chain: Chain, meter: Meter
) -> Generator[Ready, None, None]:
    with closing(chunks):
        for chunk in chunks:
            with meter.stage("transform"):
                applied = chain.apply(chunk.batch, rejected=chunk.rejected)
            schema, newest = chain.contract.agreed, chain.quality.newest
            yield Ready(applied.batch, applied.rejected, chunk.cursor, schema, newest)


def _write(item: Ready, load: Load, meter: Meter) -> None:
    with meter.stage("write"):
        load.write(item.batch)
        for batch in item.rejected:
            load.reject(batch)
    rejected = sum(batch.num_rows for batch in item.rejected)
    meter.add(rows=item.batch.num_rows, size=item.batch.nbytes, rejected=rejected)


def _bound(plan: ImportPlan, item: Ready, done: Progress, reasons: Counter[str]) -> None:
    """Stop a load that rejects more rows than the plan allows, and say why they were rejected.

    :param done: by this load, earlier attempts included
    """
    rows, rejected = done.rows, done.rejected
    for batch in item.rejected:
        reasons.update(batch.column("reason").to_pylist())
    if plan.max_rejected is not None and rejected > plan.max_rejected:
        common = "; ".join(f"{n} x {reason}" for reason, n in reasons.most_common(3))
        raise TooManyRejected(
            f"{plan.dag_id}: {rejected} of {rows + rejected} rows were rejected, "
            f"more than max_rejected: {plan.max_rejected}. Most often: {common}. "
            "Mend the data or the contract, or raise max_rejected."
        )


def _history(plan: ImportPlan, sink: Sink[Any], *, but: int) -> list[int]:
    """Return the row counts of other loads, newest first, if a check compares with them."""
    wanted = max((c.history for c in plan.quality if c.check == "row_count_anomaly"), default=0)
    # twice as many, because loads that were given up or replaced are in the ledger too
    entries = sink.history(plan.name, limit=2 * wanted) if wanted else ()
    return [e.rows for e in entries if e.status == "committed" and e.load_id != but]


def _judge(
    plan: ImportPlan, load: Load, chain: Chain, *, rows: int, history: Sequence[int]
) -> list[CheckResult]:
    """Run the checks over the whole load, before anyone can see it.

    :raises QualityViolation: if one of severity ``error`` fails
    """
    results = chain.quality.finish(rows=rows, history=history, now=datetime.now(UTC))
    results += [load.audit(check) for check in plan.quality if check.check == "unique"]
    # a failed row check has rejected its rows already; what fails here is the load as a whole
    table_checks = {check.check for check in plan.quality if check.table_level}
    failed = [
        result
        for result in results
        if not result.passed and result.severity == "error" and result.check in table_checks
    ]
    if failed:
        said = "; ".join(f"{result.check}: {result.message}" for result in failed)
        raise QualityViolation(f"{plan.dag_id}: nothing was published, because {said}")
    return results


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


def _chunk_size(chunk: Chunk) -> int:
    return sized((chunk.batch, chunk.rejected))


def _ready_size(item: Ready) -> int:
    return sized((item.batch, *item.rejected))
