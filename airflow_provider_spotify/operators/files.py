"""Operators that import files: Avro, CSV, Excel, JSON lines and Parquet."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class AvroImportOperator(ImportOperator):
    """Import Avro files, local or in an object store."""

    source_type = "avro"


class CsvImportOperator(ImportOperator):
    """Import CSV files, local or in an object store."""

    source_type = "csv"


class ExcelImportOperator(ImportOperator):
    """Import sheets of Excel or OpenDocument workbooks, local or in an object store."""

    source_type = "excel"


class JsonlImportOperator(ImportOperator):
    """Import files of JSON lines, local or in an object store."""

    source_type = "jsonl"


class ParquetImportOperator(ImportOperator):
    """Import Parquet files, local or in an object store."""

    source_type = "parquet"
