"""Shares out the rows of a table among several readers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from airflow_provider_spotify.core.sources.database._clickhouse_query import Key, select
from airflow_provider_spotify.core.sources.database._clickhouse_reader import ClickHouseReader


def greatest(
    reader: ClickHouseReader, key: Key, relation: str, conditions: Sequence[str]
) -> str | None:
    """Return the greatest value of the cursor column, as cursors keep it."""
    value = key.text(f"max({key.sql})")
    ((found, rows),) = reader.rows(select(f"{value}, count({key.sql})", relation, conditions))
    return str(found) if rows else None


def cut(
    reader: ClickHouseReader, table: tuple[str, str] | None, n: int, *, by: str | None
) -> list[dict[str, Any]]:
    """Return at most ``n`` parts of a table, as the keys of a ``Slice``; none if it has no way.

    Partitions are on the disk by themselves, so each reader touches only its own. A hash makes
    every reader look at the key of every row, but evens out.

    :param by: an expression to hash where the table has no primary key
    """
    made = reader.made(*table) if table else None
    if table and made and "MergeTree" in made.engine:
        sizes: dict[str, int] = defaultdict(int)
        for _, partition, rows in reader.parts(*table):
            sizes[partition] += rows
        if len(sizes) >= n:
            return [{"ids": ids} for ids in _even(sizes, n)]
    expression = (made.primary_key if made else "") or by
    if expression is None:
        return []
    return [{"hash": expression, "of": n, "number": number} for number in range(n)]


def _even(sizes: dict[str, int], n: int) -> list[list[str]]:
    """Share out partitions, the largest first, each to whoever has the least."""
    shares: list[list[str]] = [[] for _ in range(n)]
    filled = [0] * n
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        least = filled.index(min(filled))
        shares[least].append(name)
        filled[least] += sizes[name]
    return shares
