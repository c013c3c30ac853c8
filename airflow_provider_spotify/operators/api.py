"""Operators that import from HTTP APIs."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class RestImportOperator(ImportOperator):
    """Import the records that a REST API lists, page by page."""

    source_type = "rest"
