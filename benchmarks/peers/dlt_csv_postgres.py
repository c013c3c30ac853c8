"""CSV to PostgreSQL with dlt: `default` (rows as dicts) or `adbc` (Arrow and its ADBC loader)."""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow.csv as pa_csv


def records(path: str) -> Iterator[dict[str, Any]]:
    """Yield rows as dicts, as dlt's filesystem reader does."""
    with open(path, newline="") as file:  # noqa: PTH123 - the plainest way there is
        yield from csv.DictReader(file)


def batches(path: str) -> Iterator[Any]:
    """Yield Arrow tables of one block each."""
    reader = pa_csv.open_csv(path, read_options=pa_csv.ReadOptions(block_size=16 << 20))
    yield from reader


def main(way: str, path: str) -> None:
    """Load the file once."""
    data = batches(path) if way == "adbc" else records(path)
    with tempfile.TemporaryDirectory() as home:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=home,
            destination=dlt.destinations.postgres(os.environ["BENCH_POSTGRES_URL"]),
            dataset_name="dlt_bench",
        )
        form = "parquet" if way == "adbc" else None
        resource = dlt.resource(data, name="plays")
        pipeline.run(resource, write_disposition="replace", loader_file_format=form)
        with pipeline.sql_client() as client:
            count = client.execute_sql("select count(*) from plays")[0][0]
    print(json.dumps({"rows": count}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
