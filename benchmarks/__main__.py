"""Measures this package beside its peers: `python -m benchmarks [case ...]`, see ``--help``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.measure import Sample, Wrong, in_turn, machine
from benchmarks.places import ROOT, Place, place
from benchmarks.report import Outcome, outcome, page, show
from benchmarks.servers import started

RESULTS = Path(__file__).parent / "results"
HTTP = "http_clients"
"""A case with a table of its own: pages a second of HTTP clients."""


def run(case: Case, where: Place, *, runs: int) -> Outcome:
    """Measure one case and check what every way brought.

    :raises Wrong: if a way fails, or brought other rows or values than it should
    """
    if case.before:
        command = [where.python, "-m", *case.before]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)

    def tell(name: str, sample: Sample) -> None:
        print(f"  {name}: {sample.wall:.2f} s, {sample.cpu:.2f} s CPU {sample.said}", flush=True)
        brought = sample.said.get("rows") if isinstance(sample.said, dict) else None
        if case.rows is not None and name in counted and brought != case.rows:
            raise Wrong(f"{case.name}: {name} brought {brought} rows instead of {case.rows}")

    counted = {way.name for way in case.ways}
    measured = in_turn(case.ways, runs=runs, warm_up=case.warm_up, once_only=case.once, tell=tell)
    return outcome(case, measured, compared=_compared(case, where))


def _compared(case: Case, where: Place) -> int | None:
    """Return how many rows differ in value between this package and another way."""
    if case.same is None:
        return None
    command = [where.python, "-m", "benchmarks.verify", *case.same]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    said = json.loads(done.stdout)
    if said["differing"] or said["rows"] != case.rows:
        raise Wrong(f"{case.name}: values differ: {said}")
    return int(said["rows"])


def http_clients() -> str:
    """Run the comparison of HTTP clients; return its table."""
    command = [sys.executable, "-m", "benchmarks.http_clients"]
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout


def main() -> None:
    """Run the cases that are asked for, or all; print, write JSON, plot."""
    names = [*CASES, HTTP]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"one or several of {', '.join(names)}")
    parser.add_argument("--rows", type=int, help="rows (or tenants) instead of each case's own")
    parser.add_argument("--runs", type=int, default=3, help="counted runs, after one to warm up")
    options = parser.parse_args()
    if unknown := set(options.case) - set(names):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = options.case or names
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    found: list[Outcome] = []
    broken: list[str] = []
    text = ""
    with place() as where, ExitStack() as servers:
        running: set[str] = set()
        for name in (name for name in wanted if name in CASES):
            case = CASES[name](where, options.rows)
            print(f"{case.name}: {case.title}", flush=True)
            for server in set(case.needs) - running:
                servers.enter_context(started(server))
                running.add(server)
            try:
                found.append(run(case, where, runs=options.runs))
            except Wrong as error:
                print(error)
                broken.append(str(error))
                continue
            show(found[-1])
            write(stamp, found, text)
    if HTTP in wanted:
        text = http_clients()
        print(text)
        write(stamp, found, text)
    if found:
        from benchmarks.plot import draw

        draw(found, RESULTS / f"{stamp}.png")
    if options.rows is None:
        page(found, text, machine(), order=names)
    print(f"written: benchmarks/results/{stamp}.json and .png")
    if broken:
        sys.exit(f"{len(broken)} cases did not end well")


def write(stamp: str, found: list[Outcome], text: str) -> None:
    """Write what there is so far."""
    RESULTS.mkdir(exist_ok=True)
    cases = [case._asdict() for case in found]
    document = {"machine": machine(), "http_clients": text, "cases": cases}
    (RESULTS / f"{stamp}.json").write_text(json.dumps(document, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
