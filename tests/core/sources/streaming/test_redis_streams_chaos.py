"""Imports of a group's entries while importer and Redis are killed: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig
from airflow_provider_spotify.core.sources.streaming.redis_streams import RedisStreamsConfig
from tests.core.victims import Moment, Order, Story, story
from tests.services.process import free_port, stop
from tests.services.redis import start

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "8"))
SEED = int(os.environ.get("SPOTIFY_IMPORTS_SEED", "2026"))
MORE = 1_500


class Server:
    """A Redis that writes what it is told before it answers, and may be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.credentials = Credentials(host="127.0.0.1", port=self._port)
        self._process: subprocess.Popen[bytes] = self._start()
        self.produced = 0

    def _start(self) -> subprocess.Popen[bytes]:
        options = ["--appendonly", "yes", "--save", "", "--dir", str(self._folder)]
        return start(self._port, options, log=self._folder / "log")

    def kill(self) -> None:
        """Kill it without a word, and start it again."""
        self._process.kill()
        self._process.wait()
        self._process = self._start()

    def stop(self) -> None:
        """End it."""
        stop(self._process)

    def produce(self, count: int) -> None:
        """Add entries, numbered on."""
        with Link(self.credentials) as link:
            said = f"said {'x' * 50}"
            adds = [("XADD", "s", "*", "n", self.produced + i, "said", said) for i in range(count)]
            for reply in link.pipelined(adds):
                link.good(reply)
        self.produced += count

    def pending(self) -> int:
        """Count what is delivered and not acknowledged."""
        with Link(self.credentials) as link:
            return int(link.do("XPENDING", "s", "g")[0])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "redis"
    folder.mkdir()
    running = Server(folder)
    try:
        yield running
    finally:
        running.stop()


def order(folder: Path, credentials: Credentials, run_id: str) -> Order:
    config = RedisStreamsConfig(streams=["s"], group="g", batch_size=200)
    plan = {
        "tenant": "acme",
        "name": "plays",
        "source": {"type": "redis_streams", "connection": "acme__redis", "config": config},
        "destination": {
            "type": "duckdb",
            "config": DuckDBConfig(path=str(folder / "acme.duckdb"), schema="acme"),
        },
        "table": "plays",
        "checkpoint": {"rows": 300},
    }
    return Order(ImportPlan.model_validate(plan), credentials, run_id)


def moment(dice: random.Random) -> Moment:
    """Choose when to kill: while reading, around a checkpoint, after the rows are committed."""
    stage = dice.choice(["begin", "checkpoint", "after checkpoint", "publish", "after publish"])
    nth = dice.randint(1, 3) if "checkpoint" in stage else 1
    return Moment(stage, nth, dice.uniform(0, 0.4 if stage == "begin" else 0.03))


def load(server: Server, wanted: Order, dice: random.Random) -> Story:
    """Run an import; kill it, or Redis under it, or neither."""
    fate = dice.random()
    if fate < 0.55:
        return story(wanted, until=moment(dice))
    if fate < 0.85:
        killer = threading.Timer(dice.uniform(0.1, 1.2), server.kill)
        killer.start()
        try:
            return story(wanted)
        finally:
            killer.join()
    return story(wanted)


@pytest.mark.chaos
def test_whoever_is_killed_every_entry_is_imported_once(server: Server, tmp_path: Path) -> None:
    """Loads are tried again, given up, or repeated after they were committed."""
    dice, run, ended = random.Random(SEED), 0, 0
    for _ in range(KILLS):
        server.produce(dice.randint(1, MORE))
        said = load(server, order(tmp_path, server.credentials, f"run {run}"), dice)
        stages = [stage for stage, _ in said.stages]
        ended += "end" in stages
        # Redis that is gone is the only thing that may be wrong
        assert not said.error or "TransientError" in said.error.splitlines()[-1], said.error
        # a run that has committed may be run again; one that has not may be given up
        run += dice.random() < (0.7 if "end" in stages else 0.2)
    server.produce(10)
    for name in (f"run {run}", "last"):  # the first may repeat a run that had ended
        server.produce(10)
        said = story(order(tmp_path, server.credentials, name))
        assert not said.error, said.error
    assert ended < KILLS, "nothing was killed"
    compare(server, tmp_path)


def compare(server: Server, folder: Path) -> None:
    """Assert that every entry is there once, and that Redis waits for nothing."""
    wanted = order(folder, server.credentials, "any")
    sink = open_plan(wanted.plan, resolve=lambda _: wanted.credentials).sink
    found = sink.query("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM plays")
    numbers = [found.column(n)[0].as_py() for n in range(4)]
    assert numbers == [server.produced, server.produced, 0, server.produced - 1]
    deadline = time.monotonic() + 10
    while server.pending() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.pending() == 0
