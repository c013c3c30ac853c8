"""The words of an import as an operator takes them, and back: a plan as an operator's words."""

from __future__ import annotations

from typing import Any

from airflow_provider_spotify.core.config.plans import Identifier, ImportPlan, ImportSettings
from airflow_provider_spotify.core.config.rules import PrivacyPlan
from airflow_provider_spotify.hooks.plans import source_arguments

SETTINGS = (
    "write",
    "contract",
    "quality",
    "privacy",
    "pii",
    "max_rejected",
    "budget",
    "checkpoint",
    "flush",
    "partitions",
    "incremental",
)
"""The settings of an import that its operator needs; the others are the DAG's."""


class ImportWords(ImportSettings):
    """What an operator says about an import besides its source and destination."""

    tenant: Identifier
    name: Identifier
    table: Identifier
    privacy: PrivacyPlan = PrivacyPlan()


def arguments(plan: ImportPlan) -> dict[str, Any]:
    """Return what an import's operator is called with: all the plan says but the DAG's own words.

    Only what differs from the default is there, in the words of the YAML, so that the same plan
    always gives the same task.
    """
    settings = plan.model_dump(mode="json", include=set(SETTINGS), exclude_defaults=True)
    return {**source_arguments(plan), "table": plan.table, **settings}
