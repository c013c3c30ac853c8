"""Builds an import's DAG from its plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow.sdk import DAG

from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan
from airflow_provider_spotify.dag_factory.deadline import deadline
from airflow_provider_spotify.dag_factory.doc import doc_md
from airflow_provider_spotify.dag_factory.params import add_params
from airflow_provider_spotify.dag_factory.schedule import asset, schedule, start
from airflow_provider_spotify.notifications.notifier import ImportNotifier
from airflow_provider_spotify.operators.base import ImportOperator
from airflow_provider_spotify.operators.partitioned import partitioned
from airflow_provider_spotify.operators.registry import arguments, operator_class
from airflow_provider_spotify.sensors.registry import sensor_class, source_arguments

_BACKOFF = 2.0
"""Each wait before a retry is this many times the one before it, up to ``max_delay``."""


def build_tenant(tenant: TenantPlan) -> Iterator[DAG]:
    """Yield the DAG of each of a tenant's imports, in the order of the YAML."""
    for plan in tenant.imports.values():
        yield build_dag(tenant, plan=plan)


def build_dag(tenant: TenantPlan, *, plan: ImportPlan) -> DAG:
    """Build the DAG ``<tenant>__<import>``: an optional ``wait``, then ``import``.

    The same plan gives the same serialized DAG: nothing here depends on the time, on the order of
    a set or on this machine.
    """
    late = deadline(tenant, plan=plan)
    dag = DAG(
        plan.dag_id,
        description=plan.description,
        schedule=schedule(tenant, plan=plan),
        start_date=start(tenant),
        catchup=False,
        max_active_runs=1,
        default_args=_defaults(tenant, plan),
        tags=_tags(tenant, plan),
        doc_md=doc_md(tenant, plan=plan),
        deadline=[late] if late else None,
    )
    _add_tasks(dag, tenant, plan)
    add_params(dag)
    return dag


def _add_tasks(dag: DAG, tenant: TenantPlan, plan: ImportPlan) -> None:
    first = _first(dag, tenant, plan)
    if plan.wait_for is None:
        return
    wait = sensor_class(plan.source.type)(
        task_id="wait",
        dag=dag,
        timeout=plan.wait_for.timeout.total_seconds(),
        poke_interval=plan.wait_for.poke.total_seconds(),
        **source_arguments(plan),
    )
    wait.set_downstream(first)


def _first(dag: DAG, tenant: TenantPlan, plan: ImportPlan) -> ImportOperator:
    """Add the task that imports, or those that share the load; return the first."""
    words = {
        "task_id": "import",
        "dag": dag,
        "outlets": [asset(plan)],
        "execution_timeout": plan.timeout,
        "on_success_callback": _notifier("success", tenant, plan),
        **arguments(plan),
    }
    operator = operator_class(plan.source.type)
    if plan.partitions == 1:
        return operator(**words)
    return partitioned(operator, **words).split


def _defaults(tenant: TenantPlan, plan: ImportPlan) -> dict[str, Any]:
    given: dict[str, Any] = {
        "owner": tenant.owner,
        "retries": plan.retries.attempts,
        "retry_delay": plan.retries.delay,
        "max_retry_delay": plan.retries.max_delay,
        "retry_exponential_backoff": _BACKOFF,
        "priority_weight": plan.priority,
        "pool": plan.pool,
        # Of the task, not of the DAG: a DAG's callback runs in the DAG processor, without the
        # error and without the log's address.
        "on_failure_callback": _notifier("failure", tenant, plan),
    }
    return {name: value for name, value in given.items() if value is not None}


def _notifier(on: Any, tenant: TenantPlan, plan: ImportPlan) -> ImportNotifier | None:
    told = [channel for channel in tenant.notify if on in channel.on]
    if not told:
        return None
    return ImportNotifier(on=on, tenant=tenant.tenant, import_name=plan.name, notify=told)


def _tags(tenant: TenantPlan, plan: ImportPlan) -> list[str]:
    team = [f"team:{tenant.team}"] if tenant.team else []
    return sorted({f"tenant:{tenant.tenant}", f"source:{plan.source.type}", *team, *plan.tags})
