"""Processes that load a scenario and are meant to be killed."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.testing.loads import Scenario, load, publish, spec

EVERY = 3
"""The scenario is checkpointed after so many batches."""
_PATIENCE = 120
# a server process imports what a load needs once; each loading process is forked from it
_context = multiprocessing.get_context("forkserver")
_PRELOADED = ["__main__", __name__, "duckdb", "pandas", "pgpq", "psycopg", "pyarrow.csv"]


class Victim(NamedTuple):
    """A process that is loading, and the line on which it tells how it goes."""

    process: Any
    line: Connection

    def end(self, *, after: float | None = None) -> str:
        """Kill the process after some seconds, or let it end; return what it complained about."""
        if after is not None:
            self.process.join(after)
            self.process.kill()
        self.process.join(_PATIENCE)
        said = ""
        with self.line:
            while self.line.poll():
                try:
                    said = self.line.recv()
                except EOFError:
                    break
        self.process.close()
        return said


def start(sink: Sink[Any], **words: Any) -> Victim:
    """Start a process that loads the scenario; return when it begins.

    :param words: arguments of ``loads.spec``
    """
    _context.set_forkserver_preload([*_PRELOADED, type(sink).__module__])
    ours, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_run, args=(_described(sink, words), theirs), daemon=True)
    process.start()
    theirs.close()
    if not ours.poll(_PATIENCE) or ours.recv() != "go":
        raise AssertionError("the loading process did not start")
    return Victim(process, ours)


def again(sink: Sink[Any], **words: Any) -> str:
    """Let a process load the scenario after one that was killed; return what it complained about.

    A server that is busy notices late that its client is dead: until then the import is locked.
    """
    deadline = time.monotonic() + _PATIENCE
    while "is under way" in (said := start(sink, **words).end()):
        if time.monotonic() > deadline:
            break
    return said


def timed(sink: Sink[Any], **words: Any) -> float:
    """Let a process load the scenario undisturbed; return how many seconds it took."""
    victim, started = start(sink, **words), time.monotonic()
    error = victim.end()
    assert not error, error
    return time.monotonic() - started


def _described(sink: Sink[Any], words: dict[str, Any]) -> str:
    """Write down a sink and a load, so that another process can make them."""
    credentials = sink.credentials.model_dump(mode="json") | {"password": sink.credentials.secret()}
    described = {
        "sink": [type(sink).__module__, type(sink).__qualname__],
        "config": sink.config.model_dump(mode="json", by_alias=True),
        "credentials": credentials,
        "tenant": sink.tenant,
        "spec": words,
    }
    return json.dumps(described)


def _run(described: str, line: Connection) -> None:
    """Load what is described; tell the line when it begins, and what went wrong."""
    words = json.loads(described)
    module, name = words["sink"]
    class_ = getattr(importlib.import_module(module), name)
    sink = class_(
        class_.Config.model_validate(words["config"]),
        credentials=Credentials.model_validate(words["credentials"]),
        tenant=words["tenant"],
    )
    scenario = Scenario.build()
    of = spec(sink, **words["spec"])
    if part := of.run.part:
        scenario = scenario.share(part.number, part.of)
    line.send("go")
    try:
        if of.parts:
            publish(sink, of)
        else:
            load(sink, of, scenario.batches, rejected=scenario.rejected, every=EVERY)
    except BaseException:
        line.send(traceback.format_exc())
