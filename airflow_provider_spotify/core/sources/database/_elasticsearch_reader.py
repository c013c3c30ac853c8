"""Reads one point in time page by page, asking for the next page while one is converted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.clients.elasticsearch import Elastic
from airflow_provider_spotify.core.sources.database._elasticsearch_order import Pass
from airflow_provider_spotify.core.sources.database._elasticsearch_pages import (
    Documents,
    Page,
    aligned,
    page,
)


class Section(NamedTuple):
    """Rows, and the greatest sort value so far: every row with it is here or before."""

    rows: pa.RecordBatch
    upto: Any


async def sections(
    client: Elastic, documents: Documents, one: Pass, *, body: Mapping[str, Any]
) -> AsyncIterator[Section]:
    """Read a pass, cut only where the sort value changes.

    A page may end among rows of one value; those are held until the value ends. So a cut needs no
    field that is unique, and ``_id``, which may not be sorted by, is not needed either.
    """
    cut = _Cut()
    key = pa.float64() if one.kind == "double" else pa.int64()
    pages = _pages(client, body, texts=one.kind == "text")
    async with aclosing(pages):  # type: ignore[type-var]
        async for found in pages:
            batch, keys = await asyncio.to_thread(documents.rows, found, key=key)
            begin = _begin(one, keys)
            if begin < len(keys):
                for section in cut.feed(batch.slice(begin), keys[begin:]):
                    yield section
    for section in cut.rest():
        yield section


def _begin(one: Pass, keys: Sequence[Any]) -> int:
    """Return where the rows begin that an earlier read did not give."""
    return next((i for i, key in enumerate(keys) if not one.passed(key)), len(keys))


class _Cut:
    """Holds the rows of the last value until another value follows."""

    def __init__(self) -> None:
        self._held: list[pa.RecordBatch] = []
        self._value: Any = None

    def feed(self, batch: pa.RecordBatch, keys: Sequence[Any]) -> list[Section]:
        start = _last_group(keys)
        found: list[Section] = []
        if self._held and (start or keys[-1] != self._value):
            before = keys[start - 1] if start else self._value
            found = [self._section([batch.slice(0, start)] if start else [], before)]
        elif start:
            found = [Section(batch.slice(0, start), keys[start - 1])]
        self._held.append(batch.slice(start))
        self._value = keys[-1]
        return found

    def rest(self) -> list[Section]:
        return [self._section([], self._value)] if self._held else []

    def _section(self, more: list[pa.RecordBatch], upto: Any) -> Section:
        batches = [*self._held, *more]
        self._held = []
        schema = batches[-1].schema
        return Section(pa.concat_batches([aligned(each, schema) for each in batches]), upto)


def _last_group(keys: Sequence[Any]) -> int:
    """Return where the rows begin that share the last sort value."""
    start = len(keys) - 1
    while start and keys[start - 1] == keys[-1]:
        start -= 1
    return start


async def _pages(client: Elastic, body: Mapping[str, Any], *, texts: bool) -> AsyncIterator[Page]:
    """Yield answers until one is not full; the next is under way while one is worked on."""
    asked = asyncio.create_task(client.search(body))
    try:
        while True:
            found = page(await asked, texts=texts)
            full = found.hits >= body["size"]
            if full:
                point = {**body["pit"], "id": found.point or body["pit"]["id"]}
                body = {**body, "pit": point, "search_after": found.last}
                asked = asyncio.create_task(client.search(body))
                await asyncio.sleep(0)  # let it be sent
            if found.hits:
                yield found
            if not full:
                return
    finally:
        asked.cancel()
        await asyncio.wait([asked])
        if not asked.cancelled():
            asked.exception()  # has been raised, or is of a page that nobody wants any more
