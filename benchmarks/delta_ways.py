"""Ways to write a CSV file to a Delta table: `python -m benchmarks.delta_ways way file folder`.

The clock starts when libraries are imported and stops when the table's log has the commit.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping

from benchmarks import timed


def csv(path: str, folder: str) -> Mapping[str, object]:
    """Import by this package: types from the text, staged, one commit with cursor and ledger."""
    return timed.load({"type": "csv", "path": path}, {"type": "delta", "path": folder})


def bare(path: str, folder: str, *, read_before: bool = True) -> Mapping[str, object]:
    """Write Arrow that is in memory by write_deltalake."""
    import pyarrow.csv as pa_csv
    from deltalake import DeltaTable, write_deltalake

    timed.import_all()
    table = pa_csv.read_csv(path) if read_before else None
    began = time.perf_counter()
    write_deltalake(folder, pa_csv.read_csv(path) if table is None else table)
    taken = time.perf_counter() - began
    return {"rows": DeltaTable(folder).count(), "seconds": taken}


def read_and_write(path: str, folder: str) -> Mapping[str, object]:
    """Do the same, and count the reading of the CSV file by pyarrow."""
    return bare(path, folder, read_before=False)


def tidy(folder: str) -> Mapping[str, object]:
    """Prepare a run: forget what an earlier one left."""
    shutil.rmtree(folder, ignore_errors=True)
    return {}


WAYS = {way.__name__: way for way in (csv, bare, read_and_write, tidy)}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](*sys.argv[2:])))
