"""Reads what kind of dataset an OpenLineage name stands for, and turns it into an asset's URI."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlsplit

from airflow_provider_spotify.core.model import DatasetName

Kind = Literal["TABLE", "FILE", "STREAM", "API"]

_KINDS: dict[str, Kind] = {
    "duckdb": "TABLE",
    "postgres": "TABLE",
    "clickhouse": "TABLE",
    "mongodb": "TABLE",
    "kafka": "STREAM",
    "pulsar": "STREAM",
    "redis": "TABLE",
    "http": "API",
    "https": "API",
}


def kind(name: DatasetName) -> Kind:
    """Return what a dataset is, by the scheme of its namespace; a file where nothing else fits.

    ``duckdb``, ``mongodb`` and ``clickhouse`` are not in the specification's table
    (https://openlineage.io/docs/spec/naming/); they are named as other integrations name them.
    """
    scheme = urlsplit(name.namespace).scheme or name.namespace
    return _KINDS.get(scheme, "FILE")


def uri(name: DatasetName) -> str:
    """Return one URI for a dataset: the namespace, a slash, and the quoted name.

    A local file is named ``file`` and an absolute path; its URI has three slashes.
    """
    root = name.namespace if "://" in name.namespace else f"{name.namespace}://"
    return f"{root}/{quote(name.name.lstrip('/'), safe='/.-_*{}')}"
