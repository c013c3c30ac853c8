"""What the imports left behind, read from the ledgers beside the data and from the lineage file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Credentials, LoadReport
from airflow_provider_spotify.core.opening import open_sink


class Outcome(NamedTuple):
    """One import: what its ledger says, and how many lineage events name it."""

    plan: ImportPlan
    report: LoadReport | None
    events: int


def outcomes(plans: Sequence[ImportPlan], *, lineage: Path) -> list[Outcome]:
    """Read the latest committed load of every plan."""
    events = _events(lineage)
    return [Outcome(plan, _latest(plan), events[plan.dag_id]) for plan in plans]


def show(found: Sequence[Outcome], *, states: Mapping[str, str]) -> list[str]:
    """Print a row per import; return what did not land, in words."""
    table = Table(title="What landed", title_justify="left")
    for head in ("import", "run", "table", "masked", "lineage"):
        table.add_column(head, overflow="fold")
    for head in ("rows", "rejected", "seconds"):
        table.add_column(head, justify="right")
    for outcome in found:
        table.add_row(*_row(outcome, state=states.get(outcome.plan.dag_id, "never ran")))
    Console(width=140).print(table)
    return [problem for outcome in found for problem in _problems(outcome, states)]


def _row(outcome: Outcome, *, state: str) -> list[str]:
    plan, report = outcome.plan, outcome.report
    if report is None:
        return [plan.dag_id, state, plan.table, "", str(outcome.events), "-", "-", "-"]
    masked = ", ".join(f"{column.name} ({column.action})" for column in report.masked)
    seconds = (report.finished_at - report.started_at).total_seconds()
    figures = [f"{report.rows:,}", f"{report.rejected:,}", f"{seconds:.2f}"]
    place = f"{report.destination[1]}"
    return [plan.dag_id, state, place, masked or "-", f"{outcome.events} events", *figures]


def _problems(outcome: Outcome, states: Mapping[str, str]) -> list[str]:
    name, state = outcome.plan.dag_id, states.get(outcome.plan.dag_id, "never ran")
    found = []
    if state != "success":
        found.append(f"{name}: its run ended as {state}")
    if outcome.report is None or not outcome.report.rows:
        found.append(f"{name}: nothing landed in {outcome.plan.table}")
    if not outcome.events:
        found.append(f"{name}: no lineage event names it")
    return found


def _latest(plan: ImportPlan) -> LoadReport | None:
    sink = open_sink(plan.destination, tenant=plan.tenant, resolve=lambda _: Credentials())
    with_rows = [e.report for e in sink.history(plan.name) if e.status == "committed" and e.rows]
    return with_rows[0] if with_rows else None


def _events(path: Path) -> Counter[str]:
    """Count the task events of each DAG in a file of OpenLineage events.

    Airflow still writes to it, so that it may end in the middle of an event.
    """
    if not path.exists():
        return Counter()
    with path.open(encoding="utf-8", newline="\n") as file:
        names = [json.loads(line)["job"]["name"] for line in file if line.endswith("\n")]
    return Counter(name.split(".")[0] for name in names if "." in name)
