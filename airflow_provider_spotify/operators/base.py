"""The operator that every import operator is: words in, one import, a report out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    Idle,
    NothingToDo,
    TransientError,
)
from airflow_provider_spotify.core.lineage import facts
from airflow_provider_spotify.core.model import LoadReport, Run
from airflow_provider_spotify.core.opening import Opened, open_plan
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.usage import usage_text
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.errors import ImportRetryPolicy, translated
from airflow_provider_spotify.hooks.options import plain, validate
from airflow_provider_spotify.hooks.plans import check_destination, destination_plan, source_plan
from airflow_provider_spotify.hooks.words import SourceWords
from airflow_provider_spotify.operators import lineage, steps
from airflow_provider_spotify.operators.reports import announce, xcom
from airflow_provider_spotify.operators.runs import run_of
from airflow_provider_spotify.operators.steps import Step
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
    :param budget: ``{"requests": n, "records": n, "cost": dollars}``: the most that one run may
        ask of an API
    :param checkpoint: ``{"rows": n, "every": "30s"}``: how much work a crash may cost
    :param flush: ``{"rows": n, "bytes": n, "within": "1s", "run_for": "1h", "idle": "1m"}``: read
        a stream on and on
    :param partitions: how many tasks share the load; see ``operators.partitioned``
    :param incremental: ``{"by": "cursor" | "interval", "lookback": "1d"}``
    :param tenant: whose data it is
    :param import_name: what the cursor and the ledger call this import; the task id by default
    :param skip_if_empty: skip the task, and what follows it, when there was nothing new
    :param deferrable: give the worker slot back while a system asks for a long wait
    :param confined: refuse templates that reach beyond the run, as a tenant's YAML might
    :param step: which step of a load that several tasks share; ``operators.partitioned`` sets it
    :param part: what one of them reads, as the step ``split`` gave it
    :param reports: what all of them reported, for the step ``publish``
    """

    template_fields: Sequence[str] = ("destination", "table", *SETTINGS, "reports")
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
        budget: Mapping[str, Any] | None = None,
        checkpoint: Mapping[str, Any] | None = None,
        flush: Mapping[str, Any] | None = None,
        partitions: int | None = None,
        incremental: Mapping[str, Any] | None = None,
        tenant: str = "default",
        import_name: str | None = None,
        skip_if_empty: bool = False,
        deferrable: bool = True,
        confined: bool = False,
        step: Step = "import",
        part: Mapping[str, Any] | None = None,
        reports: Any = None,
        **kwargs: Any,
    ) -> None:
        taken = self._take(kwargs)
        kwargs.setdefault("retry_policy", ImportRetryPolicy())
        super().__init__(**kwargs)

        self.destination, self.table = plain(destination), table
        self.write, self.contract = plain(write), plain(contract)
        self.quality, self.privacy, self.pii = plain(quality), plain(privacy), plain(pii)
        self.max_rejected, self.budget = max_rejected, plain(budget)
        self.checkpoint = plain(checkpoint)
        self.flush, self.partitions = plain(flush), partitions
        self.incremental, self.tenant = plain(incremental), tenant
        self.import_name = import_name
        self.skip_if_empty, self.deferrable = skip_if_empty, deferrable
        self.step, self.part, self.reports = step, part, reports
        self._cancel: threading.Event | None = None
        self._killed = False
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
        options = self.part["options"] if self.part else self.source_options()
        source = source_plan(self.source_type, options, connection=self.conn_id, where=self._where)
        destination = destination_plan(self.destination, where=self._where)
        parts = {"source": source, "destination": destination}
        return ImportPlan.model_validate(dict(words) | parts)

    def execute(self, context: Context) -> Any:
        """Run the import, or its step, and return its report, free of personal values.

        :raises TaskDeferred: when a system asks for a long wait, or a stream is silent;
            ``resume`` goes on from there
        """
        return self._run(context, until=None)

    def resume(self, context: Context, event: Any = None, until: str | None = None) -> Any:
        """Go on after a long wait, from what the import had checkpointed.

        :param until: when a stream's load ends, as ISO 8601
        """
        if until is None and isinstance(event, Mapping):
            until = event.get("until")  # ``dag.test()`` keeps nothing but the event
        return self._run(context, until=datetime.fromisoformat(until) if until else None)

    def on_kill(self) -> None:
        """Ask the import to stop; what it has read is checkpointed for the next attempt.

        An import that has not begun yet stops as soon as it does.
        """
        self._killed = True
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
        """Say what was read and written, column by column; a part has written nothing yet."""
        if self._report is None or self.step in ("split", "part"):
            return self.get_openlineage_facets_on_start()
        return lineage.emit(facts.loaded(self.plan(), self._report), owner=self.owner)

    def _run(self, context: Context, *, until: datetime | None) -> Any:
        with translated():
            plan = self.plan()
            run = run_of(context, incremental=plan.incremental)
            opened = open_plan(plan, resolve=credentials)
            if self.step == "split":
                return steps.split(plan, opened, run=run)
            if plan.flush and until is None:
                until = datetime.now(UTC) + plan.flush.run_for
            try:
                self._report = self._import(plan, opened, run=run, until=until)
            except TransientError as error:
                self._wait(error, plan, opened, until=until)
                raise
            if self._report.usage:
                self.log.info("asked for %s", usage_text(self._report.usage))
            if self.step == "part":
                return xcom(self._report)
            announce(self._report, context=context, inlets=self.inlets, outlets=self.outlets)
            if self.skip_if_empty and not self._report.rows:
                raise NothingToDo(f"{plan.dag_id}: there was nothing new to import")
        return xcom(self._report)

    def _import(
        self, plan: ImportPlan, opened: Opened, *, run: Run, until: datetime | None
    ) -> LoadReport:
        if self.step == "publish":
            return steps.publish(plan, opened, run=run, reports=self.reports)
        if self.step == "import" and plan.partitions > 1:
            raise ConfigurationError(
                f"{self._where}: partitions needs several tasks; build them with "
                "airflow_provider_spotify.operators.partitioned"
            )
        self._cancel = threading.Event()
        if self._killed:  # looked at after the event is there, so that no request falls between
            self._cancel.set()
        try:
            return run_import(
                plan,
                source=opened.source,
                sink=opened.sink,
                key=opened.key,
                run=steps.part_run(run, self.part) if self.part else run,
                cancel=self._cancel,
                until=until,
                when_idle="raise" if self.deferrable else "end",
            )
        finally:
            self._cancel, self._killed = None, False

    def _wait(
        self, error: TransientError, plan: ImportPlan, opened: Opened, *, until: datetime | None
    ) -> None:
        """Give the worker slot back if the wait is long.

        :raises TaskDeferred: until the system may be asked again, or a stream has something
        """
        if not self.deferrable:
            return
        kwargs = {"until": until.isoformat() if until else None}
        if isinstance(error, Idle):
            self.log.info("%s", error)
            ready = steps.when_ready(plan, since=opened.sink.cursor(plan.name), **kwargs)
            raise TaskDeferred(trigger=ready, method_name="resume", kwargs=kwargs) from error
        if (error.retry_after or 0) > LONG_WAIT:
            moment = datetime.now(UTC) + timedelta(seconds=error.retry_after or 0)
            self.log.warning("%s; the task goes on at %s", error, moment.isoformat())
            later = DateTimeTrigger(moment=moment)
            raise TaskDeferred(trigger=later, method_name="resume", kwargs=kwargs) from error

    def _words(self) -> dict[str, Any]:
        name = self.import_id(self.import_name)
        settings = {key: getattr(self, key) for key in SETTINGS}
        given = {key: value for key, value in settings.items() if value is not None}
        return {"tenant": self.tenant, "name": name, "table": self.table, **given}
