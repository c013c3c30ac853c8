"""The commands that reach out: check tries the connections, run imports."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.cli.exits import BAD_CALL, OK
from airflow_provider_spotify.cli.tables import show
from airflow_provider_spotify.cli.taping import taped
from airflow_provider_spotify.core.config.compile import find_tenant
from airflow_provider_spotify.core.config.problems import did_you_mean
from airflow_provider_spotify.core.environment import connection
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import Health, LoadReport, Run, Window
from airflow_provider_spotify.core.opening import Resolver, open_plan, open_sink, open_source
from airflow_provider_spotify.core.usage import usage_text

if TYPE_CHECKING:
    from airflow_provider_spotify.core.config.plans import ImportPlan
    from airflow_provider_spotify.core.progress import Snapshot, Watcher


def check(arguments: argparse.Namespace) -> int:
    """Try the source and the destination of each import; print what each answers."""
    plan = find_tenant(arguments.folder, tenant=arguments.tenant)
    names = [arguments.import_name] if arguments.import_name else sorted(plan.imports)
    found: list[dict[str, Any]] = []
    with taped(arguments):
        for name in names:
            chosen = import_of(plan.imports, name)
            for side in ("source", "destination"):
                health = _health(chosen, side, resolver(arguments))
                found.append({"import": chosen.dag_id, "side": side, **health.model_dump()})
    if arguments.format == "json":
        print(json.dumps(found, indent=2))
    else:
        rows = [
            [row["import"], row["side"], "good" if row["ok"] else "BAD", row["message"]]
            for row in found
        ]
        show("Connections", columns=["import", "side", "state", "message"], rows=rows)
    return OK if all(row["ok"] for row in found) else BAD_CALL


def _health(plan: ImportPlan, side: str, resolve: Resolver) -> Health:
    try:
        if side == "source":
            source = open_source(plan.source, tenant=plan.tenant, resolve=resolve)
            return asyncio.run(source.check())
        return open_sink(plan.destination, tenant=plan.tenant, resolve=resolve).check()
    except ImporterError as error:
        return Health(ok=False, message=str(error))


def run(arguments: argparse.Namespace) -> int:
    """Run one import and print its report."""
    from airflow_provider_spotify.core.pipeline import run_import

    tenant = find_tenant(arguments.folder, tenant=arguments.tenant)
    plan = import_of(tenant.imports, arguments.import_name)
    opened = open_plan(plan, resolve=resolver(arguments))
    asked = Run(
        run_id=arguments.run_id or new_run_id(),
        window=_window(arguments.start, arguments.end, tenant.timezone),
        full_refresh=arguments.full_refresh,
        dry_run=arguments.dry_run,
    )
    with taped(arguments), watched() as (watcher, cancel):
        report = run_import(
            plan,
            source=opened.source,
            sink=opened.sink,
            run=asked,
            key=opened.key,
            progress=watcher,
            cancel=cancel,
        )
    print_report(report, arguments.format)
    return OK


def resolver(arguments: argparse.Namespace) -> Resolver:
    """Return what finds connections: Airflow's own inside its CLI, else the environment."""
    found: Resolver | None = getattr(arguments, "resolve", None)
    return found or connection


def import_of(imports: Any, name: str) -> ImportPlan:
    """Return an import of a tenant by name.

    :raises ConfigurationError: if it has none of that name
    """
    if name not in imports:
        raise ConfigurationError(f"there is no import {name!r}; {did_you_mean(name, imports)}")
    plan: ImportPlan = imports[name]
    return plan


def new_run_id() -> str:
    """Return the id of a run by hand: its time."""
    return f"cli__{datetime.now(UTC).isoformat()}"


def _window(start: str | None, end: str | None, timezone: str) -> Window | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise ConfigurationError("a window needs both --from and --to")
    try:
        return Window(start=_time(start, timezone), end=_time(end, timezone))
    except ValueError as error:
        raise ConfigurationError(f"--from must lie before --to: {start}, {end}") from error


def _time(text: str, timezone: str) -> datetime:
    """Read an ISO time; without an offset it is one of the tenant's zone."""
    from zoneinfo import ZoneInfo

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        said = f"{text!r} is not a time; write 2026-01-31 or 2026-01-31T08:00:00+01:00"
        raise ConfigurationError(said) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))


@contextmanager
def watched() -> Iterator[tuple[Watcher | None, threading.Event]]:
    """Show progress, and let the first Ctrl-C stop the load cleanly; the second one kills it."""
    cancel = threading.Event()

    def stop(number: int, _: object) -> None:
        cancel.set()
        signal.signal(number, signal.SIG_DFL)

    before = {sign: signal.signal(sign, stop) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        if sys.stderr.isatty():
            with _bar() as watcher:
                yield watcher, cancel
        else:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
            yield None, cancel
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


@contextmanager
def _bar() -> Iterator[Watcher]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("starting")

        def watch(at: Snapshot) -> None:
            progress.update(
                task,
                description=(
                    f"{at.name}: {at.rows:,} rows, {at.rate:,.0f} rows/s, "
                    f"{at.bytes / 1e6:,.1f} MB, {at.rejected:,} rejected"
                ),
            )

        yield watch


def print_report(report: LoadReport, how: str) -> None:
    """Print what a load did."""
    if how == "json":
        print(report.model_dump_json(indent=2))
        return
    rows = [
        ["table", " ".join(report.destination)],
        ["source", " ".join(report.source)],
        ["rows", f"{report.rows:,}"],
        ["rejected", f"{report.rejected:,}"],
        ["bytes", f"{report.bytes:,}"],
        ["seconds", ", ".join(f"{k} {v:.2f}" for k, v in report.seconds.items()) or "-"],
        ["usage", usage_text(report.usage)],
        ["stopped", report.stopped or "-"],
        ["masked", ", ".join(f"{m.name}: {m.action}" for m in report.masked) or "-"],
        ["undeclared", ", ".join(f"{k}: {v}" for k, v in report.undeclared_pii.items()) or "-"],
        ["schema", ", ".join(f"{c.change} {c.column}" for c in report.schema_changes) or "-"],
        ["checks", ", ".join(f"{c.check}: {_verdict(c.passed)}" for c in report.checks) or "-"],
        ["load", f"{report.load_id}{' (dry run, nothing written)' if report.dry_run else ''}"],
    ]
    show(f"{report.tenant}__{report.import_name}", columns=["what", "is"], rows=rows)


def _verdict(passed: bool) -> str:
    return "good" if passed else "FAILED"
