"""Where a benchmark runs: its folder, its PostgreSQL server and the peers' environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
LISTS = Path(__file__).parent / "peers"


class Place(NamedTuple):
    """What the cases need to name.

    :param folder: for input that is made once
    :param work: for what a run leaves; emptied before each run
    :param loaders: the interpreter of the peers that load data
    :param factories: the interpreter of the peers that build DAGs
    """

    folder: Path
    work: Path
    loaders: str
    factories: str

    @property
    def python(self) -> str:
        """The interpreter that has this package."""
        return sys.executable

    def csv(self, rows: int) -> Path:
        """Return a CSV file of that many rows, making it if need be; it is in memory then."""
        command = [self.python, "-m", "benchmarks.data", str(self.folder), str(rows)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        file = Path(done.stdout.strip())
        with file.open("rb") as content:
            while content.read(1 << 20):
                pass
        return file


def peers(kind: str) -> str:
    """Make an environment of peers, ``loaders`` or ``factories``, if it is missing or outdated."""
    folder = CACHE / f"peers-{kind}"
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    listed = LISTS / f"{kind}.txt"
    if not stamp.exists() or stamp.read_text() != listed.read_text():
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [str(python), *["-m", "pip", "install", "--quiet", "--requirement"], str(listed)]
        subprocess.run(install, check=True)
        stamp.write_text(listed.read_text())
    return str(python)


@contextmanager
def place() -> Iterator[Place]:
    """Give a place with a server of its own, which every way uses; fsync is on."""
    import pytest

    from tests.services import postgres

    work = CACHE / "bench" / "work"
    work.mkdir(parents=True, exist_ok=True)
    os.environ["AIRFLOW_HOME"] = str(CACHE / "bench" / "airflow")
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["DO_NOT_TRACK"] = "1"  # no peer reports home from here
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    programs = postgres._programs()
    if programs is None:
        sys.exit("PostgreSQL is not installed (apt install postgresql): every case needs one")
    try:
        with postgres._server(programs, fsync="on") as server:
            secret = server.secret()
            login = f"{server.login}:{secret}@{server.host}:{server.port}"
            os.environ["BENCH_POSTGRES_URL"] = f"postgresql://{login}/{server.database}"
            yield Place(CACHE / "bench", work, peers("loaders"), peers("factories"))
    except pytest.skip.Exception as error:
        sys.exit(str(error))
