"""Times commands as whole processes, in turn, with the operating system's own accounting."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Way(NamedTuple):
    """One way of doing a job: a command that does it once, in a fresh process.

    :param prepare: a command run before each counted run, not counted
    """

    name: str
    command: Sequence[str]
    prepare: Sequence[str] | None = None
    environment: Mapping[str, str] | None = None


class Sample(NamedTuple):
    """One run: seconds of wall clock and of processor, and the peak resident bytes.

    ``said`` is the JSON that the command printed last, if it did (its own count of rows, say).
    """

    wall: float
    cpu: float
    peak: int
    said: object


class Measured(NamedTuple):
    """All counted runs of one way."""

    way: str
    samples: Sequence[Sample]

    @property
    def wall(self) -> float:
        """The median of the wall clock, in seconds."""
        return statistics.median(sample.wall for sample in self.samples)

    @property
    def cpu(self) -> float:
        """The median of the processor time, in seconds."""
        return statistics.median(sample.cpu for sample in self.samples)

    @property
    def peak(self) -> int:
        """The median of the peak memory, in bytes."""
        return int(statistics.median(sample.peak for sample in self.samples))

    @property
    def seconds(self) -> float:
        """The median of the seconds that the process itself counted, 0 where it did not."""
        said = [s.said.get("seconds") for s in self.samples if isinstance(s.said, dict)]
        return statistics.median([s for s in said if isinstance(s, int | float)] or [0.0])


class Wrong(RuntimeError):
    """A way ended with another exit code than 0, or brought something else than it should."""


def once(way: Way) -> Sample:
    """Run a way once.

    :raises Wrong: if the command fails; its last words are in the message
    """
    environment = {**os.environ, **(way.environment or {})}
    if way.prepare:
        subprocess.run(way.prepare, check=True, env=environment, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(way.command, stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed = out.read().decode(errors="replace").strip()
        if process.returncode != 0:
            last = err.read().decode(errors="replace").strip()[-800:]
            raise Wrong(f"{way.name} ended with {process.returncode}: {last}")
    cpu = usage.ru_utime + usage.ru_stime
    return Sample(wall, cpu, usage.ru_maxrss * 1024, _json(printed))


def in_turn(
    ways: Sequence[Way],
    *,
    runs: int,
    warm_up: int = 1,
    once_only: Collection[str] = (),
    tell: Callable[[str, Sample], None],
) -> list[Measured]:
    """Run several ways A B C, A B C, … so that a drift of the machine meets all of them.

    :param once_only: ways that are run in the last turn only
    :param tell: told of every run
    """
    samples: dict[str, list[Sample]] = {way.name: [] for way in ways}
    turns = warm_up + runs
    for turn in range(turns):
        for way in ways:
            if way.name in once_only and turn < turns - 1:
                continue
            sample = once(way)
            tell(way.name, sample)
            if turn >= warm_up:
                samples[way.name].append(sample)
    return [Measured(name, taken) for name, taken in samples.items()]


def machine() -> dict[str, object]:
    """Say what the figures were taken on; ``load`` is the average of the last 15 minutes."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "cpus": os.cpu_count(),
        "model": model,
        "load": round(os.getloadavg()[2], 1),
        "at": time.strftime("%Y-%m-%d %H:%M"),
    }


def _json(text: str) -> object:
    last = text.splitlines()[-1] if text else "null"
    try:
        return json.loads(last)
    except ValueError:
        return None
