"""Operators that import files: CSV, JSON lines and Parquet."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class CsvImportOperator(ImportOperator):
    """Import CSV files, local or in an object store."""

    source_type = "csv"


class JsonlImportOperator(ImportOperator):
    """Import files of JSON lines, local or in an object store."""

    source_type = "jsonl"


class ParquetImportOperator(ImportOperator):
    """Import Parquet files, local or in an object store."""

    source_type = "parquet"
