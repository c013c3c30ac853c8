"""Airflow provider that imports many tenants' data; importing it loads nothing else."""

from __future__ import annotations

__version__ = "0.1.0"
