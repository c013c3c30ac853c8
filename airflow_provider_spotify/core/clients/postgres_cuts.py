"""Cuts a table of PostgreSQL into parts of about one size: by ranges of a key, or by its pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.clients.postgres_query import INTEGERS, TIMES, select
from airflow_provider_spotify.core.clients.postgres_reader import (
    PostgresReader,
    identifier,
    literal,
)
from airflow_provider_spotify.core.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa


def cuts(
    reader: PostgresReader,
    relation: str,
    conditions: Sequence[str],
    field: pa.Field,
    n: int,
) -> list[int | str]:
    """Return up to ``n - 1`` values that cut a column's range into even parts.

    :raises ConfigurationError: if the column holds neither integers nor times
    """
    kind = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    name = identifier(field.name)
    if kind not in (*INTEGERS, *TIMES):
        raise ConfigurationError(
            f"partition column {field.name} is {kind}: it must hold integers, dates or timestamps"
        )
    number, finite = name, list(conditions)
    if kind in TIMES:
        # Whole days for dates, whole seconds for timestamps.
        unit = 86_400 if kind == "date" else 1
        number = f"floor(extract(epoch FROM {name}) / {unit})"
        finite.append(f"isfinite({name})")
    ends = f"min({number})::int8 AS least, max({number})::int8 AS greatest"
    (row,) = reader.rows(select(ends, relation, finite))
    if row["least"] is None:
        return []
    return [_written(at, kind) for at in even_cuts(row["least"], row["greatest"], n)]


def even_cuts(least: int, greatest: int, n: int) -> list[int]:
    """Return up to ``n - 1`` numbers that cut ``least`` to ``greatest`` into even parts."""
    n = max(1, min(n, greatest - least + 1))
    return [least + (greatest - least + 1) * i // n for i in range(1, n)]


def _written(at: int, kind: str) -> int | str:
    if kind in INTEGERS:
        return at
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    if kind == "date":
        return (epoch + timedelta(days=at)).date().isoformat()
    return (epoch + timedelta(seconds=at)).isoformat()


def page_cuts(reader: PostgresReader, schema: str, table: str, n: int) -> list[int]:
    """Return up to ``n - 1`` pages that cut a table, or the largest of its partitions, evenly."""
    place = f"{literal(identifier(schema, table))}::regclass"
    tree = select("relid", f"pg_partition_tree({place})", ())
    size = f"greatest(max(pg_relation_size(relid)), pg_relation_size({place}))"
    pages = f"coalesce({size}, 0)::int8 / current_setting('block_size')::int8 AS pages"
    (row,) = reader.rows(select(pages, f"({tree}) AS leaf", ()))
    return even_cuts(0, int(row["pages"]) - 1, n) if row["pages"] > 1 else []


def primary_key(schema: str, table: str) -> str:
    """Ask for the columns of a table's primary key that a range can cut."""
    joined = (
        "pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
        "JOIN pg_type t ON t.oid = a.atttypid"
    )
    kinds = ", ".join(literal(kind) for kind in (*INTEGERS, *TIMES))
    its = (f"i.indrelid = to_regclass({literal(identifier(schema, table))})", "i.indisprimary")
    return select("a.attname::text AS name", joined, (*its, f"t.typname IN ({kinds})"))
