"""The commands that read YAML: validate, plan and diff."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.cli.estimating import estimated
from airflow_provider_spotify.cli.exits import BAD_DATA, OK
from airflow_provider_spotify.cli.revision import folder_at
from airflow_provider_spotify.core.config import diff as comparing
from airflow_provider_spotify.core.config.compile import Folder, load_folder
from airflow_provider_spotify.core.config.inventory import ImportRow, Inventory, inventory
from airflow_provider_spotify.core.config.problems import Problem
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.usage import limits_text

if TYPE_CHECKING:
    from airflow_provider_spotify.core.config.plans import TenantPlan
    from airflow_provider_spotify.core.usage import Estimate


def validate(arguments: argparse.Namespace) -> int:
    """Print every problem of a folder."""
    folder = load_folder(arguments.folder)
    if arguments.format == "json":
        problems = [problem._asdict() for problem in folder.problems]
        print(json.dumps({"tenants": list(folder.tenants), "problems": problems}, indent=2))
    else:
        show = _github if arguments.format == "github" else str
        for problem in folder.problems:
            print(show(problem))
        print(_summary(folder), file=sys.stderr)
    return BAD_DATA if folder.problems else OK


def _github(problem: Problem) -> str:
    """Write a problem as GitHub Actions shows it beside the line (its "workflow commands")."""
    text = f"{problem.path}: {problem.message}" if problem.path else problem.message
    for sign, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(sign, code)
    return f"::error file={problem.file},line={problem.line},col={problem.column}::{text}"


def _summary(folder: Folder) -> str:
    imports = sum(len(plan.imports) for plan in folder.tenants.values())
    good = f"{len(folder.tenants)} tenants with {imports} imports are valid"
    bad = (
        f"; {len(folder.problems)} problems in {len(folder.broken)} files" if folder.broken else ""
    )
    return good + bad


def plan(arguments: argparse.Namespace) -> int:
    """Print what a folder would give; problems go to stderr."""
    folder = load_folder(arguments.folder)
    found = inventory(folder.tenants)
    estimates = estimated(folder.tenants, resolve=getattr(arguments, "resolve", None))
    if arguments.format == "json":
        data = found.as_data()
        data["estimates"] = {name: each.model_dump() for name, each in estimates.items()}
        data["problems"] = [problem._asdict() for problem in folder.problems]
        print(json.dumps(data, indent=2))
    else:
        _plan_text(found, estimates)
        for problem in folder.problems:
            print(problem, file=sys.stderr)
    return BAD_DATA if folder.problems else OK


def _plan_text(found: Inventory, estimates: Mapping[str, Estimate]) -> None:
    rows = found.imports
    _table("DAGs", ["dag", "runs", "source", "table", "write", "checks"], [_dag(r) for r in rows])
    _table("Personal data", ["dag", "columns", "undeclared", "key"], [_pii(r) for r in rows])
    quotas = ["dag", "pool", "priority", "retries", "checkpoint", "timeout", "sla", "tells"]
    _table("Quotas", quotas, [_quota(r) for r in rows])
    if estimates or any(row.budget != "-" for row in rows):
        asked = ["dag", "budget of a run", "a first run asks for"]
        _table("Budgets", asked, [_budget(row, estimates.get(row.dag_id)) for row in rows])
    connections = [[c.connection, c.type or "-", ", ".join(c.used_by)] for c in found.connections]
    _table("Connections", ["connection", "type", "used by"], connections)


def _dag(row: ImportRow) -> list[str]:
    table = f"{row.destination} {row.table}"
    return [row.dag_id, row.schedule, row.source, table, row.write, str(row.checks)]


def _pii(row: ImportRow) -> list[str]:
    columns = ", ".join(f"{name}: {action}" for name, action in row.pii.items())
    return [row.dag_id, columns or "-", row.undeclared_pii, row.privacy_key or "-"]


def _quota(row: ImportRow) -> list[str]:
    times = [row.retries, row.checkpoint, row.timeout or "-", row.sla or "-"]
    pool = row.pool or "default_pool"
    return [row.dag_id, pool, str(row.priority), *times, ", ".join(row.notify) or "-"]


def _budget(row: ImportRow, estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return [row.dag_id, row.budget, "-"]
    about = "" if estimate.exact else "about "
    return [row.dag_id, row.budget, f"{about}{limits_text(estimate)}"]


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from airflow_provider_spotify.cli.tables import show

    show(title, columns=columns, rows=rows)


def diff(arguments: argparse.Namespace) -> int:
    """Print what changes from A to B, or from a revision of A to A."""
    if (arguments.new is None) == (arguments.against is None):
        raise ConfigurationError("diff takes two folders, or one folder and --against REVISION")
    if arguments.against is not None:
        with folder_at(arguments.old, revision=arguments.against) as old:
            before = _tenants(old, allow_missing=True)
        after = _tenants(arguments.old)
    else:
        before, after = _tenants(arguments.old), _tenants(arguments.new)
    changes = comparing.diff(before, after)
    if arguments.format == "json":
        print(json.dumps([change._asdict() for change in changes], indent=2))
    else:
        for change in changes:
            print(_change(change))
        print(f"{len(changes)} changes, {_dangers(changes)} dangerous", file=sys.stderr)
    return OK


def _tenants(folder: str, *, allow_missing: bool = False) -> Mapping[str, TenantPlan]:
    """Load a folder to compare; what is broken in it cannot be compared and is said so."""
    loaded = load_folder(folder)
    for file in loaded.broken:
        print(f"{file} has errors and is left out; see validate", file=sys.stderr)
    if not loaded.tenants and not loaded.broken and not allow_missing:
        print(f"{folder} holds no tenant", file=sys.stderr)
    return loaded.tenants


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def _change(change: comparing.Change) -> str:
    key = f" {change.key}:" if change.key else ""
    values = [_value(value) for value in (change.old, change.new) if value is not None]
    warning = f"   DANGER: {change.danger}" if change.danger else ""
    return f"{_SIGNS[change.kind]} {change.dag_id}{key} {' -> '.join(values)}{warning}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _dangers(changes: Sequence[comparing.Change]) -> int:
    return sum(change.danger is not None for change in changes)
