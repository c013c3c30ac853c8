"""Answers in the exact shapes of the real service: errors, entity tags, field filters."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson
from aiohttp import web

Json = dict[str, Any]
Fields = dict[str, "Fields | None"]


class ApiError(Exception):
    """A regular error object: ``{"error": {"status": …, "message": …}}``."""

    def __init__(self, status: int, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"status": status, "message": message, **more}}


def reply(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return JSON."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
    )


def tagged(request: web.Request, body: Any) -> web.Response:
    """Return JSON with an entity tag, or 304 where the client has it already."""
    data = orjson.dumps(body)
    tag = f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=0", "Vary": "Authorization"}
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(body=data, headers=headers)


def integer(request: web.Request, name: str, default: int, *, low: int, high: int) -> int:
    """Read a whole number of the query.

    :raises ApiError: 400 if it is none, or out of bounds
    """
    text = request.query.get(name, str(default))
    value = int(text) if re.fullmatch(r"-?\d{1,9}", text) else low - 1
    if not low <= value <= high:
        raise ApiError(400, f"Invalid {name}")
    return value


def pick(body: Any, fields: str | None) -> Any:
    """Keep what ``fields`` names: ``total,items(added_at,track(name,album.id))``."""
    if not fields:
        return body
    wanted, rest = _parse(fields.replace(" ", ""))
    if rest:
        raise ApiError(400, "Invalid fields")
    return _kept(body, wanted)


def _parse(text: str) -> tuple[Fields, str]:
    wanted: Fields = {}
    while text and text[0] != ")":
        match = re.match(r"!?[a-z_]+(\.[a-z_]+)*", text)
        if not match:
            raise ApiError(400, "Invalid fields")
        text = text[match.end() :]
        inner: Fields | None = None
        if text.startswith("("):
            inner, text = _parse(text[1:])
            if not text:
                raise ApiError(400, "Invalid fields")
            text = text[1:]
        _insert(wanted, match[0].split("."), inner)
        text = text.removeprefix(",")
    return wanted, text


def _insert(wanted: Fields, path: list[str], inner: Fields | None) -> None:
    for step in path[:-1]:
        below = wanted.setdefault(step, {})
        wanted = {} if below is None else below
    wanted[path[-1]] = inner


def _kept(body: Any, wanted: Fields | None) -> Any:
    if wanted is None or body is None:
        return body
    if isinstance(body, list):
        return [_kept(each, wanted) for each in body]
    if not isinstance(body, dict):
        return body
    if any(name.startswith("!") for name in wanted):
        return {k: v for k, v in body.items() if f"!{k}" not in wanted}
    return {k: _kept(v, wanted[k]) for k, v in body.items() if k in wanted}
