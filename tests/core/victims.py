"""Processes that run an import from files and are meant to be killed."""

from __future__ import annotations

import multiprocessing
import random
import time
import traceback
from collections.abc import Iterator
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Credentials, Run
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.pipeline import run_import

PATIENCE = 120
FILES, ROWS = 8, 1_200
# one server process imports what a load needs; each victim is forked from it
_context = multiprocessing.get_context("forkserver")
_CORE = "airflow_provider_spotify.core"
_LOADED_LATE = (
    "clients.csv_stream",
    "clients.postgres_copy",
    "sinks.duckdb",
    "sinks.postgres",
    "sinks._postgres_session",
    "sinks.sql.load",
    "sources.files.csv",
    "testing.killed",
    "transforms.chain",
)
_context.set_forkserver_preload(
    ["__main__", __name__, "duckdb", "psycopg", *(f"{_CORE}.{name}" for name in _LOADED_LATE)]
)


class Order(NamedTuple):
    """Which import a victim runs, and of whom."""

    plan: ImportPlan
    credentials: Credentials
    run_id: str


class Moment(NamedTuple):
    """When to kill: some seconds after the load has reached a stage for the nth time."""

    stage: str
    nth: int
    seconds: float


class Story(NamedTuple):
    """What was heard of a victim: the stages it reached, in order, and what went wrong."""

    stages: list[tuple[str, float]]
    error: str


def write_files(folder: Path) -> None:
    """Write the same messy files at every call: repeated keys, quotes, gaps, rows to reject."""
    folder.mkdir()
    for number in range(FILES):
        with (folder / f"{number:02}.csv").open("w", encoding="utf-8") as file:
            file.write("id,said,score,played,n\n")
            file.writelines(_lines(number))


def _lines(number: int) -> Iterator[str]:
    for row in range(ROWS):
        key = number * ROWS // 2 + row  # half of the keys come again in the next file
        said = ('"a, b"', '"he said ""é"""', '"two\nlines"', "plain", "")[key % 5]
        score = row if number < FILES // 2 else row + 0.5  # the column widens half-way
        n = "many" if row % 97 == 0 else row % 7
        yield f"{key},{said},{score},2026-01-{1 + key % 28:02} 10:00:00,{n}\n"


def story(order: Order, *, until: Moment | None = None) -> Story:
    """Run an import in a process; kill it at a moment, or let it end."""
    ours, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_run, args=(order, theirs), daemon=True)
    process.start()
    theirs.close()
    heard: list[tuple[str, float]] = []
    try:
        while until is None or not _reached(heard, until):
            if not ours.poll(PATIENCE):
                raise AssertionError(f"the import does not go on after {heard[-1:]}")
            heard.append(ours.recv())
            if heard[-1][0].startswith("Traceback"):
                break
        else:
            time.sleep(until.seconds)
            process.kill()
        while True:  # until the line is closed, whatever ended the process
            heard.append(ours.recv())
    except EOFError:
        process.join(PATIENCE)
    finally:
        process.kill()
        process.join(PATIENCE)
        ours.close()
    errors = [stage for stage, _ in heard if stage.startswith("Traceback")]
    return Story([entry for entry in heard if entry[0] not in errors], "".join(errors))


def _reached(heard: list[tuple[str, float]], moment: Moment) -> bool:
    return [stage for stage, _ in heard].count(moment.stage) >= moment.nth


def moments(dice: random.Random, undisturbed: Story) -> Iterator[Moment]:
    """Choose moments to kill: anywhere in the load, around a checkpoint, while publishing."""
    spans = dict(_spans(undisturbed.stages))
    checkpoints = [stage for stage, _ in undisturbed.stages].count("checkpoint")
    while True:
        for stage in dice.sample(("begin", "checkpoint", "publish", "begin"), 4):
            nth = dice.randint(1, checkpoints // 2) if stage == "checkpoint" else 1
            longest = spans["load"] if stage == "begin" else spans[stage]
            yield Moment(stage, nth, dice.uniform(0, longest))


def _spans(stages: list[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """Yield how long the load and the longest of its stages took, in seconds."""
    yield "load", stages[-1][1] - stages[0][1]
    longest: dict[str, float] = {}
    for (stage, began), (_, ended) in pairwise(stages):
        longest[stage] = max(longest.get(stage, 0), ended - began)
    yield from longest.items()


def _run(order: Order, line: Connection) -> None:
    """Run the import; tell the line each stage that begins, and what went wrong."""

    def tell(stage: str) -> None:
        line.send((stage, time.monotonic()))

    try:
        _load(order, tell)
    except BaseException:  # the parent fails with it
        tell(traceback.format_exc())


def _load(order: Order, tell: Any) -> None:
    opened = open_plan(order.plan, resolve=lambda _: order.credentials)
    begin = opened.sink.begin

    def told(spec: Any) -> Any:
        tell("begin")
        load = begin(spec)
        for stage in ("checkpoint", "publish"):
            setattr(load, stage, _telling(tell, stage, getattr(load, stage)))
        return load

    opened.sink.begin = told  # type: ignore[method-assign]
    run_import(order.plan, source=opened.source, sink=opened.sink, run=Run(run_id=order.run_id))
    tell("end")


def _telling(tell: Any, stage: str, method: Any) -> Any:
    def telling(*args: Any) -> Any:
        tell(stage)
        try:
            return method(*args)
        finally:
            tell(f"after {stage}")

    return telling
