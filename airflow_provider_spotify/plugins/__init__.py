"""Airflow UI plugin: health, metrics and a page per tenant."""

from __future__ import annotations
