"""Finds the operator of a source by the source's name."""

from __future__ import annotations

import importlib
from functools import cache

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.operators.base import ImportOperator
from airflow_provider_spotify.operators.words import arguments

__all__ = ["arguments", "operator_class"]

_HERE = "airflow_provider_spotify.operators"


@cache
def operator_class(source_type: str) -> type[ImportOperator]:
    """Return the operator that imports from a source, such as ``CsvImportOperator`` for ``csv``.

    A source of a third party that brings no operator gets one here.

    :raises ConfigurationError: if there is no such source; the message offers the nearest name
    """
    registry.source(source_type)
    name = class_name(source_type)
    if registry.sources()[source_type].startswith("airflow_provider_spotify.core."):
        module = importlib.import_module(f"{_HERE}.{registry.family(source_type)}")
        found: type[ImportOperator] = getattr(module, name)
        return found
    doc = f"Import what the source {source_type} reads."
    return type(name, (ImportOperator,), {"source_type": source_type, "__doc__": doc})


def class_name(source_type: str) -> str:
    """Return the name of a source's operator, which OpenLineage tells operators apart by."""
    return "".join(part.title() for part in source_type.split("_")) + "ImportOperator"
