"""Ways to read a paged web API: `python -m benchmarks.web_ways way rows`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import timed
from benchmarks.servers import credentials
from benchmarks.web_server import PAGE

WIDTH = 16
"""Requests under way at once, in every way that can."""
SOURCE: dict[str, Any] = {
    "type": "rest",
    "connection": "web_api",
    "path": "plays",
    "records": "items",
    "pagination": {"kind": "offset", "limit": PAGE, "total": "total"},
    "concurrency": WIDTH,
}


async def _bare(rows: int, *, parse: bool) -> int:
    """Ask for every page by aiohttp alone, whose addresses are known beforehand."""
    import aiohttp
    import orjson

    url = f"{credentials('web_api').host}/plays"
    offsets = iter(range(0, rows, PAGE))
    count = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal count
        for offset in offsets:
            query = {"offset": str(offset), "limit": str(PAGE)}
            async with session.get(url, params=query) as answer:
                body = await answer.read()
                count += len(orjson.loads(body)["items"]) if parse else PAGE

    connector = aiohttp.TCPConnector(limit=WIDTH)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*[work(session) for _ in range(WIDTH)])
    return count


def bare(rows: int) -> Mapping[str, object]:
    """Read every page and parse its JSON, and leave Python objects."""
    timed.import_all()
    began = time.perf_counter()
    return {"rows": asyncio.run(_bare(rows, parse=True)), "seconds": time.perf_counter() - began}


def unread(rows: int) -> Mapping[str, object]:
    """Read every page and look at none: what the network and the server cost."""
    timed.import_all()
    began = time.perf_counter()
    return {"rows": asyncio.run(_bare(rows, parse=False)), "seconds": time.perf_counter() - began}


def arrow(rows: int) -> Mapping[str, object]:
    """Read every page, parse its JSON and make Arrow of it by pyarrow."""
    import aiohttp
    import orjson
    import pyarrow as pa

    timed.import_all()
    url = f"{credentials('web_api').host}/plays"
    offsets = iter(range(0, rows, PAGE))
    batches: list[pa.RecordBatch] = []

    async def work(session: aiohttp.ClientSession) -> None:
        for offset in offsets:
            query = {"offset": str(offset), "limit": str(PAGE)}
            async with session.get(url, params=query) as answer:
                items = orjson.loads(await answer.read())["items"]
                batches.append(pa.RecordBatch.from_pylist(items))

    async def run() -> None:
        connector = aiohttp.TCPConnector(limit=WIDTH)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*[work(session) for _ in range(WIDTH)])

    began = time.perf_counter()
    asyncio.run(run())
    found = sum(batch.num_rows for batch in batches)
    return {"rows": found, "seconds": time.perf_counter() - began}


def source(_: int) -> Mapping[str, object]:
    """Read into Arrow by this package's rest source, which finds the types."""
    return timed.read(SOURCE)


def duckdb(_: int) -> Mapping[str, object]:
    """Import into DuckDB."""
    return timed.load(SOURCE, timed.duckdb_file("web_api"))


WAYS = {way.__name__: way for way in (unread, bare, arrow, source, duckdb)}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]))))
