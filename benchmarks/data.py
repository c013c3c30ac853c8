"""Makes the input of the benchmarks, once, from a seed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

BLOCK = 250_000


def block(number: int, rows: int = BLOCK) -> pa.Table:
    """Return rows of eight columns: two bigint, two text, int, double, boolean, timestamp."""
    rng = np.random.default_rng(number)
    first = number * BLOCK
    ids = np.arange(first, first + rows, dtype=np.int64)
    users = rng.integers(0, 50_000, rows)
    names = np.char.add("listener-", users.astype("U8"))
    tracks = np.char.add(
        "A song with a longer name, no. ", rng.integers(0, 90_000, rows).astype("U8")
    )
    played = np.datetime64("2026-01-01T00:00:00", "us") + ids * np.timedelta64(700, "ms")
    return pa.table(
        {
            "event_id": ids,
            "user_id": users.astype(np.int64),
            "user_name": names,
            "track": tracks,
            "duration_s": rng.integers(20, 900, rows).astype(np.int32),
            "volume": np.round(rng.random(rows), 6),
            "skipped": rng.random(rows) < 0.2,
            "played_at": played,
        }
    )


def csv(folder: Path, *, rows: int) -> Path:
    """Write a CSV file of that many rows (about 112 bytes each), unless it is there."""
    path = folder / f"plays-{rows}.csv"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with pa_csv.CSVWriter(unfinished, block(0, 1).schema) as writer:
            for number in range(-(-rows // BLOCK)):
                writer.write_table(block(number, min(BLOCK, rows - number * BLOCK)))
        unfinished.rename(path)
    return path


def parquet(folder: Path, *, rows: int) -> Path:
    """Write the same rows as Parquet, unless they are there."""
    path = folder / f"plays-{rows}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, block(0, 1).schema) as writer:
            for number in range(-(-rows // BLOCK)):
                writer.write_table(block(number, min(BLOCK, rows - number * BLOCK)))
    return path


if __name__ == "__main__":
    print(csv(Path(sys.argv[1]), rows=int(sys.argv[2])))
