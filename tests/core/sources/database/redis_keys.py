"""Keys of a real Redis, and sources that read them, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.redis import RedisConfig, RedisSource

Make = Callable[..., RedisSource]


def linked(redis_database: Credentials) -> Iterator[Link]:
    """Give a connection to this test's database; a module's fixture ``link``."""
    with Link(redis_database) as link:
        yield link


def reading(redis_database: Credentials) -> Make:
    """Give a function from a Config's keys to a source of this test's database, as ``make``."""

    def source(**config: Any) -> RedisSource:
        return RedisSource(RedisConfig(**config), credentials=redis_database)

    return source


def fill(link: Link, commands: list[tuple[Any, ...]]) -> None:
    for reply in link.pipelined(commands):
        link.good(reply)
