"""Starts `airflow standalone` with low-memory settings, talks to its API, and stops it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

START_TIMEOUT = 600  # seconds; measured 35-43 on two idle cores (2026-11)
_BUSY = 120  # seconds that a busy machine may take for what takes milliseconds elsewhere
_PORTS = range(8_000, 9_000)


def free_port(preferred: int = 8_080) -> int:
    """Return a port nobody listens on: the preferred one, or the next that is free.

    Airflow takes it half a minute later. The system itself gives ports to others meanwhile, but
    only from 32,768 on (Linux, ip_local_port_range).
    """
    for port in (preferred, *(port for port in _PORTS if port > preferred), *_PORTS):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise RuntimeError(f"no free TCP port from {_PORTS.start} to {_PORTS.stop - 1}")


def settings(home: Path, *, port: int, tenants: Path) -> dict[str, str]:
    """Return the environment of a small Airflow that serves one folder of tenants."""
    bundle = {
        "name": "tenants",
        "classpath": "airflow_provider_spotify.bundles.tenants.TenantBundle",
        "kwargs": {"folder": str(tenants), "refresh_interval": 10},
    }
    events = {"type": "file", "log_file_path": str(home / "lineage.jsonl"), "append": True}
    api = f"http://127.0.0.1:{port}"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(_BUSY),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        # SQLite has one writer at a time; the others wait, by default for five seconds.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout={_BUSY}",
        "AIRFLOW__API__HOST": "127.0.0.1",  # nobody is asked for a password
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": api,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": str(_BUSY),
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # Begun far apart, neither search comes to the other's port.
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port(8_894)),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port(8_793)),
        "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": str(_BUSY),  # later, an event is dropped
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(events),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "demo",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": str(_BUSY),
    }


class Refused(RuntimeError):
    """The REST API answered with an error.

    :param status: the HTTP status of the answer
    """

    def __init__(self, said: str, *, status: int) -> None:
        super().__init__(said)
        self.status = status


class Api:
    """Airflow's REST API.

    :param base: its address, without a path
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._token: str | None = None

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the REST API; answer the decoded JSON.

        :raises Refused: with the API's own words, if it refuses
        :raises OSError: if it cannot be reached, or does not answer in time
        """
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_BUSY) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:500]
            raise Refused(f"{method} {path}: {error.code} {said}", status=error.code) from error

    def ask(self, path: str) -> Any:
        """Get something, and ask again where the server was too busy to give it.

        :raises Refused: if it says no, or is in trouble for two minutes
        :raises OSError: if it cannot be reached for so long
        """
        deadline = time.monotonic() + _BUSY
        while True:
            try:
                return self.call("GET", path)
            except (Refused, OSError) as error:
                final = isinstance(error, Refused) and error.status < 500
                if final or time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def log_in(self) -> None:
        """Take a token; with all-admins nobody is asked for a password."""
        self._token = self.call("GET", "/auth/token")["access_token"]


class Standalone(Api):
    """One Airflow with everything in it, as a process group of its own.

    :param environment: added to the one of this process
    :param log: where its output goes
    """

    def __init__(self, environment: Mapping[str, str], *, log: Path) -> None:
        super().__init__(environment["AIRFLOW__API__BASE_URL"])
        scripts = Path(sys.executable).parent  # standalone starts its parts as `airflow …`
        path = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
        self._environment = {**os.environ, **environment, "PATH": path}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Standalone:
        command = [str(Path(sys.executable).with_name("airflow")), "standalone"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the whole process group; the parent alone would leave its children running."""
        if self._process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=15)
            time.sleep(0.5)
        self._process = None

    def alive(self) -> bool:
        """Say whether the parent process still runs."""
        return self._process is not None and self._process.poll() is None

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if not self.alive():
                raise RuntimeError(f"Airflow stopped while starting; its log: {self._log}")
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                health = self.call("GET", "/api/v2/monitor/health")
                parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
                if all((health.get(part) or {}).get("status") == "healthy" for part in parts):
                    self.log_in()
                    return
            time.sleep(1)
        raise RuntimeError(f"Airflow was not healthy in {START_TIMEOUT} s; its log: {self._log}")
