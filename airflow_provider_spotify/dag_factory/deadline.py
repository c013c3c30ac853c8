"""An import's SLA as Airflow's Deadline Alert."""

from __future__ import annotations

import os

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan
from airflow_provider_spotify.notifications.deadline import deadline_missed

SWITCH = "SPOTIFY_IMPORTS_DEADLINES"
"""Set to ``off`` where ``dag.test()`` runs: on Airflow 3.3 it crashes after a successful run of a
DAG that has a deadline (apache/airflow#73428)."""


def deadline(tenant: TenantPlan, *, plan: ImportPlan) -> DeadlineAlert | None:
    """Return the alert for runs that have not succeeded ``sla.within`` after they were queued.

    Counting starts at ``DAGRUN_QUEUED_AT``: a logical date, which manual and asset-triggered runs
    lack, would give those runs no deadline at all.
    """
    if plan.sla is None or os.environ.get(SWITCH, "").lower() == "off":
        return None
    within = plan.sla.within
    told = [n for n in tenant.notify if "sla" in n.on]
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=within,
        name="sla",
        callback=AsyncCallback(
            deadline_missed,
            {
                "tenant": tenant.tenant,
                "import_name": plan.name,
                "within": plan.sla.model_dump(mode="json")["within"],
                "notify": [n.model_dump(mode="json", exclude_defaults=True) for n in told],
            },
        ),
    )
