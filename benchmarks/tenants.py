"""Writes the same DAGs for every factory: YAML for this package, for its peers, and plain Python.

Every DAG has one task, a daily schedule, an owner, retries, tags and a page of documentation. The
peers' tasks are a ``BashOperator``, which has less to check than an import operator.
"""

from __future__ import annotations

from pathlib import Path

IMPORTS = ("plays", "skips", "likes")

TENANT = """\
tenant: {tenant}
owner: data
timezone: UTC
start_date: 2026-01-01
destination: {{type: duckdb, path: "warehouse/{tenant}.duckdb"}}
defaults: {{retries: {{attempts: 3, delay: 30s, max_delay: 15m}}}}
imports:
"""
IMPORT = """\
  {name}:
    source: {{type: csv, path: "data/{tenant}/{name}/*.csv"}}
    table: {name}
    write: {{mode: append}}
    schedule: "@daily"
    tags: [bench]
    quality: [{{check: not_null, columns: [event_id]}}]
"""
PYTHON_HEAD = """\
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param

from airflow_provider_spotify.operators.files import CsvImportOperator


def form():
    moment = {"type": ["null", "string"], "format": "date-time"}
    return {
        "window_from": Param(None, title="Window from", **moment),
        "window_to": Param(None, title="Window to", **moment),
        "full_refresh": Param(False, type="boolean", title="Full refresh"),
        "dry_run": Param(False, type="boolean", title="Dry run"),
    }

"""
PYTHON = """
with DAG(
    "{tenant}__{name}",
    schedule=CronTriggerTimetable("@daily", "UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={{
        "owner": "data",
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "max_retry_delay": timedelta(minutes=15),
        "retry_exponential_backoff": 2.0,
    }},
    tags=["bench", "source:csv", "tenant:{tenant}"],
    doc_md="### {name} of {tenant}",
    params=form(),
) as {tenant}__{name}:
    CsvImportOperator(
        task_id="import",
        path="data/{tenant}/{name}/*.csv",
        destination={{"type": "duckdb", "path": "warehouse/{tenant}.duckdb"}},
        table="{name}",
        write={{"mode": "append"}},
        quality=[{{"check": "not_null", "columns": ["event_id"]}}],
        tenant="{tenant}",
        import_name="{name}",
        outlets=[Asset(name="{tenant}.{name}", uri="x-import://{tenant}/duckdb/{name}")],
    )
"""
DAGFACTORY = """\
{tenant}__{name}:
  default_args:
    owner: data
    start_date: 2026-01-01
    retries: 3
    retry_delay_sec: 30
  schedule: "@daily"
  catchup: false
  max_active_runs: 1
  tags: [bench, "source:csv", "tenant:{tenant}"]
  doc_md: "### {name} of {tenant}"
  tasks:
    - task_id: import
      operator: airflow.providers.standard.operators.bash.BashOperator
      bash_command: "echo data/{tenant}/{name}/*.csv append"
      env: {{table: "{name}", path: "warehouse/{tenant}.duckdb", column: event_id}}
"""
BLUEPRINT = """\
dag_id: {tenant}__{name}
schedule: "@daily"
tags: [bench, "source:csv", "tenant:{tenant}"]
doc_md: "### {name} of {tenant}"
steps:
  import:
    blueprint: csv_import
    path: "data/{tenant}/{name}/*.csv"
    table: {name}
    database: "warehouse/{tenant}.duckdb"
    mode: append
    not_null: [event_id]
"""
BLUEPRINT_PYTHON = '''\
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from blueprint import BaseModel, Blueprint, BlueprintDagArgs


class CsvImportConfig(BaseModel):
    path: str
    table: str
    database: str
    mode: str = "append"
    not_null: list[str] = []


class CsvImport(Blueprint[CsvImportConfig]):
    """Import CSV files into one table."""

    def render(self, config):
        env = {"table": config.table, "path": config.database, "column": config.not_null[0]}
        command = f"echo {config.path} {config.mode}"
        return BashOperator(task_id=self.step_id, bash_command=command, env=env)


class ArgsConfig(BaseModel):
    schedule: str | None = None
    tags: list[str] = []
    doc_md: str | None = None


class Args(BlueprintDagArgs[ArgsConfig]):
    """Give every DAG what the other factories give it."""

    def render(self, config):
        return {
            "schedule": config.schedule,
            "start_date": datetime(2026, 1, 1),
            "catchup": False,
            "max_active_runs": 1,
            "tags": config.tags,
            "doc_md": config.doc_md,
            "default_args": {
                "owner": "data", "retries": 3, "retry_delay": timedelta(seconds=30)
            },
        }
'''


def write(folder: Path, *, tenants: int) -> None:
    """Write the folders ``yaml``, ``python``, ``dagfactory`` and ``blueprint``."""
    for kind in ("yaml", "python", "dagfactory", "blueprint"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(tenants):
        _tenant(folder, f"tenant{number:04d}")
    (folder / "blueprint" / "templates.py").write_text(BLUEPRINT_PYTHON)


def _tenant(folder: Path, tenant: str) -> None:
    def each(template: str) -> str:
        return "".join(template.format(tenant=tenant, name=name) for name in IMPORTS)

    written = {
        f"yaml/{tenant}.yaml": TENANT.format(tenant=tenant) + each(IMPORT),
        f"python/{tenant}.py": PYTHON_HEAD + each(PYTHON),
        f"dagfactory/{tenant}.yaml": each(DAGFACTORY),
    }
    for name in IMPORTS:
        text = BLUEPRINT.format(tenant=tenant, name=name)
        written[f"blueprint/{tenant}__{name}.dag.yaml"] = text
    for path, text in written.items():
        file = folder / path
        if not file.exists() or file.read_text() != text:  # keeps compiled Python valid
            file.write_text(text)
