"""The Airflow plugin: an API under ``/spotify-imports`` and a page in the navigation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/spotify-imports"


class LateApp:
    """An ASGI app that is built at its first request.

    Every Airflow process loads the plugins, workers and DAG parsers too; only the API server is
    ever asked for a page, and only it pays for FastAPI.
    """

    def __init__(self) -> None:
        self._app: Any = None
        self._building = asyncio.Lock()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        async with self._building:
            if self._app is None:
                from airflow_provider_spotify.plugins.app import create_app

                self._app = create_app()
        await self._app(scope, receive, send)


class ImportsPlugin(AirflowPlugin):
    """What Airflow finds under the entry point ``airflow.plugins``."""

    name = "spotify_imports"
    fastapi_apps = [  # noqa: RUF012 - as AirflowPlugin declares it
        {"app": LateApp(), "url_prefix": PREFIX, "name": "Spotify imports"}
    ]
    external_views = [  # noqa: RUF012 - likewise
        {
            "name": "Imports",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "spotify-imports",
        }
    ]
