"""Airflow finds the DAGs of every tenant in dag_configs here."""

from __future__ import annotations

from airflow_provider_spotify.dag_factory import load_tenants

load_tenants(globals())
