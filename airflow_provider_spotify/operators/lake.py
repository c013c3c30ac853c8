"""Operators that keep a lake in good order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.opening import open_sink
from airflow_provider_spotify.core.sinks._delta_upkeep import MaintenancePlan
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.options import plain, validate
from airflow_provider_spotify.hooks.plans import check_destination, destination_plan

if TYPE_CHECKING:
    from airflow.sdk import Context


class DeltaMaintenanceOperator(BaseOperator):
    """Compact, lay out, checkpoint and vacuum the Delta tables of a destination.

    Loads may run meanwhile. Returns, for each table, how many files were added, removed and
    vacuumed, and its version.

    :param destination: a mapping of ``type: delta``, ``path`` and, for S3, ``connection``
    :param tables: which tables; all of the destination by default, the ledger and rejects too
    :param optimize: put small files together
    :param z_order: ``{table: [columns]}`` by which rows are laid out
    :param vacuum: ``{"retention": "7d", "dry_run": False, "below_retention": False}``: delete the
        files of earlier versions; nothing is deleted without it
    :param checkpoint: shorten the log that readers have to read
    :param tenant: whose data it is
    """

    template_fields: Sequence[str] = ("destination", "tables", "z_order", "vacuum")
    ui_color = "#d9e6f2"

    def __init__(
        self,
        *,
        destination: Mapping[str, Any],
        tables: Sequence[str] | None = None,
        optimize: bool = True,
        z_order: Mapping[str, Sequence[str]] | None = None,
        vacuum: Mapping[str, Any] | None = None,
        checkpoint: bool = True,
        tenant: str = "default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination, self.tables = plain(destination), plain(tables)
        self.optimize, self.z_order = optimize, plain(z_order)
        self.vacuum, self.checkpoint = plain(vacuum), checkpoint
        self.tenant = tenant
        validate(MaintenancePlan, self._words(), where=self._where)
        check_destination(self.destination, where=self._where)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Do the upkeep.

        :raises ConfigurationError: if the destination is no lake, or an option is wrong
        """
        from airflow_provider_spotify.core.sinks._delta_maintenance import maintain
        from airflow_provider_spotify.core.sinks.delta import DeltaSink

        plan = validate(MaintenancePlan, self._words(), where=self._where)
        if plan is None:
            raise ConfigurationError(f"{self._where}: a template was not rendered")
        to = destination_plan(self.destination, where=self._where)
        sink = open_sink(to, tenant=self.tenant, resolve=credentials)
        if not isinstance(sink, DeltaSink):
            raise ConfigurationError(f"{self._where}: destination {to.type!r} has no Delta tables")
        return maintain(sink.place(), sink.config.schema_, plan)

    def _words(self) -> dict[str, Any]:
        return {
            "tables": self.tables,
            "optimize": self.optimize,
            "z_order": self.z_order or {},
            "vacuum": self.vacuum,
            "checkpoint": self.checkpoint,
        }

    @property
    def _where(self) -> str:
        return f"{type(self).__name__}({self.task_id!r})"
