"""A table of plays in PostgreSQL, and the words in which tests speak of reading it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlSource
from tests.core.chunks import rows

Connection = psycopg.Connection[tuple[Any, ...]]
Database = tuple[Credentials, Connection]
Make = Callable[..., PostgresqlSource]
Run = Callable[[str], None]
PLAYS = """
    CREATE TABLE plays (id bigint PRIMARY KEY, played_at timestamptz, track text);
    INSERT INTO plays SELECT i, timestamptz '2026-01-01' + (i / 7) * interval '1 second', 't' || i
    FROM generate_series(1, 1000) i
"""


def folded(chunks: Sequence[Chunk], key: str = "id", value: str = "v") -> dict[Any, Any]:
    """Apply rows and changes in their order; return what is left, by key."""
    left: dict[Any, Any] = {}
    for row in rows(chunks):
        if row["_deleted"]:
            left.pop(row[key], None)
        else:
            left[row[key]] = row[value]
    return left
