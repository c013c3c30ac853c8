"""Where a load starts: afresh, from its own checkpoint, or again from where it once started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor
from airflow_provider_spotify.core.sinks.base import LoadSpec, Progress
from airflow_provider_spotify.core.sinks.sql.ledger import (
    PART,
    PARTIAL,
    STAGING,
    SUPERSEDED,
    Ledger,
    Record,
    decoded,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.tables import Tables

Replaces = Literal["nothing", "itself", "later", "all"]


class Beginning(NamedTuple):
    """What a load knows when it starts.

    :param record: its row of the ledger, as it is or as it would be written first
    :param since: where reading starts
    :param before: where the load as a whole starts: its cursor if nothing had been checkpointed
    :param done: what earlier attempts made durable
    :param staged: how many rows of them wait in staging
    :param staged_rejects: how many rejected records wait there
    :param replaces: whose rows give way when this load publishes
    :param direct: checkpoints make rows visible: an append writes straight into the table, a merge
        of a stream is worked in at each
    :param committed: the cursor of the import, wherever this load starts
    """

    record: Record
    since: Cursor | None
    before: Cursor | None
    done: Progress
    staged: int
    staged_rejects: int
    replaces: Replaces
    direct: bool
    committed: Cursor | None


def mode(spec: LoadSpec) -> str:
    """Return how this load writes; what a replay mends is added to a table that was replaced.

    :raises ConfigurationError: if a table would be replaced by each part of a load in turn
    """
    if spec.write.mode != "replace":
        return spec.write.mode
    if spec.run.partition is not None:
        raise ConfigurationError(
            f"{spec.import_name}: write mode replace cannot be fanned out, because every part "
            "would replace the others; use append or merge"
        )
    return "append" if spec.run.replay else "replace"


def moves_cursor(spec: LoadSpec) -> bool:
    """Say whether later loads go on where this one ends; only then can it resume, too.

    A load of a window reads the whole window whatever its cursor, and a replay reads what is
    still rejected, so an attempt that was cut short starts over.
    """
    return spec.run.window is None and not spec.run.replay


def begin(ledger: Ledger, spec: LoadSpec, tables: Tables) -> Beginning:
    """Read the ledger and decide; drop what an earlier attempt staged if it cannot be used."""
    found = ledger.find(spec.load_id)
    start = afresh(ledger, spec, found=found)
    if found and _resumes(found, spec):
        if staged := _staged(found, spec, tables):
            return staged._replace(committed=start.committed)
        if found.status == PARTIAL:
            tables.discard()
            return _partial(found, spec)._replace(committed=start.committed)
    tables.discard()
    return start


def begin_part(ledger: Ledger, spec: LoadSpec, tables: Tables, *, whole: int) -> Beginning:
    """Start a part where the whole load does, or where its own checkpoint left it.

    One that was held starts afresh, and so does one whose import went on in the meantime.
    """
    start = afresh(ledger, spec, found=ledger.find(whole))
    start = start._replace(replaces="nothing", direct=False)
    found = ledger.find(spec.load_id)
    if found and found.status == PART and _resumes(found, spec):
        same = found.progress and found.progress.get("committed") == start.committed
        staged = _staged(found, spec, tables) if same else None
        if staged and staged.before == start.before:
            return staged._replace(committed=start.committed)
    if found:
        ledger.forget(found.load_id)
    tables.discard()
    return start._replace(record=_record(spec, ledger, status=PART))


def afresh(ledger: Ledger, spec: LoadSpec, *, found: Record | None) -> Beginning:
    """Return where a load starts if it was never tried, or is run again.

    :param found: its row of the ledger
    :raises ConfigurationError: if the run was a replay and is none now, or the reverse
    """
    if found and found.moves_cursor != moves_cursor(spec):
        raise ConfigurationError(
            f"run {spec.run.run_id!r} of {spec.import_name} was "
            f"{'an ordinary load' if found.moves_cursor else 'a replay'}; "
            "give this one a run id of its own"
        )
    latest = ledger.latest()
    committed = latest.cursor_after if latest else None
    replaces = _replaces(found, spec)
    since = found.cursor_before if found and replaces == "later" else committed
    if spec.run.full_refresh or mode(spec) == "replace":
        since = None  # what replaces a table must be all there is, not what is new
    record = found or _record(spec, ledger)
    schema = decoded(ledger.schema())
    return Beginning(
        record=record._replace(progress=None),
        since=since,
        before=since,
        done=Progress(since, schema, 0, 0),
        staged=0,
        staged_rejects=0,
        replaces=replaces,
        direct=_direct(spec) and (replaces == "nothing" or not ledger.visible()),
        committed=committed,
    )


def _replaces(found: Record | None, spec: LoadSpec) -> Replaces:
    if spec.run.replay:
        return (
            "nothing"  # each rejected record is replayed once: what an earlier replay added stays
        )
    if spec.run.full_refresh and moves_cursor(spec):
        return "all"
    if found is None or found.status in (STAGING, SUPERSEDED):
        return "nothing"
    return "later" if found.moves_cursor else "itself"


def _direct(spec: LoadSpec) -> bool:
    if spec.staged or spec.parts:
        return False
    return mode(spec) == "append" or (spec.flowing and mode(spec) == "merge" and moves_cursor(spec))


def _resumes(found: Record, spec: LoadSpec) -> bool:
    """Say whether an earlier attempt set out to do the same."""
    progress = found.progress
    if progress is None or not moves_cursor(spec):
        return False
    return bool(progress["full_refresh"] == spec.run.full_refresh)


def _staged(found: Record, spec: LoadSpec, tables: Tables) -> Beginning | None:
    """Go on from rows in staging, if they are all there."""
    assert found.progress is not None
    staged: Mapping[str, Any] | None = found.progress.get("staged")
    if staged is None or (found.progress["mode"], found.progress["table"]) != _target(spec):
        return None
    rows = staged["rows"] - staged["visible"]
    if not tables.restore(rows=rows, rejects=staged["rejects"]):
        return None
    return Beginning(
        record=found,
        since=staged["cursor"],
        before=staged["before"],
        done=progress_of(staged),
        staged=rows,
        staged_rejects=staged["rejects"],
        replaces=staged["replaces"],
        direct=False,
        committed=None,
    )


def progress_of(staged: Mapping[str, Any]) -> Progress:
    """Read what a load had made durable in staging."""
    schema = decoded(staged["schema"])
    return Progress(
        staged["cursor"], schema, staged["rows"], staged["rejected"], newest=staged["newest"]
    )


def _partial(found: Record, spec: LoadSpec) -> Beginning:
    """Go on after rows that are visible already."""
    schema = decoded(found.schema)
    newest = (found.progress or {}).get("newest", {})
    done = Progress(found.cursor_after, schema, found.rows, found.rejected, newest=newest)
    return Beginning(
        record=found,
        since=found.cursor_after,
        before=found.cursor_before,
        done=done,
        staged=0,
        staged_rejects=0,
        replaces="nothing",
        direct=_direct(spec),
        committed=None,
    )


def _target(spec: LoadSpec) -> tuple[str, str]:
    return mode(spec), spec.table


def plan_of(spec: LoadSpec) -> dict[str, Any]:
    """Return what the ledger remembers of a load's intent, so that a retry can tell."""
    kind, table = _target(spec)
    return {"full_refresh": spec.run.full_refresh, "mode": kind, "table": table}


def _record(spec: LoadSpec, ledger: Ledger, *, status: str = STAGING) -> Record:
    window = spec.run.window
    return Record(
        load_id=spec.load_id,
        sequence=ledger.next_sequence(),
        tenant=spec.tenant,
        import_name=spec.import_name,
        partition=spec.run.partition,
        run_id=spec.run.run_id,
        table=spec.table,
        mode=mode(spec),
        status=status,
        moves_cursor=moves_cursor(spec),
        window_start=window.start if window else None,
        window_end=window.end if window else None,
        started_at=spec.started_at,
    )
