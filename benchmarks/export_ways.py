"""Ways to read exports of events: `python -m benchmarks.export_ways way rows`."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
import time
import zipfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import timed
from benchmarks.export_server import DAY_ROWS, FIRST, HOUR_ROWS
from benchmarks.servers import credentials

_DAYS, _HOURS = 6, 24
"""Days, or hours, of one request of ours."""
_FIELDS = ("time", "distinct_id", "$insert_id", "$user_id", "$device_id", "$os", "$device",
           "$browser", "$app_version_string", "$city", "$region", "mp_country_code",
           "$current_url", "mp_lib", "mp_processing_time_ms")  # fmt: skip


def _source(kind: str, rows: int) -> dict[str, Any]:
    span = timedelta(days=rows // DAY_ROWS)
    own: dict[str, Any] = {"resource": "export", "days_per_request": _DAYS, "rate_limit": 100}
    if kind == "amplitude":
        span = timedelta(hours=rows // HOUR_ROWS)
        own = {"resource": "events", "hours_per_request": _HOURS}
    end = (FIRST + span).isoformat()
    return {"type": kind, "connection": "exports", "start": FIRST.isoformat(), "end": end, **own}


def mixpanel(rows: int) -> Mapping[str, object]:
    """Read Mixpanel's events into Arrow by this package's source."""
    return timed.read(_source("mixpanel", rows))


def amplitude(rows: int) -> Mapping[str, object]:
    """Read Amplitude's events into Arrow by this package's source."""
    return timed.read(_source("amplitude", rows))


def _downloaded(path: str, params: Mapping[str, str], to: Path) -> None:
    """Write an answer into a file, as curl would."""
    import aiohttp

    async def run() -> None:
        url = f"{credentials('exports').extra['api_url']}{path}"
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(None)) as session,
            session.get(url, params=params) as answer,
        ):
            with to.open("wb") as file:
                async for block in answer.content.iter_chunked(1 << 20):
                    file.write(block)

    asyncio.run(run())


def _scratch(name: str) -> Path:
    return Path(os.environ["BENCH_WORK"]) / name


def mixpanel_duckdb(rows: int) -> Mapping[str, object]:
    """Download Mixpanel's events to a file, and let DuckDB read it into Arrow batches."""
    import duckdb

    timed.import_all()
    began = time.perf_counter()
    file = _scratch("export.jsonl")
    last = FIRST + timedelta(days=rows // DAY_ROWS - 1)
    dates = {"from_date": f"{FIRST:%Y-%m-%d}", "to_date": f"{last:%Y-%m-%d}"}
    _downloaded("/api/2.0/export", dates, file)
    fields = json.dumps(dict.fromkeys(_FIELDS, "VARCHAR"))
    sql = f"""SELECT event, properties, unnest(json_transform(properties, '{fields}'))
        FROM read_json('{file}', format='newline_delimited',
                       columns={{event: 'VARCHAR', properties: 'JSON'}})"""
    reader = duckdb.connect().execute(sql).to_arrow_reader(100_000)
    assert reader is not None
    found = sum(batch.num_rows for batch in reader)
    file.unlink()
    return {"rows": found, "seconds": time.perf_counter() - began}


def amplitude_orjson(rows: int) -> Mapping[str, object]:
    """Download Amplitude's events, unpack them by zipfile and gzip, and parse them by orjson."""
    import orjson
    import pyarrow as pa

    timed.import_all()
    began = time.perf_counter()
    found = 0
    file = _scratch("export.zip")
    for start in range(0, rows // HOUR_ROWS, _HOURS):
        first = FIRST + timedelta(hours=start)
        last = FIRST + timedelta(hours=min(start + _HOURS, rows // HOUR_ROWS) - 1)
        hours = {"start": f"{first:%Y%m%dT%H}", "end": f"{last:%Y%m%dT%H}"}
        _downloaded("/api/2/export", hours, file)
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                with archive.open(name) as member, gzip.open(member) as text:
                    events = [orjson.loads(line) for line in text]
                for event in events:
                    for key, value in event.items():
                        if isinstance(value, dict):
                            event[key] = orjson.dumps(value).decode()
                found += pa.RecordBatch.from_pylist(events).num_rows
    file.unlink()
    return {"rows": found, "seconds": time.perf_counter() - began}


WAYS = {way.__name__: way for way in (mixpanel, mixpanel_duckdb, amplitude, amplitude_orjson)}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]))))
