"""Sensors that wait for files: Avro, CSV, Excel, JSON lines and Parquet."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class AvroReadySensor(SourceReadySensor):
    """Wait for Avro files that are new since the last import."""

    source_type = "avro"


class CsvReadySensor(SourceReadySensor):
    """Wait for CSV files that are new since the last import."""

    source_type = "csv"


class ExcelReadySensor(SourceReadySensor):
    """Wait for Excel or OpenDocument workbooks that are new since the last import."""

    source_type = "excel"


class JsonlReadySensor(SourceReadySensor):
    """Wait for files of JSON lines that are new since the last import."""

    source_type = "jsonl"


class ParquetReadySensor(SourceReadySensor):
    """Wait for Parquet files that are new since the last import."""

    source_type = "parquet"
