"""Sources of ``rest`` that read a real server, for its tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor, Window
from airflow_provider_spotify.core.sources.api.rest import SOURCE, RestConfig, RestSource
from tests.services.http_server import HttpServer

ROWS = [{"id": n, "at": f"2026-01-01T00:00:{n:02d}Z"} for n in range(1, 26)]
DAY = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))


def serving() -> Iterator[HttpServer]:
    """Give a server to clients that remember nothing; a module's fixture ``server``."""
    forget_limits()
    forget_tokens()
    with HttpServer() as server:
        yield server


def source(server: HttpServer, **config: Any) -> RestSource:
    credentials = config.pop("credentials", Credentials(host=server.url))
    tenant = config.pop("tenant", "acme")
    settings = {"path": "items", "batch_size": 1, "retry_attempts": 2, **config}
    return SOURCE(RestConfig.model_validate(settings), credentials=credentials, tenant=tenant)


async def chunks(
    rest: RestSource, since: Cursor | None = None, window: Window | None = None
) -> list[Chunk]:
    return [chunk async for chunk in rest.read(since, window)]


async def rows(
    rest: RestSource, since: Cursor | None = None, window: Window | None = None
) -> list[Any]:
    return [row for chunk in await chunks(rest, since, window) for row in chunk.batch.to_pylist()]


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in found]
