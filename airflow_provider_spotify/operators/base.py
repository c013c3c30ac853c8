"""The operator that every import operator is: words in, one import, a report out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import ConfigurationError, NothingToDo, TransientError
from airflow_provider_spotify.core.lineage import facts
from airflow_provider_spotify.core.model import LoadReport, Run
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.errors import ImportRetryPolicy, translated
from airflow_provider_spotify.hooks.options import plain, validate
from airflow_provider_spotify.hooks.plans import check_destination, destination_plan, source_plan
from airflow_provider_spotify.hooks.words import SourceWords
from airflow_provider_spotify.operators import lineage
from airflow_provider_spotify.operators.reports import announce, xcom
from airflow_provider_spotify.operators.runs import run_of
from airflow_provider_spotify.operators.words import SETTINGS, ImportWords

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

LONG_WAIT = 60.0
"""Seconds; a longer wait than this is not spent in a worker slot."""


class ImportOperator(SourceWords, BaseOperator):
    """Import everything new from one source into one table.

    A subclass names its source and gets the source's options as keyword arguments::

        class CsvImportOperator(ImportOperator):
            source_type = "csv"

    :param destination: where to write: a connection id, or a mapping of ``type``, ``connection``
        and the destination's own keys
    :param table: the table to write
    :param write: ``{"mode": "append" | "replace" | "merge" | "scd2", "key": [columns]}``
    :param contract: the agreed shape of the data
    :param quality: a list of checks
    :param privacy: ``{"key": connection id, "subject": column}``
    :param pii: ``{"undeclared": "ignore" | "warn" | "fail"}``
    :param max_rejected: abort the load above this many rejected rows
    :param checkpoint: ``{"rows": n, "every": "30s"}``: how much work a crash may cost
    :param incremental: ``{"by": "cursor" | "interval", "lookback": "1d"}``
    :param tenant: whose data it is
    :param import_name: what the cursor and the ledger call this import; the task id by default
    :param skip_if_empty: skip the task, and what follows it, when there was nothing new
    :param deferrable: give the worker slot back while a system asks for a long wait
    :param confined: refuse templates that reach beyond the run, as a tenant's YAML might
    """

    template_fields: Sequence[str] = ("destination", "table", *SETTINGS)
    template_ext: Sequence[str] = ()
    ui_color = "#d9f2e3"

    def __init__(
        self,
        *,
        destination: str | Mapping[str, Any],
        table: str,
        write: Mapping[str, Any] | None = None,
        contract: Mapping[str, Any] | None = None,
        quality: Sequence[Mapping[str, Any]] | None = None,
        privacy: Mapping[str, Any] | None = None,
        pii: Mapping[str, Any] | None = None,
        max_rejected: int | None = None,
        checkpoint: Mapping[str, Any] | None = None,
        incremental: Mapping[str, Any] | None = None,
        tenant: str = "default",
        import_name: str | None = None,
        skip_if_empty: bool = False,
        deferrable: bool = True,
        confined: bool = False,
        **kwargs: Any,
    ) -> None:
        taken = self._take(kwargs)
        kwargs.setdefault("retry_policy", ImportRetryPolicy())
        super().__init__(**kwargs)

        self.destination, self.table = plain(destination), table
        self.write, self.contract = plain(write), plain(contract)
        self.quality, self.privacy, self.pii = plain(quality), plain(privacy), plain(pii)
        self.max_rejected, self.checkpoint = max_rejected, plain(checkpoint)
        self.incremental, self.tenant = plain(incremental), tenant
        self.import_name = import_name
        self.skip_if_empty, self.deferrable = skip_if_empty, deferrable
        self._cancel: threading.Event | None = None
        self._report: LoadReport | None = None
        self._hold(taken)
        validate(ImportWords, self._words(), where=self._where)
        check_destination(self.destination, where=self._where)
        if confined:
            self._confine()

    def plan(self) -> ImportPlan:
        """Return the plan that the rendered words make.

        :raises ConfigurationError: if a word is wrong, or still a template
        """
        words = validate(ImportWords, self._words(), where=self._where)
        if words is None:
            raise ConfigurationError(f"{self._where}: a template was not rendered")
        source = source_plan(
            self.source_type, self.source_options(), connection=self.conn_id, where=self._where
        )
        destination = destination_plan(self.destination, where=self._where)
        parts = {"source": source, "destination": destination}
        return ImportPlan.model_validate(dict(words) | parts)

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the import and return its report, free of personal values.

        :raises TaskDeferred: when a system asks for a long wait; ``resume`` goes on from there
        """
        return self._run(context)

    def resume(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Go on after a long wait, from what the import had checkpointed."""
        return self._run(context)

    def on_kill(self) -> None:
        """Ask the import to stop; what it has read is checkpointed for the next attempt."""
        if self._cancel is not None:
            self._cancel.set()

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Name what will be read and written, and the shape that is agreed."""
        plan = self.plan()
        opened = open_plan(plan, resolve=credentials)
        known = facts.declared(
            plan, source=opened.source.dataset(), destination=opened.sink.dataset(plan.table)
        )
        return lineage.emit(known, owner=self.owner)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Say what was read and written, column by column."""
        if self._report is None:
            return self.get_openlineage_facets_on_start()
        return lineage.emit(facts.loaded(self.plan(), self._report), owner=self.owner)

    def _run(self, context: Context) -> dict[str, Any]:
        with translated():
            try:
                plan = self.plan()
                self._report = self._import(plan, run=run_of(context, incremental=plan.incremental))
            except TransientError as error:
                if self.deferrable and (error.retry_after or 0) > LONG_WAIT:
                    self._free_worker(error)
                raise
            announce(self._report, context=context, inlets=self.inlets, outlets=self.outlets)
            if self.skip_if_empty and not self._report.rows:
                raise NothingToDo(f"{plan.dag_id}: there was nothing new to import")
        return xcom(self._report)

    def _import(self, plan: ImportPlan, *, run: Run) -> LoadReport:
        opened = open_plan(plan, resolve=credentials)
        self._cancel = threading.Event()
        return run_import(
            plan,
            source=opened.source,
            sink=opened.sink,
            key=opened.key,
            run=run,
            cancel=self._cancel,
        )

    def _free_worker(self, error: TransientError) -> NoReturn:
        moment = datetime.now(UTC) + timedelta(seconds=error.retry_after or 0)
        self.log.warning("%s; the task goes on at %s", error, moment.isoformat(timespec="seconds"))
        raise TaskDeferred(trigger=DateTimeTrigger(moment=moment), method_name="resume") from error

    def _words(self) -> dict[str, Any]:
        name = self.import_id(self.import_name)
        settings = {key: getattr(self, key) for key in SETTINGS}
        given = {key: value for key, value in settings.items() if value is not None}
        return {"tenant": self.tenant, "name": name, "table": self.table, **given}
