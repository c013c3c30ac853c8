"""Finds the sensor of a source by the source's name."""

from __future__ import annotations

import importlib
from functools import cache

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.hooks.plans import source_arguments
from airflow_provider_spotify.sensors.base import SourceReadySensor

__all__ = ["sensor_class", "source_arguments"]

_HERE = "airflow_provider_spotify.sensors"


@cache
def sensor_class(source_type: str) -> type[SourceReadySensor]:
    """Return the sensor that waits for a source, such as ``CsvReadySensor`` for ``csv``.

    It is called with ``source_arguments(plan)``. A third party's source that brings no sensor
    gets one here.

    :raises ConfigurationError: if there is no such source; the message offers the nearest name
    """
    registry.source(source_type)
    name = "".join(part.title() for part in source_type.split("_")) + "ReadySensor"
    if registry.sources()[source_type].startswith("airflow_provider_spotify.core."):
        module = importlib.import_module(f"{_HERE}.{registry.family(source_type)}")
        found: type[SourceReadySensor] = getattr(module, name)
        return found
    doc = f"Wait for what the source {source_type} has new."
    return type(name, (SourceReadySensor,), {"source_type": source_type, "__doc__": doc})
