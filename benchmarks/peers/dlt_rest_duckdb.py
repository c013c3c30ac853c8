"""A paged web API to DuckDB with dlt's rest_api source."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source


def main(database: str, page: int) -> None:
    """Load the listing once; the clock starts when everything is imported."""
    Path(database).unlink(missing_ok=True)
    host = json.loads(os.environ["BENCH_CONNECTION_WEB_API"])["host"]
    listing = {
        "client": {"base_url": host},
        "resources": [
            {
                "name": "plays",
                "endpoint": {
                    "path": "plays",
                    "data_selector": "items",
                    "paginator": {"type": "offset", "limit": page, "total_path": "total"},
                },
            }
        ],
    }
    with tempfile.TemporaryDirectory() as home:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=home,
            destination=dlt.destinations.duckdb(database),
            dataset_name="bench",
        )
        began = time.perf_counter()
        pipeline.run(rest_api_source(listing), write_disposition="replace")
        seconds = time.perf_counter() - began
        with pipeline.sql_client() as client:
            count = client.execute_sql("select count(*) from plays")[0][0]
    print(json.dumps({"rows": count, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
