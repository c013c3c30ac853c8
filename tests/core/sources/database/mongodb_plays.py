"""A collection of plays on FerretDB, and sources that read it, for tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_spotify.core.model import Chunk
from airflow_provider_spotify.core.sources.database.mongodb import MongodbConfig, MongodbSource
from tests.core.chunks import rows
from tests.services.mongodb import MongoDatabase

START = datetime(2026, 1, 1, tzinfo=UTC)
Make = Callable[..., MongodbSource]


def reading(mongodb_database: MongoDatabase) -> Make:
    """Give a function from a Config's keys to a source of this test's database, as ``make``."""
    credentials, database = mongodb_database

    def source(**config: Any) -> MongodbSource:
        words = {"collection": "plays", "database": database.name, **config}
        return MongodbSource(MongodbConfig(**words), credentials=credentials)

    return source


def collection(mongodb_database: MongoDatabase) -> Any:
    """Give this test's empty collection, to be written to; a module's fixture ``plays``."""
    return mongodb_database.database.plays


def fill(collection: Any, count: int = 420) -> None:
    """Add documents of which seven share each time."""
    collection.insert_many(
        {"_id": i, "played_at": START + timedelta(seconds=i // 7), "track": {"name": f"t{i}"}}
        for i in range(1, count + 1)
    )


def ids(chunks: list[Chunk]) -> list[Any]:
    return [row["_id"] for row in rows(chunks)]
