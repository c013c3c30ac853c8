"""Loads for the tests of a sink: made-up rows, and a pipeline of a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.config.plans import WritePlan
from airflow_provider_spotify.core.model import LOAD_ID, LoadReport, Run, SchemaChange, load_id
from airflow_provider_spotify.core.rejects import rejects
from airflow_provider_spotify.core.sinks.base import Load, LoadSpec, Progress, Sink

IMPORT = "plays"
KEYED = ("merge", "scd2")
_VERSIONING = {"_valid_from", "_valid_to", "_is_current"}


def spec(
    sink: Sink[Any],
    *,
    table: str = "plays",
    mode: str = "append",
    run: Run | str = "run-1",
    key: Sequence[str] = ("id",),
    import_name: str = IMPORT,
    staged: bool = False,
) -> LoadSpec:
    """Describe a load of the sink's tenant."""
    run = Run(run_id=run) if isinstance(run, str) else run
    write = WritePlan.model_validate({"mode": mode, "key": key if mode in KEYED else ()})
    number = load_id(sink.tenant, import_name, run)
    now = datetime.now(UTC)
    return LoadSpec(sink.tenant, import_name, table, write, number, run, now, staged)


def report(of: LoadSpec, *, rows: int = 0, rejected: int = 0) -> LoadReport:
    """Report on a load as the pipeline would."""
    return LoadReport(
        tenant=of.tenant,
        import_name=of.import_name,
        table=of.table,
        load_id=of.load_id,
        run_id=of.run.run_id,
        source=("memory", "batches"),
        destination=("memory", of.table),
        started_at=of.started_at,
        finished_at=datetime.now(UTC),
        rows=rows,
        rejected=rejected,
    )


def load(
    sink: Sink[Any],
    of: LoadSpec,
    batches: Sequence[pa.RecordBatch],
    *,
    rejected: Sequence[pa.RecordBatch] = (),
    every: int | None = None,
) -> Sequence[SchemaChange]:
    """Load the batches after the load's cursor ``{"batches": n}``; publish.

    :param rejected: rejected records that come with the batch of the same number
    :param every: checkpoint after so many batches
    """
    with sink.begin(of) as under_way:
        end = write(under_way, batches, rejected=rejected, every=every)
        done = report(of, rows=end.rows, rejected=end.rejected)
        return under_way.publish(end, done)


def write(
    under_way: Load,
    batches: Sequence[pa.RecordBatch],
    *,
    rejected: Sequence[pa.RecordBatch] = (),
    every: int | None = None,
) -> Progress:
    """Write the batches after the load's cursor; return what a publish would say."""
    done, cursor = under_way.done, under_way.since
    rows, refused, schema = done.rows, done.rejected, under_way.schema
    first = int(cursor["batches"]) if cursor else 0
    for number, batch in enumerate(batches[first:], first):
        under_way.write(batch)
        rows, schema, cursor = rows + batch.num_rows, batch.schema, {"batches": number + 1}
        if number < len(rejected):
            under_way.reject(rejected[number])
            refused += rejected[number].num_rows
        if every and (number + 1) % every == 0:
            under_way.checkpoint(Progress(cursor, schema, rows, refused))
    return Progress(cursor, schema, rows, refused)


def batch(**columns: Any) -> pa.RecordBatch:
    """Build a batch from columns."""
    return pa.RecordBatch.from_pydict(columns)


def rejected_records(*records: str) -> pa.RecordBatch:
    """Build rejected records."""
    return rejects(list(records), stage="contract", reason=["does not fit"] * len(records))


class Scenario(NamedTuple):
    """A load that takes a while: rows with repeated keys, wider columns half-way, rejects."""

    batches: Sequence[pa.RecordBatch]
    rejected: Sequence[pa.RecordBatch]

    @classmethod
    def build(cls, *, batches: int = 14, rows: int = 400) -> Scenario:
        """Build one, the same each time; its last batches come after the last checkpoint."""
        made = []
        for number in range(batches):
            ids = [number * rows // 2 + row for row in range(rows)]
            columns: dict[str, Any] = {
                "id": ids,
                "said": [f"{number}/{row} — né '\"," for row in ids],
                "score": [row if number < batches // 2 else row + 0.5 for row in ids],
            }
            if number >= batches // 3:
                columns["late"] = [None if row % 3 else row for row in ids]
            made.append(batch(**columns))
        refused = [rejected_records(f'{{"batch": {number}}}') for number in range(batches)]
        return cls(made, refused)


def rows_of(sink: Sink[Any], table: str, *, meta: bool = False) -> list[dict[str, Any]]:
    """Return a table's rows in a stable order; without what loads add, unless ``meta``."""
    quoted = table.replace('"', '""')
    found = sink.query(f'SELECT * FROM "{quoted}"').to_pylist()  # noqa: S608 - quoted
    hidden = {LOAD_ID, *_VERSIONING} if not meta else set()
    shown = [{k: v for k, v in row.items() if k not in hidden} for row in found]
    return sorted(shown, key=lambda row: repr(sorted(row.items())))


def twin(sink: Sink[Any]) -> Sink[Any]:
    """Return another sink at the same place."""
    return type(sink)(sink.config, credentials=sink.credentials, tenant=sink.tenant)
