"""Makes the documents of the benchmarks: the usual rows, with an object and a list each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from benchmarks.data import BLOCK, block


def blocks(rows: int) -> Iterator[pa.Table]:
    """Yield that many rows, in tables of at most a quarter of a million."""
    for number in range(-(-rows // BLOCK)):
        yield block(number, min(BLOCK, rows - number * BLOCK))


def documents(rows: int, *, size: int = 5_000) -> Iterator[list[dict[str, Any]]]:
    """Yield them as documents of ten fields, in lists of ``size``; times are of milliseconds."""
    for table in blocks(rows):
        for batch in table.to_batches(max_chunksize=size):
            yield [
                document
                | {
                    "device": {"os": "ios", "volume": document["event_id"] % 100},
                    "tags": ["a", "b"],
                }
                for document in batch.to_pylist()
            ]
