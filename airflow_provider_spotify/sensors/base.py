"""The sensor that every source sensor is: it passes when the source has something new."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Asset, BaseSensorOperator
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_spotify.core.config.plans import SourcePlan
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import Cursor
from airflow_provider_spotify.core.opening import open_sink, open_source
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.errors import ImportRetryPolicy, translated
from airflow_provider_spotify.hooks.options import plain
from airflow_provider_spotify.hooks.plans import check_destination, destination_plan, source_plan
from airflow_provider_spotify.hooks.words import SourceWords
from airflow_provider_spotify.triggers.ready import CURSOR, SourceReadyTrigger, verdict

if TYPE_CHECKING:
    from airflow.sdk import Context


class SourceReadySensor(SourceWords, BaseSensorOperator):
    """Pass when a source has something after the cursor of an import.

    The cursor is read where the import keeps it: beside the data, if ``destination`` is given;
    else from the state store of an asset among ``inlets``; else everything is new.

    :param destination: where the import writes, as its operator says it
    :param tenant: whose data it is
    :param import_name: the import whose cursor counts; the task id by default
    :param deferrable: wait in the triggerer, so that no worker is held
    :param confined: refuse templates that reach beyond the run, as a tenant's YAML might
    """

    template_fields: Sequence[str] = ("destination",)
    template_ext: Sequence[str] = ()
    ui_color = "#e8f0fb"

    def __init__(
        self,
        *,
        destination: str | Mapping[str, Any] | None = None,
        tenant: str = "default",
        import_name: str | None = None,
        deferrable: bool = True,
        confined: bool = False,
        **kwargs: Any,
    ) -> None:
        taken = self._take(kwargs)
        kwargs.setdefault("retry_policy", ImportRetryPolicy())
        super().__init__(**kwargs)
        self.destination = plain(destination)
        self.tenant = tenant
        self.import_name = import_name
        self.deferrable = deferrable
        self._hold(taken)
        if destination is not None:
            check_destination(self.destination, where=self._where)
        if confined:
            self._confine()

    def poke(self, context: Context) -> bool:
        """Ask the source once; a transient error means not yet."""
        with translated():
            source = open_source(self._plan(), tenant=self.tenant, resolve=credentials)
            try:
                return asyncio.run(source.is_ready(self._since(context)))
            except TransientError as error:
                self.log.warning("%s; asking again later", error)
                return False

    def execute(self, context: Context) -> Any:
        """Ask once here, then wait in the triggerer.

        :raises TaskDeferred: if there is nothing new yet
        """
        params: Any = context.get("params") or {}
        if params.get("full_refresh") or params.get("window_from"):
            self.log.info("a run that names what to read does not wait for anything new")
            return None
        if not self.deferrable:
            return super().execute(context)
        if self.poke(context):
            return None
        with translated():
            trigger = self._trigger(context)
        wait = timedelta(seconds=self.timeout)
        raise TaskDeferred(trigger=trigger, method_name="resume", timeout=wait)

    def resume(self, context: Context, event: dict[str, Any]) -> None:
        """Pass, or fail with the error that the triggerer met."""
        with translated():
            verdict(event)

    def _trigger(self, context: Context) -> SourceReadyTrigger:
        since = self._since(context)
        return SourceReadyTrigger(
            source_type=self.source_type,
            config=plain(self._plan().config),
            conn_id=self.conn_id,
            tenant=self.tenant,
            since=None if since is None else dict(since),
            poke_interval=self.poke_interval,
        )

    def _plan(self) -> SourcePlan:
        return source_plan(
            self.source_type, self.source_options(), connection=self.conn_id, where=self._where
        )

    def _since(self, context: Context) -> Cursor | None:
        if self.destination:
            plan = destination_plan(self.destination, where=self._where)
            sink = open_sink(plan, tenant=self.tenant, resolve=credentials)
            return sink.cursor(self.import_id(self.import_name))
        for asset in self.inlets:
            if isinstance(asset, Asset):
                found: Any = context["asset_state_store"][asset].get(CURSOR)
                return cast("Cursor | None", found)
        return None
