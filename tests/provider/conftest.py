"""A real Airflow for the provider's tests: one empty database, made once, in this process.

Airflow reads its settings when it is first imported, so they are set here, before any test module
of this folder is. DAGs run by ``dag.test()``: about ten seconds for the first, then 0.2 a task.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG

HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
LINEAGE = HOME / "lineage.jsonl"

if "airflow.configuration" in sys.modules:  # pragma: no cover
    raise RuntimeError("airflow was imported before its test settings were made")
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
    "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD": "True",
    "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "300",  # a busy machine loses no event
    "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
        {"type": "file", "log_file_path": str(LINEAGE), "append": True}
    ),
}
(HOME / "dags").mkdir()

Runner = Callable[..., "DagRun"]


@pytest.fixture(scope="session")
def airflow_db() -> Path:
    """Make Airflow's database; return Airflow's home."""
    import airflow  # noqa: F401  (reads the settings above)
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    return HOME


@pytest.fixture
def run_dag(airflow_db: Path) -> Iterator[Runner]:
    """Return a function that runs a DAG to its end, without a scheduler, and gives its run.

    A task listens to SIGTERM; the tests that come after it are not to inherit that.
    """
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    def run(dag: DAG, *, conf: Mapping[str, Any] | None = None, **words: Any) -> DagRun:
        bag = DagBag(dag_folder=os.devnull, bundle_name="dags-folder")
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        return dag.test(run_conf=dict(conf or {}), **words)

    listener = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, listener)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that defines an Airflow connection for the length of a test."""

    def define(conn_id: str, **fields: Any) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return define


@pytest.fixture
def lineage() -> Callable[[], list[dict[str, Any]]]:
    """Return a function that reads the OpenLineage events that were sent since the test began.

    A task's events are there when it has ended. Those of a whole run are written by another process
    at any time, so that the file may end in the middle of one.
    """
    start = len(_whole_lines())

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in _whole_lines()[start:].splitlines() if line.strip()]

    return read


def _whole_lines() -> bytes:
    written = LINEAGE.read_bytes() if LINEAGE.exists() else b""
    return written[: written.rfind(b"\n") + 1]


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Install another distribution's source for the length of a test; give the source's name."""
    from airflow_provider_spotify.core import registry

    monkeypatch.syspath_prepend(str(Path(__file__).parent / "third_party"))
    registry.sources.cache_clear()
    yield "moody"
    registry.sources.cache_clear()
