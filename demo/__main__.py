"""Runs the main job: `python -m demo` imports and stops, `python -m demo --stay` stays."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_spotify.core.config.compile import load_folder
from airflow_provider_spotify.core.config.plans import ImportPlan
from demo.outcome import outcomes, show
from demo.standalone import Standalone, free_port, settings
from demo.tenants import systems

HOME = Path(".demo")
TENANTS = Path("dag_configs")
RUN_TIMEOUT = 1_200  # seconds for all imports together; measured 41 on two idle cores (2026-11)
FINAL = {"success", "failed"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Import every example tenant; 0 if everything landed."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep Airflow running")
    parser.add_argument("--port", type=int, default=8080, help="of the UI; another if it is taken")
    given = parser.parse_args(arguments)
    for asked in (signal.SIGINT, signal.SIGTERM):  # either stops Airflow and its children
        signal.signal(asked, signal.default_int_handler)
    home = _fresh(HOME)
    plans = _plans()
    environment = settings(home / "airflow", port=free_port(given.port), tenants=TENANTS.resolve())
    environment["SPOTIFY_IMPORTS_ROOT"] = os.environ["SPOTIFY_IMPORTS_ROOT"] = str(home)
    with systems(home) as connections:
        _say(f"starting Airflow; its log is {HOME / 'airflow.log'}")
        with Standalone(environment | connections, log=home / "airflow.log") as airflow:
            states = _run(airflow, plans)
            found = outcomes(plans, lineage=home / "airflow" / "lineage.jsonl")
            problems = show(found, states=states)
            if given.stay:
                _stay(airflow, environment["AIRFLOW__API__BASE_URL"])
    for problem in problems:
        print(f"did not land: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _fresh(home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    for folder in ("airflow", "warehouse"):
        (home / folder).mkdir(parents=True)
    return home.resolve()


def _plans() -> list[ImportPlan]:
    folder = load_folder(TENANTS)
    if folder.problems:
        raise SystemExit("\n".join(str(problem) for problem in folder.problems))
    return [plan for tenant in folder.tenants.values() for plan in tenant.imports.values()]


def _run(airflow: Standalone, plans: Sequence[ImportPlan]) -> dict[str, str]:
    """Let every DAG end its first run: a cron sets off its last period, ``after`` follows."""
    names = [plan.dag_id for plan in plans]
    _wait_for_dags(airflow, names)
    for plan in plans:
        if plan.schedule is None and not plan.after:
            airflow.call("POST", f"/api/v2/dags/{plan.dag_id}/dagRuns", {"logical_date": None})
    _say(f"running {len(names)} imports")
    states: dict[str, str] = {}
    deadline = time.monotonic() + RUN_TIMEOUT
    while time.monotonic() < deadline and set(states) != set(names):
        for name in sorted(set(names) - set(states)):
            if (state := _state(airflow, name)) in FINAL:
                states[name] = state
                _say(f"{name}: {state}")
        time.sleep(1)
    return {name: states.get(name) or _state(airflow, name) for name in names}


def _wait_for_dags(airflow: Standalone, names: Sequence[str]) -> None:
    deadline = time.monotonic() + RUN_TIMEOUT
    known: set[str] = set()
    while not known.issuperset(names):
        errors = airflow.ask("/api/v2/importErrors")["import_errors"]
        if errors or time.monotonic() > deadline:
            told = [f"{error['filename']}: {error['stack_trace']}" for error in errors]
            missing = sorted(set(names) - known)
            raise SystemExit("\n".join(told) or f"these DAGs did not appear: {missing}")
        time.sleep(1)
        listed = airflow.ask("/api/v2/dags?limit=100")["dags"]
        known = {dag["dag_id"] for dag in listed if not dag.get("is_stale")}


def _state(airflow: Standalone, name: str) -> str:
    """Return the state of a DAG's first run."""
    path = f"/api/v2/dags/{name}/dagRuns?order_by=run_after&limit=1"
    runs: list[dict[str, Any]] = airflow.ask(path)["dag_runs"]
    return str(runs[0]["state"]) if runs else "never ran"


def _stay(airflow: Standalone, address: str) -> None:
    _say(f"Airflow is at {address} (no login: everyone is an admin). Ctrl-C stops it.")
    try:
        while airflow.alive():
            time.sleep(1)
    except KeyboardInterrupt:
        _say("stopping")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
