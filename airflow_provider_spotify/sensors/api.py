"""Sensors that wait for the records of an HTTP API."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class RestReadySensor(SourceReadySensor):
    """Wait for records of a REST API that are new since the last import."""

    source_type = "rest"
