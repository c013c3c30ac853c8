"""Imports without Airflow and without YAML: get an importer, run it, run many, check them.

::

    spotify = get_importer(
        "spotify_api", "acme", {"resource": "playlists", "ids": [...], "rate_limit": 5}
    )
    report = await spotify.import_data()

The options of :func:`get_importer` are read in ``importer_options``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Health, LoadReport, Run, Window
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.importer_options import Chosen, choose

_LONGEST_WAIT = 60.0
"""Seconds; a system that asks for a longer wait is left to the caller."""


class Importer:
    """One source and one destination of one tenant, ready to run as often as wanted.

    Each run goes on where the last one ended: the cursor is kept beside the data.

    :param plan: what is imported and how
    :param tries: how often a run is tried in all where the system says that it may answer later
    """

    def __init__(
        self,
        plan: ImportPlan,
        *,
        source: Source[Any],
        sink: Sink[Any],
        key: bytes | None = None,
        tries: int = 1,
    ) -> None:
        self.plan = plan
        self.source = source
        self.sink = sink
        self._key = key
        self._tries = tries

    @property
    def name(self) -> str:
        """``<tenant>__<import>``."""
        return self.plan.dag_id

    async def import_data(
        self,
        *,
        window: Window | None = None,
        full_refresh: bool = False,
        dry_run: bool = False,
        run_id: str | None = None,
    ) -> LoadReport:
        """Bring everything new into the destination.

        Cancelling it stops the load at its next chunk and keeps what was checkpointed.

        :param run_id: the same id again replaces the rows of that run; by default the time
        :raises ImporterError: as ``core.pipeline.run_import`` does
        """
        run = Run(
            run_id=run_id or f"importer__{datetime.now(UTC).isoformat()}",
            window=window,
            full_refresh=full_refresh,
            dry_run=dry_run,
        )
        for attempt in range(1, self._tries):
            try:
                return await self._load(run)
            except TransientError as error:
                wait = error.retry_after if error.retry_after is not None else 2.0**attempt
                if wait > _LONGEST_WAIT:
                    raise
                await asyncio.sleep(wait)
        return await self._load(run)

    async def _load(self, run: Run) -> LoadReport:
        from airflow_provider_spotify.core.pipeline import run_import

        cancel = threading.Event()
        try:
            return await asyncio.to_thread(
                run_import,
                self.plan,
                source=self.source,
                sink=self.sink,
                run=run,
                key=self._key,
                cancel=cancel,
            )
        except asyncio.CancelledError:
            cancel.set()
            raise

    async def check_health(self) -> ImporterHealth:
        """Try the source and the destination with the cheapest calls they have."""
        source, destination = await asyncio.gather(
            _asked(self.source.check()), _asked(asyncio.to_thread(self.sink.check))
        )
        return ImporterHealth(source.ok and destination.ok, source, destination)


class ImporterHealth(NamedTuple):
    """What the two ends of an importer answered."""

    ok: bool
    source: Health
    destination: Health


class Outcome(NamedTuple):
    """How one importer of several ended: with a report, or with an error."""

    name: str
    ok: bool
    report: LoadReport | None
    error: Exception | None


def get_importer(
    name: str,
    tenant_id: str,
    config: Mapping[str, Any] | None = None,
    *,
    config_file: str | Path | None = None,
) -> Importer:
    """Build an importer.

    :param name: a source, or an alias of one such as ``spotify_api``
    :param tenant_id: whose data it is
    :param config: keys of the source, credentials, and ``destination``, ``table``, ``write``,
        ``contract``, ``quality`` … as in a tenant's YAML; see ``importer_options``
    :param config_file: YAML whose ``importers:`` mapping gives defaults by name
    :raises ConfigurationError: if an option is unknown or wrong; the nearest one is offered
    """
    chosen: Chosen = choose(name, tenant=tenant_id, config=config or {}, file=config_file)
    return Importer(
        chosen.plan, source=chosen.source, sink=chosen.sink, key=chosen.key, tries=chosen.tries
    )


async def orchestrate_import_pipeline(
    importers: Sequence[Importer], *, parallel: bool = True, max_concurrency: int = 5
) -> list[Outcome]:
    """Run importers; one that fails does not stop the others.

    :param parallel: several at once, or one after the other
    :param max_concurrency: how many at once
    :return: one outcome for each importer, in the order given
    """
    if max_concurrency < 1:
        raise ConfigurationError(f"max_concurrency must be at least 1, not {max_concurrency}")
    places = asyncio.Semaphore(max_concurrency if parallel else 1)

    async def outcome(importer: Importer) -> Outcome:
        async with places:
            try:
                report = await importer.import_data()
            except Exception as error:
                return Outcome(importer.name, False, None, error)
            return Outcome(importer.name, True, report, None)

    return list(await asyncio.gather(*(outcome(importer) for importer in importers)))


class ImporterHealthCheck:
    """Tries many importers at once.

    :param timeout: seconds after which an importer that has not answered counts as failed
    """

    def __init__(self, *, timeout: float = 30.0) -> None:
        self._timeout = timeout

    async def check_all_importers_health(
        self, importers: Sequence[Importer]
    ) -> dict[str, ImporterHealth]:
        """Return what each importer's ends answered, by the importer's name."""
        found = await asyncio.gather(*(self._check(importer) for importer in importers))
        return {item.name: health for item, health in zip(importers, found, strict=True)}

    async def _check(self, importer: Importer) -> ImporterHealth:
        try:
            async with asyncio.timeout(self._timeout):
                return await importer.check_health()
        except TimeoutError:
            silent = Health(ok=False, message="no answer in time", seconds=self._timeout)
            return ImporterHealth(False, silent, silent)


async def _asked(answer: Any) -> Health:
    """Wait for a health check; one that raises in spite of its contract is a failed one."""
    try:
        health: Health = await answer
    except ImporterError as error:
        return Health(ok=False, message=str(error))
    except Exception as error:  # its text may hold anything, also a secret
        return Health(ok=False, message=f"failed with {type(error).__name__}")
    return health
