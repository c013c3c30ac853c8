"""A real Airflow on CeleryExecutor: scheduler, processor and workers as local processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_spotify.core.model import Credentials
from demo.standalone import Api, settings
from tests.services.process import free_port, listening, running

_AIRFLOW = Path(sys.executable).with_name("airflow")
_STARTS = 600  # seconds that each part may take to start, on a machine that does other things, too


class Cluster(Api):
    """One Airflow whose tasks run on Celery workers.

    :param start: starts a process of it by name and arguments, and gives the process id
    """

    def __init__(self, base: str, *, start: Callable[..., int]) -> None:
        super().__init__(base)
        self._start = start
        self.workers: dict[str, int] = {}

    def add_worker(self, name: str, *, concurrency: int) -> None:
        """Start a worker that runs so many tasks at once."""
        options = ("-H", f"{name}@%h", "-c", str(concurrency), "--skip-serve-logs")
        quick = ("--without-gossip", "--without-mingle")
        self.workers[name] = self._start(name, "celery", "worker", *options, *quick)

    def kill_worker(self, name: str) -> int:
        """Kill a worker and all it started with SIGKILL; return how many processes that were."""
        worker = psutil.Process(self.workers.pop(name))
        family = [worker, *worker.children(recursive=True)]
        for process in family:
            process.kill()
        return len(family)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, as the REST API describes them."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = self.ask(path)["task_instances"]
        return found

    def wait(self, what: Callable[[], Any], *, seconds: float) -> Any:
        """Ask until the answer is true, and return it.

        :raises TimeoutError: after so many seconds
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := what():
                return answer
            time.sleep(0.3)
        raise TimeoutError(f"not within {seconds:.0f} seconds")


@contextmanager
def cluster(
    folder: Path, *, tenants: Path, database: Credentials, broker: str, env: Mapping[str, str]
) -> Iterator[Cluster]:
    """Run an Airflow without workers; ``Cluster.add_worker`` adds them.

    A task whose worker dies is noticed after 30 seconds.

    :param folder: its home, and where each process writes its log
    :param tenants: the tenants' YAML
    :param database: an empty PostgreSQL database for Airflow's own data
    :param broker: a Redis URL
    """
    address = f"{database.login}:{database.secret()}@{database.host}:{database.port}"
    port = free_port()
    environment = {
        **settings(folder, port=port, tenants=tenants),
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql://{address}/{database.database}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://{address}/{database.database}"
        ),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-that-all-its-processes-share-0123456789",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
        **env,
    }
    subprocess.run([_AIRFLOW, "db", "migrate"], env={**os.environ, **environment}, check=True)
    with ExitStack() as stack:

        def start(name: str, *arguments: str, healthy: Callable[[], bool] = lambda: True) -> int:
            process = running(
                [_AIRFLOW, *arguments],
                name=name,
                folder=folder,
                healthy=healthy,
                seconds=_STARTS,
                env=environment,
            )
            return stack.enter_context(process).pid

        made = Cluster(environment["AIRFLOW__API__BASE_URL"], start=start)
        start("api-server", "api-server", healthy=lambda: listening(port))
        start("dag-processor", "dag-processor")
        start("scheduler", "scheduler", healthy=lambda: _healthy(made))
        made.log_in()
        yield made


def _healthy(api: Api) -> bool:
    try:
        health = api.call("GET", "/api/v2/monitor/health")
    except RuntimeError:  # it listens, and is not there yet
        return False
    return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))
