"""Asks the sources that can foretell it what a first run would ask of their systems."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.environment import connection
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.opening import Resolver, open_source
from airflow_provider_spotify.core.sources.base import Source

if TYPE_CHECKING:
    from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan
    from airflow_provider_spotify.core.usage import Estimate

_PATIENCE = 10.0
"""Seconds that one source may take; a plan is a glance."""


def estimated(
    tenants: Mapping[str, TenantPlan], *, resolve: Resolver | None = None
) -> dict[str, Estimate]:
    """Return the estimates that are to be had, by DAG; a system out of reach has none."""
    found: dict[str, Estimate] = {}
    for tenant in tenants.values():
        for plan in tenant.imports.values():
            kind: type[Source[Any]] = registry.source(plan.source.type)
            if kind.estimate is Source.estimate:
                continue
            estimate = _asked(plan, resolve or connection)
            if estimate is not None:
                found[plan.dag_id] = estimate
    return found


def _asked(plan: ImportPlan, resolve: Resolver) -> Estimate | None:
    try:
        source = open_source(plan.source, tenant=plan.tenant, resolve=resolve)
        return asyncio.run(asyncio.wait_for(source.estimate(None), _PATIENCE))
    except (ImporterError, TimeoutError):
        return None  # plan describes; whether a system answers is what check says
