"""The callback of a missed deadline; the triggerer runs it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_spotify.notifications import message as messages

log = logging.getLogger(__name__)

_OVER = frozenset({"success", "failed"})


async def deadline_missed(
    *,
    tenant: str,
    import_name: str,
    within: str,
    notify: Sequence[Mapping[str, Any]] = (),
    context: Mapping[str, Any] | None = None,
) -> str:
    """Tell those who asked that a run is late, unless it is over.

    Airflow 3.3 fires a deadline also for a run that failed before it (apache/airflow#60927); such a
    run has told its failure already.

    :param within: the SLA, as the YAML has it
    :param notify: the tenant's channels
    :param context: ``{"dag_run": ..., "deadline": ...}``; Airflow gives nothing else here
    :returns: what was done, for Airflow's callback record
    """
    run = (context or {}).get("dag_run") or {}
    if str(run.get("state")) in _OVER:
        return f"ignored: the run is already {run['state']}"
    news = messages.late(run, tenant=tenant, import_name=import_name, within=within)
    log.warning("%s", news.plain)
    # Loaded here: the DAG processor imports this module for each file, but never sends.
    from airflow_provider_spotify.notifications.notifier import tell, wanting

    # The log has the message already.
    plans = [plan for plan in wanting("sla", notify=notify) if plan.type != "log"]
    await tell(plans, news=news)
    return f"told {len(plans) + 1} channels"
