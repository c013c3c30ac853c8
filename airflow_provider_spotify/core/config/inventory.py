"""What a folder of YAML would give: DAGs, schedules, tables, connections, personal data, quotas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan
from airflow_provider_spotify.core.usage import limits_text


class ImportRow(NamedTuple):
    """One import as people ask about it; every value is text, a number or a list of texts."""

    dag_id: str
    tenant: str
    owner: str
    schedule: str
    source: str
    source_connection: str | None
    destination: str
    destination_connection: str | None
    table: str
    write: str
    checks: int
    pii: Mapping[str, str]
    undeclared_pii: str
    privacy_key: str | None
    pool: str | None
    priority: int
    retries: str
    checkpoint: str
    budget: str
    timeout: str | None
    sla: str | None
    notify: Sequence[str]


class ConnectionRow(NamedTuple):
    """One connection that must exist before the DAGs run, and what it is for."""

    connection: str
    type: str | None
    used_by: Sequence[str]


class Inventory(NamedTuple):
    """Everything that a folder would give."""

    imports: Sequence[ImportRow]
    connections: Sequence[ConnectionRow]

    def as_data(self) -> dict[str, Any]:
        """Return plain data, as ``plan --format json`` prints it."""
        return {
            "imports": [row._asdict() for row in self.imports],
            "connections": [row._asdict() for row in self.connections],
        }


def inventory(tenants: Mapping[str, TenantPlan]) -> Inventory:
    """List what tenants would give, in the order of their names."""
    plans = [
        (tenants[name], tenants[name].imports[key])
        for name in sorted(tenants)
        for key in sorted(tenants[name].imports)
    ]
    return Inventory([_row(tenant, plan) for tenant, plan in plans], _connections(plans))


def _row(tenant: TenantPlan, plan: ImportPlan) -> ImportRow:
    said = plan.model_dump(mode="json", include={"retries", "checkpoint", "timeout", "sla"})
    retries, checkpoint = said["retries"], said["checkpoint"]
    personal = {name: c.pii.action for name, c in plan.contract.columns.items() if c.pii}
    return ImportRow(
        dag_id=plan.dag_id,
        tenant=tenant.tenant,
        owner=tenant.owner,
        schedule=schedule_text(tenant, plan),
        source=plan.source.type,
        source_connection=plan.source.connection,
        destination=destination_text(plan),
        destination_connection=plan.destination.connection,
        table=plan.table,
        write=" ".join(
            [plan.write.mode, *(["on", ", ".join(plan.write.key)] if plan.write.key else [])]
        ),
        checks=len(plan.quality),
        pii=personal,
        undeclared_pii=plan.pii.undeclared,
        privacy_key=plan.privacy.key,
        pool=plan.pool,
        priority=plan.priority,
        retries=f"{retries['attempts']} x {retries['delay']}..{retries['max_delay']}",
        checkpoint=f"{checkpoint['rows']:,} rows or {checkpoint['every']}",
        budget=limits_text(plan.budget),
        timeout=said["timeout"],
        sla=said["sla"]["within"] if said["sla"] else None,
        notify=[f"{n.type} on {'/'.join(n.on)}" for n in tenant.notify],
    )


def schedule_text(tenant: TenantPlan, plan: ImportPlan) -> str:
    """Say when an import runs: its cron with its zone, or what it comes after."""
    parts = []
    if plan.schedule:
        parts.append(f"{plan.schedule.cron} ({plan.schedule.timezone or tenant.timezone})")
    if plan.after:
        parts.append(f"after {', '.join(plan.after)}")
    return "; ".join(parts) or "by hand"


def destination_text(plan: ImportPlan) -> str:
    """Say where an import writes: the type, and the path or schema that its Config names."""
    config = plan.destination.config.model_dump(mode="json", by_alias=True)
    where = [str(config[key]) for key in ("path", "database", "schema") if config.get(key)]
    return f"{plan.destination.type}:{' '.join(where)}" if where else plan.destination.type


def _connections(plans: Sequence[tuple[TenantPlan, ImportPlan]]) -> list[ConnectionRow]:
    types: dict[str, str | None] = {}
    used: dict[str, dict[str, None]] = defaultdict(dict)

    def note(connection: str | None, kind: str | None, user: str) -> None:
        if connection is not None:
            types[connection] = types.get(connection) or kind
            used[connection][user] = None

    for tenant, plan in plans:
        source, sink = registry.source(plan.source.type), registry.sink(plan.destination.type)
        note(plan.source.connection, source.conn_type, plan.dag_id)
        note(plan.destination.connection, sink.conn_type, plan.dag_id)
        note(plan.privacy.key, "generic", f"{tenant.tenant} privacy")
        for target in tenant.notify:
            note(target.connection, target.type, f"{tenant.tenant} notify")
    return [ConnectionRow(name, types[name], list(used[name])) for name in sorted(used)]
