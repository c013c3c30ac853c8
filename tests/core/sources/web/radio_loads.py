"""Loads of the radio into a warehouse, in this process or in one that is meant to be killed."""

from __future__ import annotations

import multiprocessing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from airflow_provider_spotify.core.model import LoadReport, Run, Window
from airflow_provider_spotify.core.pipeline import run_import
from tests.core.imports import duckdb_sink, plan
from tests.core.sources.web.radio import NOW, radio

PATIENCE = 120
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [__name__, "duckdb", "aiohttp", "airflow_provider_spotify.core.clients.http.client"]
)
SETTINGS: dict[str, Any] = {"checkpoint": {"rows": 12}, "write": {"mode": "append"}}


class Place(NamedTuple):
    """Where the API is, and the folder of the warehouse."""

    url: str
    folder: str


def load(
    place: Place,
    resource: str,
    run_id: str,
    *,
    window: Window | None = None,
    clock: datetime | None = NOW,
    settings: dict[str, Any] | None = None,
    **config: Any,
) -> LoadReport:
    """Load what is new of a resource into the table ``plays``.

    :param clock: None: the time goes on. A pass at the very moment of the one before it has nothing
        to ask for, so what comes between two passes needs this
    """
    return run_import(
        plan(**{**SETTINGS, **(settings or {})}),
        source=radio(place, resource, clock=clock, **{"batch_size": 5, "concurrency": 2, **config}),
        sink=duckdb_sink(Path(place.folder)),
        run=Run(run_id=run_id, window=window),
    )


def killed(
    place: Place,
    resource: str,
    run_id: str,
    *,
    after: float,
    window: Window | None = None,
    clock: datetime | None = NOW,
) -> bool:
    """Load in a process that is killed after some seconds; say whether it had ended before."""
    words = {"window": window, "clock": clock}
    process = _context.Process(target=load, args=(place, resource, run_id), kwargs=words)
    process.start()
    process.join(after)
    process.kill()
    process.join(PATIENCE)
    ended = process.exitcode == 0
    process.close()
    return ended
