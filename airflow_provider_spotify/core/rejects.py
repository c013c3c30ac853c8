"""The shape of a rejected record, the same in every sink."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("column_name", pa.string()),
        pa.field("record", pa.string(), nullable=False),
        pa.field("location", pa.string()),
    ]
)
"""``stage`` source, contract or quality; ``record`` the original row as JSON, encrypted with the
tenant's key where the import declares personal columns; ``location`` file:line, offset or page."""


def rejects(
    records: Sequence[str],
    *,
    stage: str,
    reason: Sequence[str],
    column: Sequence[str | None] | None = None,
    location: Sequence[str | None] | None = None,
) -> pa.RecordBatch:
    """Build a batch of rejected records from columns of equal length."""
    none: list[str | None] = [None] * len(records)
    columns = [[stage] * len(records), reason, column or none, records, location or none]
    arrays = [pa.array(c, pa.string()) for c in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=REJECTED_SCHEMA)
