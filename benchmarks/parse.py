"""Builds DAGs once, in a fresh process: `python parse.py KIND FOLDER`; run by any interpreter.

``seconds`` is what building took once Airflow was imported, as in the DAG processor.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def yaml(folder: Path) -> dict[str, Any]:
    """Use this package's factory."""
    from airflow_provider_spotify.dag_factory import load_tenants

    dags: dict[str, Any] = {}
    load_tenants(dags, folder=folder)
    return dags


def python(folder: Path) -> dict[str, Any]:
    """Import DAG files written by hand: one for each tenant, compiled before."""
    from airflow.sdk import DAG

    dags: dict[str, Any] = {}
    for file in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        dags |= {name: dag for name, dag in vars(module).items() if isinstance(dag, DAG)}
    return dags


def dagfactory(folder: Path) -> dict[str, Any]:
    """Use dag-factory."""
    from dagfactory import load_yaml_dags

    dags: dict[str, Any] = {}
    load_yaml_dags(dags, dags_folder=str(folder), defaults_config_path=str(folder))
    return dags


def blueprint(folder: Path) -> dict[str, Any]:
    """Use Blueprint."""
    from blueprint import build_all_airflow_dags

    dags: dict[str, Any] = {}
    build_all_airflow_dags(search_path=folder, register_globals=dags)
    return dags


def nothing(_: Path) -> dict[str, Any]:
    """Build nothing: what Airflow itself costs."""
    return {}


def main(kind: str, folder: str) -> None:
    """Build and report."""
    import airflow.sdk

    _ = airflow.sdk.DAG, airflow.sdk.BaseOperator  # the package imports its parts lazily
    began = time.perf_counter()
    dags = globals()[kind](Path(folder))
    print(json.dumps({"rows": len(dags), "seconds": time.perf_counter() - began}), flush=True)
    os._exit(0)  # freeing 3,000 DAGs is not what is measured


if __name__ == "__main__":
    main(*sys.argv[1:])
