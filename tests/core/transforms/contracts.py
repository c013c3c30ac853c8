"""Contracts and batches of a few words, for the tests of what a contract does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from airflow_provider_spotify.core.config.rules import ContractPlan
from airflow_provider_spotify.core.transforms.arrow_types import type_name
from airflow_provider_spotify.core.transforms.contract import Contract

KNOWN = pa.schema([("id", pa.int64()), ("name", pa.string())])


def text(**columns: Sequence[str | None]) -> pa.RecordBatch:
    """Return a batch as a CSV source gives it."""
    return pa.RecordBatch.from_pydict({k: pa.array(v, pa.string()) for k, v in columns.items()})


def contract(
    *, known: pa.Schema | None = None, textual: bool = False, mode: str = "evolve", **plan: Any
) -> Contract:
    return Contract(ContractPlan(mode=mode, **plan), known=known, textual=textual)


def types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: type_name(field.type) for field in schema}
