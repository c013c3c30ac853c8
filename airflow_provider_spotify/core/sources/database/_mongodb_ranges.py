"""Cuts the order of a field into ranges that hold about as many documents each."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pymongo.errors import OperationFailure

from airflow_provider_spotify.core.clients.mongo import mongo_errors
from airflow_provider_spotify.core.clients.mongo_order import saved
from airflow_provider_spotify.core.model import Cursor
from airflow_provider_spotify.core.sources.database._mongodb_documents import comparable
from airflow_provider_spotify.core.sources.database._mongodb_reader import (
    MongoReader,
    combined,
)

SAMPLES = 64
"""Documents that are looked at for each range."""


def ranges(reader: MongoReader, n: int, since: Cursor | None) -> list[dict[str, Any]]:
    """Return at most ``n`` ranges of what is there now after a cursor; none if nothing is.

    The last one ends with the greatest value there is now.
    """
    reader.described()
    conditions = reader.conditions(since, None)
    greatest = reader.extreme(conditions, -1)
    if greatest is None:
        return []
    last = _key(reader, greatest)
    cuts: list[Any] = []
    for value in _cuts(reader, conditions, n):
        if comparable(value) not in map(comparable, [*cuts, last]):
            cuts.append(value)
    whole = reader.config.partition
    first = whole.after if whole else None
    edges = [first, *({"value": saved(value)} for value in [*cuts, last])]
    return [{"after": low, "upto": high} for low, high in pairwise(edges)]


def _cuts(reader: MongoReader, conditions: list[Any], n: int) -> list[Any]:
    """Return values that cut the documents into ``n`` parts, in their order."""
    stages = [*reader.stages(conditions, sort=False), {"$sample": {"size": SAMPLES * n}}]
    field = reader.order.field
    stages += [{"$project": {field: 1}}, {"$sort": {field: 1}}]
    with mongo_errors(reader.credentials):
        try:
            with reader.collection.aggregate(stages) as found:
                keys = [_key(reader, each) for each in found]
        except OperationFailure as error:
            if error.code not in (238, 40324):  # this server has no $sample
                raise
            return _counted_cuts(reader, conditions, n)
    step = len(keys) / n
    return [keys[int(step * i)] for i in range(1, n) if keys]


def _counted_cuts(reader: MongoReader, conditions: list[Any], n: int) -> list[Any]:
    total = reader.collection.count_documents(combined(conditions))
    found = [reader.extreme(conditions, 1, skip=total * i // n) for i in range(1, n)]
    return [_key(reader, each) for each in found if each is not None]


def _key(reader: MongoReader, document: Any) -> Any:
    for part in reader.order.field.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document
