"""What is known about a load's lineage, before it and after it, in no library's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.config.rules import ColumnPlan
from airflow_provider_spotify.core.lineage import naming
from airflow_provider_spotify.core.model import (
    CheckResult,
    ColumnProfile,
    DatasetName,
    Frozen,
    LoadReport,
)

_CLEAR = "keep"  # the action that leaves a personal column as it is


class ColumnFact(Frozen):
    """One column of the table: where it comes from, and how it was protected on the way.

    :param masking: the privacy action that changed it, if one did
    :param personal: it holds, or held before masking, data about a person
    """

    name: str
    type: str | None = None
    description: str | None = None
    source_field: str
    masking: str | None = None
    personal: bool = False


class LineageFacts(Frozen):
    """One load as a fact: read here, written there, these columns, these checks."""

    tenant: str
    import_name: str
    source: DatasetName
    destination: DatasetName
    source_kind: naming.Kind
    destination_kind: naming.Kind
    write_mode: str
    columns: Sequence[ColumnFact] = ()
    filtered_by: Sequence[str] = ()
    report: LoadReport | None = None

    def metrics(self) -> Sequence[ColumnProfile]:
        """Return the profile of each column, without values where it is about people."""
        if self.report is None:
            return ()
        personal = {column.name for column in self.columns if column.personal}
        return [_public(profile, personal=personal) for profile in self.report.columns]

    def checks(self) -> Sequence[CheckResult]:
        """Return the outcome of every check of the load."""
        return self.report.checks if self.report else ()


def declared(plan: ImportPlan, *, source: DatasetName, destination: DatasetName) -> LineageFacts:
    """Return what is known before a load: the names, and the columns that the contract declares."""
    columns = [
        _column(name, plan.contract.columns[name], kind=plan.contract.columns[name].type)
        for name in plan.contract.columns
        if not _dropped(plan.contract.columns[name])
    ]
    return _facts(plan, source, destination, columns)


def loaded(plan: ImportPlan, report: LoadReport) -> LineageFacts:
    """Return what is known after a load: the columns that arrived, the counts and the checks."""
    masked = {column.name: column.action for column in report.masked}
    columns = [
        _column(
            profile.name,
            plan.contract.columns.get(profile.name, ColumnPlan()),
            kind=profile.type,
            masking=masked.get(profile.name),
            undeclared=profile.name in report.undeclared_pii,
        )
        for profile in report.columns
    ]
    names = DatasetName(*report.source), DatasetName(*report.destination)
    facts = _facts(plan, *names, columns)
    return facts.model_copy(update={"report": report})


def _facts(
    plan: ImportPlan,
    source: DatasetName,
    destination: DatasetName,
    columns: Sequence[ColumnFact],
) -> LineageFacts:
    filtered = {
        column
        for check in plan.quality
        if check.severity == "error"
        for column in getattr(check, "columns", None) or [getattr(check, "column", None)]
        if column
    }
    return LineageFacts(
        tenant=plan.tenant,
        import_name=plan.name,
        source=source,
        destination=destination,
        source_kind=naming.kind(source),
        destination_kind=naming.kind(destination),
        write_mode=plan.write.mode,
        columns=columns,
        filtered_by=sorted(filtered),
    )


def _column(
    name: str,
    plan: ColumnPlan,
    *,
    kind: str | None,
    masking: str | None = None,
    undeclared: bool = False,
) -> ColumnFact:
    action = masking or (plan.pii.action if plan.pii else None)
    return ColumnFact(
        name=name,
        type=kind,
        description=plan.description,
        source_field=plan.source_name or name,
        masking=None if action == _CLEAR else action,
        personal=plan.pii is not None or undeclared,
    )


def _dropped(plan: ColumnPlan) -> bool:
    return plan.pii is not None and plan.pii.action == "drop"


def _public(profile: ColumnProfile, *, personal: set[str]) -> ColumnProfile:
    """Keep a column's extremes only where they are numbers about no person."""
    numbers = all(_is_number(value) for value in (profile.min, profile.max))
    if numbers and profile.name not in personal:
        return profile
    return profile.model_copy(update={"min": None, "max": None, "quantiles": None})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
