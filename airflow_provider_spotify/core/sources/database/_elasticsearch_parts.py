"""Splits documents into parts: ranges of the cursor field, or slices of one point in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import orjson

from airflow_provider_spotify.core.clients.elasticsearch import Elastic
from airflow_provider_spotify.core.sources.database._elasticsearch_order import Order, Pass

SHARED = timedelta(hours=1)
"""The least time that a point in time is kept for the parts that share it: tasks may queue."""


async def ranges(
    client: Elastic, order: Order, one: Pass, *, index: str, query: Mapping[str, Any], n: int
) -> list[dict[str, Any]]:
    """Cut a field of dates or numbers into ranges of about as many documents each.

    The last one ends with the greatest value now. A range holds the same documents for every point
    in time, so a part may be read, and read again, whenever its worker comes to it.
    """
    greatest = await _greatest(client, one, index=index, query=query)
    if greatest is None:
        return []
    percents = [100 * number / n for number in range(1, n)]
    wanted = {"percentiles": {"field": order.field, "percents": percents, "keyed": False}}
    body = {"size": 0, "query": query, "aggs": {"cuts": wanted}, "track_total_hits": False}
    found = orjson.loads(await client.search(body, index=index))["aggregations"]["cuts"]["values"]
    values = [each["value"] for each in found if each["value"] is not None]
    cuts = sorted({order.whole(value) for value in values if order.whole(value) < greatest})
    return [{"over": low, "upto": high} for low, high in pairwise([None, *cuts, greatest])]


def slices(point: str, n: int) -> Sequence[dict[str, Any]]:
    """Cut a point in time by the places of its documents; every slice is of that same one.

    https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results
    """
    return [{"point": point, "number": number, "of": n} for number in range(n)]


async def _greatest(client: Elastic, one: Pass, *, index: str, query: Mapping[str, Any]) -> Any:
    sort = {name: {**how, "order": "desc"} for name, how in one.sort.items()}
    body = {"size": 1, "query": query, "sort": [sort], "_source": False}
    hits = orjson.loads(await client.search(body, index=index))["hits"]["hits"]
    return hits[0]["sort"][0] if hits else None
