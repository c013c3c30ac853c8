"""Times the loop of Airflow's scheduler: `python -m benchmarks.scheduler run yaml 1000 due`.

The loop is Airflow's own, on PostgreSQL. Nothing sleeps in it, and tasks end at once: an executor
of our own writes that they succeeded, as a worker would have done. So what is measured is to find
out what is due, to make its runs, to send its tasks and to end its runs. ``idle``: nothing is due;
``due``: all DAGs are, of which Airflow makes the runs of ten in a loop.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

POSTGRES = "BENCH_POSTGRES_URL"
COPY = "airflow_run"
"""The database that a run uses up; it is copied anew before each."""
KINDS = ("yaml", "python")
IDLE_LOOPS, MOST_LOOPS = 40, 25
DAGS = """\
from airflow_provider_spotify.dag_factory import load_tenants

load_tenants(globals(), folder={folder!r})
"""


def _use(database: str) -> None:
    """Let Airflow use a database of the benchmark's server; call it before importing Airflow."""
    address = os.environ[POSTGRES].rpartition("/")[0].partition("://")[2]
    os.environ |= {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}/{database}",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__API_AUTH__JWT_SECRET": "for benchmarks only, and as long as it has to be: 64",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _databases(*statements: str) -> list[str]:
    """Run statements on the server; return the names of its databases."""
    import psycopg

    with psycopg.connect(os.environ[POSTGRES], autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
        return [name for (name,) in connection.execute("SELECT datname FROM pg_database")]


def fill(folder: str, *sizes: str) -> Mapping[str, object]:
    """Make a database for each kind and number of tenants, once for each server."""
    from benchmarks.tenants import write

    for size in sizes:
        place = Path(folder, f"tenants-{size}")
        write(place, tenants=int(size))
        for kind in KINDS:
            if f"airflow_{kind}_{size}" not in (there := _databases()):
                if "airflow_empty" not in there:
                    _databases("CREATE DATABASE airflow_empty")
                    _command("migrate")
                _databases(
                    f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)",
                    f"CREATE DATABASE {COPY} TEMPLATE airflow_empty",
                )
                _command("store", kind, str(place))
                _databases(f"ALTER DATABASE {COPY} RENAME TO airflow_{kind}_{size}")
    return {}


def _command(*words: str) -> None:
    command = [sys.executable, "-m", "benchmarks.scheduler", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def migrate() -> Mapping[str, object]:
    """Make Airflow's tables."""
    _use("airflow_empty")
    from airflow.utils.db import initdb

    initdb()
    return {}


def store(kind: str, folder: str) -> Mapping[str, object]:
    """Parse the DAGs and write them, as the DAG processor does."""
    _use(COPY)
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    dags = Path(folder, kind)
    if kind == "yaml":
        (loading := Path(folder, "loading")).mkdir(exist_ok=True)
        (loading / "tenants.py").write_text(DAGS.format(folder=str(dags)))
        dags = loading
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=str(dags), bundle_name="dags-folder")
    if bag.import_errors:
        raise SystemExit(f"DAGs that do not parse: {bag.import_errors}")
    sync_bag_to_db(bag, "dags-folder", None)
    return {"rows": len(bag.dags)}


def copy(kind: str, size: str) -> Mapping[str, object]:
    """Prepare a run: copy the database that it uses up, and let the server settle."""
    template = f"airflow_{kind}_{size}"
    _databases(
        f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)",
        f"CREATE DATABASE {COPY} TEMPLATE {template}",
        "CHECKPOINT",
    )
    return {}


def run(_: str, size: str, state: str) -> Mapping[str, object]:
    """Run the scheduler's loop; return the medians of one, the first left out."""
    _use(COPY)
    from airflow.jobs.job import Job, run_job
    from sqlalchemy import text

    later = "now() + interval '1 day'" if state == "idle" else "now() - interval '1 minute'"
    _execute(text(f"UPDATE dag SET next_dagrun_create_after = {later}"))
    _execute(text("ANALYZE"))
    dags = 3 * int(size)
    loops = IDLE_LOOPS if state == "idle" else min(MOST_LOOPS, dags // 10 + 3)
    runner, stamps = _runner(Job(), loops)
    run_job(job=runner.job, execute_callable=runner._execute)
    wall, cpu = ([b - a for a, b in pairwise(each)][1:] for each in zip(*stamps, strict=True))
    (found,) = _execute(text("SELECT count(*) FROM dag"))[0]
    runs = dict(_execute(text("SELECT state, count(*) FROM dag_run GROUP BY state")))
    made = sum(runs.values())
    if found != dags or made != (0 if state == "idle" else min(dags, 10 * loops)):
        raise SystemExit(f"{found} DAGs instead of {dags}, {runs} after {loops} loops")
    medians = {"seconds": statistics.median(wall), "cpu": statistics.median(cpu)}
    return medians | {"loops": loops, "runs": runs}


def _execute(statement: Any) -> list[Any]:
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        found = session.connection().execute(statement)
        return list(found.all()) if found.returns_rows else []


def _runner(job: Any, loops: int) -> tuple[Any, list[tuple[float, float]]]:
    """Return a scheduler whose loops are stamped: wall clock and this process's CPU, in seconds."""
    from airflow.executors.base_executor import BaseExecutor
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    stamps: list[tuple[float, float]] = []

    class Stamped(SchedulerJobRunner):
        def _do_scheduling(self, session: Any) -> int:
            stamps.append((time.perf_counter(), time.process_time()))
            return super()._do_scheduling(session)

    class AtOnce(BaseExecutor):
        """Says of every task that it succeeded."""

        def _process_workloads(self, workload_items: Iterable[Any]) -> None:
            tasks = list(workload_items)
            _succeed([task.ti.id for task in tasks])
            for task in tasks:
                del self.queued_tasks[task.key]
                self.success(task.key)

    return Stamped(job=job, num_runs=loops, executors=[AtOnce(parallelism=32)]), stamps


def _succeed(ids: list[Any]) -> None:
    """Write what workers would have written by the API: that their tasks ran and succeeded."""
    from sqlalchemy import text

    statement = text(
        "UPDATE task_instance SET state = 'success', start_date = now(), end_date = now(),"
        " duration = 0 WHERE id = ANY(CAST(:ids AS uuid[]))"
    )
    _execute(statement.bindparams(ids=[str(each) for each in ids]))


COMMANDS = {each.__name__: each for each in (fill, migrate, store, copy, run)}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
