"""Runs a server as a local process: waits until it is healthy, and stops it by its process id."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(__file__).parents[2] / ".cache" / "services"
"""What servers are made of, kept between runs; a new machine does without."""
_first = random.Random().randrange(1_000)
_ports = itertools.cycle(10_000 + (_first + step) % 1_000 for step in range(1_000))


@contextmanager
def running(
    command: Sequence[str | os.PathLike[str]],
    *,
    name: str,
    folder: Path,
    healthy: Callable[[], bool],
    seconds: float = 180,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a server's process once ``healthy`` says so; end it, and its children, afterwards.

    :param folder: its working directory; ``<name>.log`` is written there
    :param healthy: asked again and again; an OSError means not yet
    """
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        _wait(process, healthy=healthy, name=name, log=log, seconds=seconds)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], *, patience: float = 20) -> None:
    """End a process and its children: asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue


def _wait(
    process: subprocess.Popen[bytes],
    *,
    healthy: Callable[[], bool],
    name: str,
    log: Path,
    seconds: float,
) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if healthy():
                return
        except OSError:
            pass
        time.sleep(0.1)
    missing(f"{name} does not start: {log.read_text(errors='replace')[-1000:]}")


def missing(reason: str) -> NoReturn:
    """Skip the test with the reason; fail it where ``CI=true``, for there every server must be."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """Return a port that nothing listens on, and that nobody is given until a server has it.

    The ports that the system hands out by itself begin at 32,768 (Linux, ip_local_port_range): from
    below them, each process that runs tests side by side takes from a thousand of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port + 1_000 * (worker % 20)))
            return int(probe.getsockname()[1])
    raise AssertionError("a cycle does not end")


def listening(port: int) -> bool:
    """Say whether something accepts connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """Give the cache's folder to one process at a time, for what is fetched or built but once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield CACHE
