"""Asks a source, from the triggerer, whether it has something new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_spotify.core import errors
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials, Cursor, Window
from airflow_provider_spotify.core.opening import open_source
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.credentials import acredentials
from airflow_provider_spotify.hooks.plans import source_plan

CURSOR = "cursor"
"""Where, in an asset's state store, an import leaves a copy of its cursor."""

_NEVER = object()


class SourceReadyTrigger(BaseEventTrigger):
    """Fires when a source has something after a cursor.

    A sensor waits with it for one event. An AssetWatcher keeps it running: it then reads the
    cursor that the last import left with the asset, and fires once for each cursor. An import
    that lists the watched asset among its inlets or outlets leaves its cursor there::

        new = Asset("plays", watchers=[AssetWatcher(name="new", trigger=SourceReadyTrigger(
            source_type="csv", config={"path": "/data/*.csv"}))])

    Only names and options are stored; the connection is read when the trigger runs.

    :param source_type: the source's name
    :param config: its options, under their YAML keys
    :param conn_id: the Airflow connection to ask with
    :param tenant: whose data it is
    :param since: the cursor to look after
    :param window: ``{"start": …, "end": …}`` in ISO 8601, to look in a span of time instead
    :param poke_interval: seconds between two questions
    :param until: fire at this moment (ISO 8601) even if nothing came; never for None
    """

    def __init__(
        self,
        *,
        source_type: str,
        config: Mapping[str, Any],
        conn_id: str | None = None,
        tenant: str = "default",
        since: Cursor | None = None,
        window: Mapping[str, str] | None = None,
        poke_interval: float = 60.0,
        until: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.source_type = source_type
        self.config = dict(config)
        self.conn_id = conn_id
        self.tenant = tenant
        self.since = since
        self.window = window
        self.poke_interval = poke_interval
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what builds this trigger again; it holds no secret."""
        return f"{__name__}.{type(self).__name__}", {
            "source_type": self.source_type,
            "config": self.config,
            "conn_id": self.conn_id,
            "tenant": self.tenant,
            "since": self.since,
            "window": self.window,
            "poke_interval": self.poke_interval,
            "until": self.until,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event when the source is ready, or when asking it can never succeed.

        For an asset it never ends; an error is logged and the question asked again.
        """
        fired: Any = _NEVER
        while True:
            wait = self.poke_interval
            try:
                since = await self._since()
                if self._over or (since != fired and await self._ready(since)):
                    yield self._fired(since)
                    fired = since
            except TransientError as error:
                wait = max(wait, error.retry_after or 0)
                self.log.warning("%s; asking again in %.0f seconds", error, wait)
            except ImporterError as error:
                if self.asset_state_store is None:
                    yield _failure(error)
                    return
                self.log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400
            if self.asset_state_store is None and fired is not _NEVER:
                return
            await asyncio.sleep(self._nap(wait))

    @property
    def _over(self) -> bool:
        return self.until is not None and datetime.now(UTC) >= datetime.fromisoformat(self.until)

    def _nap(self, wait: float) -> float:
        if self.until is None:
            return wait
        left = datetime.fromisoformat(self.until) - datetime.now(UTC)
        return max(0.0, min(wait, left.total_seconds()))

    def _fired(self, since: Cursor | None) -> TriggerEvent:
        until = {} if self.until is None else {"until": self.until}
        return _event(ready=True, since=since, **until)

    async def _open(self) -> Source[Any]:
        credentials = await acredentials(self.conn_id) if self.conn_id else Credentials()
        plan = source_plan(
            self.source_type, self.config, connection=self.conn_id, where=type(self).__name__
        )
        return open_source(plan, tenant=self.tenant, resolve=lambda _: credentials)

    async def _since(self) -> Cursor | None:
        if self.asset_state_store is None:
            return self.since
        try:
            found: Any = await self.asset_state_store.aget(CURSOR)
        except ValueError as error:
            raise ConfigurationError(
                "several assets are watched with the same SourceReadyTrigger; one asset may be"
            ) from error
        return found or self.since

    async def _ready(self, since: Cursor | None) -> bool:
        """Ask in a thread with a loop of its own: a source that blocks holds up no other."""
        source = await self._open()
        window = Window.model_validate(self.window) if self.window else None
        return await asyncio.to_thread(lambda: asyncio.run(source.is_ready(since, window)))


def verdict(event: dict[str, Any]) -> None:
    """Let a sensor pass, or raise the error that the trigger met.

    :raises ImporterError: of the same kind as in the triggerer
    """
    if not event["ready"]:
        raise getattr(errors, event["error"], ImporterError)(event["text"])


def _failure(error: ImporterError) -> TriggerEvent:
    kind = ConfigurationError if isinstance(error, ConfigurationError) else type(error)
    return _event(ready=False, error=kind.__name__, text=str(error))


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
