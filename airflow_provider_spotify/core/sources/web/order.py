"""Many requests at once whose answers still come in the order they were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")
Json = dict[str, Any]


async def ordered(
    calls: Iterable[Callable[[], Awaitable[T]]], *, width: int
) -> AsyncGenerator[T, None]:
    """Yield what each call gives, in order, with at most ``width`` of them under way.

    The first one that fails ends it; leaving early cancels what is under way.
    """
    pending: deque[asyncio.Future[T]] = deque()
    waiting = iter(calls)
    try:
        while True:
            while len(pending) < width and (call := next(waiting, None)) is not None:
                pending.append(asyncio.ensure_future(call()))
            if not pending:
                return
            answer = await pending[0]
            pending.popleft()
            yield answer
    finally:
        for each in pending:
            each.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def paged(
    fetch: Callable[[int], Awaitable[Json | None]], *, first: Json, width: int
) -> AsyncGenerator[Json, None]:
    """Yield a paging object and all that follow it; ``total`` says which to ask for meanwhile.

    ``next`` has the last word: paging ends where it is null, and goes on where the list has
    grown. The key ``next`` of the last one is always null.

    :param fetch: gets the page at an offset; None where the list is gone
    """
    body = {**first, "next": first.get("next")}
    yield body
    step = int(body["limit"])
    known = range(int(body["offset"]) + step, int(body.get("total") or 0), step)
    if body["next"]:
        calls = (partial(fetch, offset) for offset in known)
        async with aclosing(ordered(calls, width=width)) as rest:
            async for found in rest:
                body = _last_if_empty(found, body)
                yield body
                if not body["next"]:
                    return
    while body["next"]:
        body = _last_if_empty(await fetch(int(body["offset"]) + step), body)
        yield body


def _last_if_empty(found: Json | None, before: Json) -> Json:
    """End a list that vanished, and one whose pages go on without items."""
    if found is None:
        offset = int(before["offset"]) + int(before["limit"])
        return {**before, "items": [], "offset": offset, "next": None}
    ends = not found["items"]
    return {**found, "next": None if ends else found.get("next")}
