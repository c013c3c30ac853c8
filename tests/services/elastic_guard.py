"""A proxy before an Elasticsearch node: asks for credentials, as the node's security would."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections import deque
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from airflow_provider_spotify.core.model import Credentials

_HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization"})


class Guard:
    """Passes on what carries a known login or key; answers the rest as Elasticsearch does.

    :param faults: pairs of a path's end and an answer, each given once instead of the node's
    """

    def __init__(
        self,
        node: Credentials,
        *,
        login: str,
        password: str,
        api_key: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        pair = base64.b64encode(f"{login}:{password}".encode()).decode()
        self._known = {f"Basic {pair}", f"ApiKey {api_key}"}
        self._tls = tls
        self._node = f"http://{node.host}:{node.port}"
        self.forbidden: set[str] = set()
        self.faults: deque[tuple[str, web.Response]] = deque()
        self.asked: list[tuple[str, str]] = []
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60), "the proxy did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=2**28)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        if request.headers.get("Authorization") not in self._known:
            return refusal(
                401, "security_exception", "unable to authenticate user for REST request"
            )
        if any(request.path.endswith(end) for end in self.forbidden):
            return refusal(403, "security_exception", "action is unauthorized for user")
        if self.faults and request.path.endswith(self.faults[0][0]):
            return self.faults.popleft()[1]
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        async with self._session.request(
            request.method,
            f"{self._node}{request.path_qs}",
            headers=headers,
            data=await request.read(),
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


def refusal(status: int, kind: str, reason: str, **headers: Any) -> web.Response:
    """Answer as Elasticsearch reports an error."""
    cause = {"type": kind, "reason": reason}
    body = {"error": {"root_cause": [cause], **cause}, "status": status}
    return web.json_response(body, status=status, headers=headers)
