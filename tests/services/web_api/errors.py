"""What a contract server refuses with: an answer in the API's own shape, as an exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web


class ApiError(Exception):
    """An answer that is a refusal.

    :param body: JSON, in the API's own shape; bytes are sent as they are
    """

    def __init__(self, status: int, body: Any, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def reply(
    body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return JSON; bytes are sent as they are, with the Content-Type of ``headers``."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return web.Response(
        body=data,
        status=status,
        headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
    )
