"""What a case is: several ways to do one job, and what they are measured by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import Way
from benchmarks.places import Place


class Goal(NamedTuple):
    """A ratio that was aimed at: ``way`` against ``peer``, at most ``most``.

    :param peer: empty where ``most`` is a figure of its own: seconds, or megabytes
    :param of: ``wall``, ``peak``, or ``seconds``, which the way took inside its own process
    """

    way: str
    peer: str
    most: float
    of: str = "wall"


class Case(NamedTuple):
    """Several ways to do one job.

    :param rows: what every way must have brought (rows, or DAGs); None: not counted
    :param once: ways that are slow: one counted run and no warm-up
    :param warm_up: turns that are not counted; large files are read beforehand anyway
    :param before: a module and its arguments, run once before the first way
    :param needs: servers of ``benchmarks.servers``
    :param same: two places that ``benchmarks.verify`` compares after the last run
    """

    name: str
    title: str
    ways: Sequence[Way]
    goals: Sequence[Goal]
    rows: int | None = None
    of: str = "wall"
    once: Sequence[str] = ()
    warm_up: int = 1
    before: Sequence[str] | None = None
    needs: Sequence[str] = ()
    same: Sequence[str] | None = None


def loads(place: Place, name: str, *, without: str = "", **document: Any) -> Way:
    """Return an import by this package, in a fresh process, into places of its own.

    :param without: a library that is kept from being imported, as if it were not installed
    """
    tidy = [place.python, "-m", "benchmarks.bare", "tidy", "ours_bench"]
    if document["destination"]["type"] == "duckdb":
        tidy.append(document["destination"]["path"])
    command = [place.python, "-m", "benchmarks.ours", json.dumps(document)]
    return Way(name, command, prepare=tidy, environment={"BENCH_WITHOUT": without})


def bare(place: Place, name: str, *arguments: str, file: str | None = None) -> Way:
    """Return the plainest way, by the library that is best at it."""
    tidy = [place.python, "-m", "benchmarks.bare", "tidy", "psql_bench"]
    command = [place.python, "-m", "benchmarks.bare", *arguments]
    return Way(name, command, prepare=[*tidy, file] if file else tidy)


def peer(place: Place, name: str, script: str, *arguments: str, file: str | None = None) -> Way:
    """Return another tool's way, run by the peers' interpreter."""
    schema = "ingestr_bench" if "ingestr" in script else "dlt_bench"
    tidy = [place.python, "-m", "benchmarks.bare", "tidy", schema]
    path = str(Path(__file__).parent / "peers" / f"{script}.py")
    command = [place.loaders, path, *arguments]
    return Way(name, command, prepare=[*tidy, file] if file else tidy)
