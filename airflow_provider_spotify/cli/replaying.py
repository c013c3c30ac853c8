"""The command replay: lists rejected records, and loads them again."""

from __future__ import annotations

import argparse
import json

from airflow_provider_spotify.cli.exits import OK
from airflow_provider_spotify.cli.running import (
    import_of,
    new_run_id,
    print_report,
    resolver,
    watched,
)
from airflow_provider_spotify.cli.tables import show
from airflow_provider_spotify.core.config.compile import find_tenant
from airflow_provider_spotify.core.errors import NothingToDo
from airflow_provider_spotify.core.model import Run
from airflow_provider_spotify.core.opening import open_plan, open_sink
from airflow_provider_spotify.core.replay import Rejected, Replay, read_mended, waiting

_SHOWN = 60
"""How much of a record a table shows, in characters."""


def replay(arguments: argparse.Namespace) -> int:
    """Load the rejected records of an import again, or list them."""
    tenant = find_tenant(arguments.folder, tenant=arguments.tenant)
    plan = import_of(tenant.imports, arguments.import_name)
    resolve = resolver(arguments)
    if arguments.list:
        sink = open_sink(plan.destination, tenant=plan.tenant, resolve=resolve)
        _list(list(waiting(sink, table=plan.table)), arguments.format)
        return OK
    from airflow_provider_spotify.core.pipeline import run_import

    mended = read_mended(arguments.mended) if arguments.mended else {}
    opened = open_plan(plan, resolve=resolve)
    if not any(True for _ in waiting(opened.sink, table=plan.table)):
        raise NothingToDo(f"no rejected record of {plan.dag_id} waits")
    again = Replay(plan, original=opened.source, sink=opened.sink, key=opened.key, mended=mended)
    asked = Run(run_id=arguments.run_id or new_run_id(), dry_run=arguments.dry_run, replay=True)
    with watched() as (watcher, cancel):
        report = run_import(
            plan,
            source=again,
            sink=opened.sink,
            run=asked,
            key=opened.key,
            progress=watcher,
            cancel=cancel,
        )
    print_report(report, arguments.format)
    return OK


def _list(records: list[Rejected], how: str) -> None:
    """Print records as they are stored; what is sealed stays sealed."""
    if how == "json":
        for record in records:
            print(json.dumps(record._asdict()))
        return
    rows = [
        [r.id, r.stage, r.column or "-", r.reason, r.location or "-", r.record[:_SHOWN]]
        for r in records
    ]
    columns = ["id", "stage", "column", "reason", "location", "record"]
    show(f"{len(records)} rejected records", columns=columns, rows=rows)
    if not records:
        print("no rejected record waits")
