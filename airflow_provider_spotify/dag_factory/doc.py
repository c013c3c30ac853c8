"""The page that Airflow shows beside a DAG: what it imports, in words."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan
from airflow_provider_spotify.core.config.rules import Check


def doc_md(tenant: TenantPlan, *, plan: ImportPlan) -> str:
    """Describe an import in Markdown. It names connections and never what they hold."""
    rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in _facts(tenant, plan))
    text = f"### {plan.name} of {tenant.tenant}\n\n"
    if plan.description:
        text += f"{plan.description}\n\n"
    return f"{text}| | |\n|---|---|\n{rows}\n"


def _facts(tenant: TenantPlan, plan: ImportPlan) -> Iterator[tuple[str, str]]:
    yield "Source", _place(plan.source.type, plan.source.connection)
    yield "Destination", _place(plan.destination.type, plan.destination.connection)
    yield "Table", f"`{plan.table}`"
    yield "Write", _write(plan)
    yield "Schedule", _schedule(tenant, plan)
    yield "Contract", _contract(plan)
    if masked := _masked(plan):
        yield "Personal data", masked
    if plan.quality:
        yield "Checks", ", ".join(_check(check) for check in plan.quality)
    if plan.sla:
        yield "SLA", f"within {plan.sla.model_dump(mode='json')['within']} of being queued"
    yield "Owner", tenant.owner


def _place(kind: str, connection: str | None) -> str:
    return f"{kind} (connection `{connection}`)" if connection else kind


def _write(plan: ImportPlan) -> str:
    return (
        f"{plan.write.mode} on {', '.join(plan.write.key)}" if plan.write.key else plan.write.mode
    )


def _schedule(tenant: TenantPlan, plan: ImportPlan) -> str:
    parts = []
    if plan.schedule:
        parts.append(f"`{plan.schedule.cron}` ({plan.schedule.timezone or tenant.timezone})")
    if plan.after:
        parts.append(f"after {', '.join(plan.after)}")
    return " or ".join(parts) or "by hand"


def _contract(plan: ImportPlan) -> str:
    declared = len(plan.contract.columns)
    return f"{plan.contract.mode}, {declared} columns declared" if declared else plan.contract.mode


def _masked(plan: ImportPlan) -> str:
    columns = plan.contract.columns.items()
    return ", ".join(f"`{name}` {column.pii.action}" for name, column in columns if column.pii)


def _check(check: Check) -> str:
    columns = getattr(check, "columns", None) or [getattr(check, "column", None)]
    named = ", ".join(column for column in columns if column)
    return f"{check.check}({named})" if named else check.check


def _cell(value: str) -> str:
    """Keep a table row on one line, whatever the YAML holds."""
    return " ".join(value.replace("|", "\\|").split())
