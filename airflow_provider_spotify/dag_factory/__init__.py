"""Turns plans into DAGs; ``dags/tenants.py`` needs nothing else than ``load_tenants``."""

from __future__ import annotations

from airflow_provider_spotify.dag_factory.loader import load_tenants, load_texts

__all__ = ["load_tenants", "load_texts"]
