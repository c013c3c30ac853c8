"""The REST API that the example tenant basalt imports: contracts by page, statements by cursor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

CONTRACTS, STATEMENTS = 320, 1_800
_EPOCH = datetime(2026, 1, 2, tzinfo=UTC)


def contracts() -> list[dict[str, Any]]:
    """Return every contract: who gets which share."""
    return [
        {
            "contract_id": f"c-{number:04}",
            "artist_id": number % 97,
            "share": f"{(number % 100) / 400:.4f}",
            "contact_email": f"manager{number % 40}@agency.example",
            "territories": ["IS", "NO"] if number % 3 else ["WORLD"],
            "terms": {"months": 12 + number % 24, "exclusive": number % 2 == 0},
        }
        for number in range(CONTRACTS)
    ]


def statements() -> list[dict[str, Any]]:
    """Return every statement, oldest first."""
    return [
        {
            "statement_id": f"s-{number:05}",
            "contract_id": f"c-{number % CONTRACTS:04}",
            "amount": f"{(number * 37 % 9000) / 100:.2f}",
            "updated_at": (_EPOCH + timedelta(hours=number)).isoformat(),
        }
        for number in range(STATEMENTS)
    ]


def application(token: str) -> web.Application:
    """Return the API as an application that asks for a bearer token."""
    all_contracts, all_statements = contracts(), statements()

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"error": "a valid bearer token is needed"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def by_page(request: web.Request) -> web.Response:
        size, page = int(request.query.get("per_page", 25)), int(request.query.get("page", 1))
        rows = all_contracts[(page - 1) * size : page * size]
        pages = -(-len(all_contracts) // size)
        return web.json_response({"data": rows, "meta": {"page": page, "pages": pages}})

    async def by_cursor(request: web.Request) -> web.Response:
        since = request.query.get("updated_since")
        rows = all_statements
        if since:
            moment = datetime.fromisoformat(since)
            rows = [row for row in rows if datetime.fromisoformat(row["updated_at"]) >= moment]
        start = int(request.query.get("cursor", 0))
        end = start + 200
        following = str(end) if end < len(rows) else None
        return web.json_response({"data": rows[start:end], "meta": {"next_cursor": following}})

    app = web.Application(middlewares=[guard])
    app.router.add_get("/v1/contracts", by_page)
    app.router.add_get("/v1/statements", by_cursor)
    return app


@contextmanager
def serving(token: str) -> Iterator[str]:
    """Serve the API on a free port of this machine; yield its base URL."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(application(token), shutdown_timeout=1.0)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, name="royalties-api", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
