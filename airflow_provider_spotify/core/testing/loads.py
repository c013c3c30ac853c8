"""Loads for the tests of a sink: made-up rows, and a pipeline of a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.config.plans import WritePlan
from airflow_provider_spotify.core.model import (
    LOAD_ID,
    LoadReport,
    Part,
    Run,
    SchemaChange,
    load_id,
)
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
    flowing: bool = False,
    deleted: str | None = None,
    part: Sequence[int] = (),
    parts: int = 0,
) -> LoadSpec:
    """Describe a load of the sink's tenant.

    :param part: describe one part of it: ``(number, of)``
    :param parts: describe the load that publishes so many held parts
    """
    run = Run(run_id=run) if isinstance(run, str) else run
    keyed = key if mode in KEYED else ()
    write = WritePlan.model_validate({"mode": mode, "key": keyed, "deleted": deleted})

    def named(*of: int) -> Run:
        return run.model_copy(update={"part": Part(number=of[0], of=of[1])}) if of else run

    def number(*of: int) -> int:
        return load_id(sink.tenant, import_name, named(*of))

    return LoadSpec(
        tenant=sink.tenant,
        import_name=import_name,
        table=table,
        write=write,
        load_id=number(*part),
        run=named(*part),
        started_at=datetime.now(UTC),
        staged=staged,
        flowing=flowing,
        parts=tuple(number(one, parts) for one in range(1, parts + 1)),
    )


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
    """Load the batches after the load's cursor ``{"batches": n}``; publish, or hold a part.

    :param rejected: rejected records that come with the batch of the same number
    :param every: checkpoint after so many batches
    """
    with sink.begin(of) as under_way:
        end = write(under_way, batches, rejected=rejected, every=every)
        done = report(of, rows=end.rows, rejected=end.rejected)
        if of.run.part is None:
            return under_way.publish(end, done)
        under_way.hold(end, done)
        return ()


def hold(sink: Sink[Any], of: LoadSpec, ids: Sequence[int], **columns: Any) -> None:
    """Hold a part that found these rows, whatever its cursor says."""
    rows = batch(id=ids, **columns)
    with sink.begin(of) as part:
        part.write(rows)
        end = part.done._replace(cursor={"batches": 1}, schema=rows.schema, rows=rows.num_rows)
        part.hold(end, report(of, rows=rows.num_rows))


def publish(sink: Sink[Any], of: LoadSpec) -> Sequence[SchemaChange]:
    """Publish held parts; the cursor counts the batches of all."""
    with sink.begin(of) as under_way:
        end = together(under_way)
        return under_way.publish(end, report(of, rows=end.rows, rejected=end.rejected))


def together(under_way: Load) -> Progress:
    """Return what a publish of held parts would say."""
    cursors = [progress.cursor for progress in under_way.held]
    joined = {"batches": sum(cursor["batches"] for cursor in cursors if cursor)}
    return under_way.done._replace(cursor=joined if any(cursors) else None)


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

    def share(self, number: int, of: int) -> Scenario:
        """Return what one of several parts loads: a run of neighbours."""
        size = -(-len(self.batches) // of)
        mine = slice((number - 1) * size, number * size)
        return Scenario(self.batches[mine], self.rejected[mine])


def rows_of(sink: Sink[Any], table: str, *, meta: bool = False) -> list[dict[str, Any]]:
    """Return a table's rows in a stable order; without what loads add, unless ``meta``."""
    quoted = table.replace('"', '""')
    found = sink.query(f'SELECT * FROM "{quoted}"').to_pylist()  # noqa: S608 - quoted
    hidden = {LOAD_ID, *_VERSIONING} if not meta else set()
    shown = [{k: v for k, v in row.items() if k not in hidden} for row in found]
    return sorted(shown, key=lambda row: repr(sorted(row.items())))


def records_of(sink: Sink[Any], table: str) -> list[str]:
    """Return the rejected records of a table in a stable order."""
    return sorted(r for b in sink.rejected(table) for r in b.column("record").to_pylist())


def twin(sink: Sink[Any]) -> Sink[Any]:
    """Return another sink at the same place."""
    return type(sink)(sink.config, credentials=sink.credentials, tenant=sink.tenant)
