"""The ways in which an HTTP answer goes wrong, each played on a true answer by a real server."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import orjson
from aiohttp import web

Kind = Literal[
    "rate", "rate_after", "rate_date", "unavailable", "gateway",
    "cut_length", "cut_chunked", "cut_gzip", "cut_close", "reset", "drop",
    "html", "empty", "null", "list", "object", "error_body",
    "drip", "stall", "hang", "bomb",
    "unauthorised", "expired_page", "duplicate", "redirect", "redirect_https",
]  # fmt: skip
"""What goes wrong; ``ANSWERS`` and the functions below say how."""
KINDS: tuple[Kind, ...] = get_args(Kind)
BOMB_BYTES = 2**30
"""What a gzip bomb of a few MB unpacks to."""
_HOP = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding",
                  "date", "server", "keep-alive"})  # fmt: skip


@dataclass
class Fault:
    """Break the answers to some requests.

    :param path: a regular expression that the path must match somewhere
    :param after: how many matching requests are served well first
    :param times: how many are broken then
    :param status: instead of the kind's own status
    :param body: instead of the kind's own body, as JSON; bytes are sent as they are
    :param headers: more headers of the broken answer
    :param to: redirect: the address to send the client to, without a path
    """

    kind: Kind
    path: str = ".*"
    after: int = 0
    times: int = 1
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    to: str = "http://localhost:9"
    struck: int = 0

    def strikes(self, path: str) -> bool:
        """Say whether this request is to be broken, and count it."""
        if self.times <= 0 or not re.search(self.path, path):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        self.struck += 1
        return True


@dataclass(frozen=True)
class Whole:
    """A true answer, its body unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, answer: web.Response) -> Whole:
        """Return the answer of a handler as it would be sent."""
        body = answer.body if isinstance(answer.body, bytes | bytearray) else b""
        return cls(answer.status, dict(answer.headers), bytes(body))

    @property
    def onward(self) -> dict[str, str]:
        """The headers that describe the answer, not its way."""
        return {k: v for k, v in self.headers.items() if k.lower() not in _HOP}

    def answer(self) -> web.Response:
        """Return it unbroken."""
        return web.Response(status=self.status, headers=self.onward, body=self.body)


def _rate(**headers: str) -> Whole:
    return _json(429, {"error": {"status": 429, "message": "Too many requests"}}, **headers)


def _json(status: int, body: Any, **headers: str) -> Whole:
    sent = {"Content-Type": "application/json", **headers}
    return Whole(status, sent, orjson.dumps(body))


ANSWERS: Mapping[Kind, Whole] = {
    "rate": _rate(),
    "rate_after": _rate(**{"Retry-After": "0"}),
    "rate_date": _rate(**{"Retry-After": "now"}),
    "unavailable": _json(503, {"message": "Service Unavailable"}),
    "gateway": Whole(502, {"Content-Type": "text/html"}, b"<html>502 Bad Gateway</html>"),
    "html": Whole(200, {"Content-Type": "text/html"}, b"<html><body>Sign in</body></html>"),
    "empty": Whole(200, {"Content-Type": "application/json"}, b""),
    "null": _json(200, None),
    "list": _json(200, []),
    "object": _json(200, {"unexpected": {"nested": 1}}),
    "error_body": _json(200, {"error": {"code": 500, "message": "backend failed"}}),
    "unauthorised": _json(401, {"error": {"status": 401, "message": "The token expired"}}),
    "expired_page": _json(400, {"error": {"status": 400, "message": "Invalid page token"}}),
}
"""The kinds that are whole answers in themselves."""


async def broken(
    request: web.Request, whole: Whole, fault: Fault, *, before: Whole | None = None
) -> web.StreamResponse:
    """Answer a request as a fault says.

    :param whole: the true answer
    :param before: the true answer to the request before, for ``duplicate``
    """
    if fault.kind in ANSWERS:
        return _instead(ANSWERS[fault.kind], fault)
    if fault.kind in ("redirect", "redirect_https"):
        return _redirected(request, fault)
    if fault.kind == "duplicate":
        return (before or whole).answer()
    if fault.kind == "bomb":
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return web.Response(body=bomb(), headers=headers)
    if fault.kind == "hang":
        await _until_gone(request)
    if fault.kind in ("drop", "hang"):
        _reset(request)
        return web.Response()
    return await _sent_badly(request, whole, fault)


def _instead(answer: Whole, fault: Fault) -> web.Response:
    headers = {**answer.headers, **fault.headers}
    if headers.get("Retry-After") == "now":
        headers["Retry-After"] = formatdate(usegmt=True)
    body = answer.body
    if fault.body is not None:
        body = fault.body if isinstance(fault.body, bytes) else orjson.dumps(fault.body)
    return web.Response(status=fault.status or answer.status, headers=headers, body=body)


def _redirected(request: web.Request, fault: Fault) -> web.Response:
    to = urlsplit(fault.to)
    scheme = "https" if fault.kind == "redirect_https" else to.scheme
    location = f"{scheme}://{to.netloc}{request.path_qs}"
    return web.Response(status=fault.status or 302, headers={"Location": location})


async def _sent_badly(request: web.Request, whole: Whole, fault: Fault) -> web.StreamResponse:
    """Send a part of the true body, or all of it slowly."""
    body, headers = whole.body, whole.onward
    if fault.kind == "cut_gzip":  # the transport is whole: only the packed data end early
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        return web.Response(status=whole.status, headers=headers, body=body[: len(body) // 2])
    if fault.kind == "cut_close":
        headers["Connection"] = "close"
    answer = web.StreamResponse(status=whole.status, headers=headers)
    if fault.kind == "cut_chunked":
        answer.enable_chunked_encoding()
    elif fault.kind == "cut_close":
        return await _closed_early(request, whole)
    else:
        answer.content_length = len(body)
    await answer.prepare(request)
    if fault.kind == "drip":
        await _dripped(answer, body)
        return answer
    await answer.write(body[: len(body) // 2])
    if fault.kind == "stall":
        await _until_gone(request)
    if fault.kind == "reset":
        _reset(request)
    elif request.transport is not None:
        request.transport.close()
    return answer


async def _closed_early(request: web.Request, whole: Whole) -> web.StreamResponse:
    """Send half a body of unstated length: its end is where the connection closes (HTTP/1.0)."""
    answer = web.Response()
    answer.force_close()
    transport = request.transport
    if transport is not None:
        lines = [f"{k}: {v}" for k, v in whole.onward.items()]
        head = "\r\n".join((f"HTTP/1.1 {whole.status} OK", *lines, "Connection: close", "", ""))
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(head.encode() + whole.body[: len(whole.body) // 2])
        transport.close()
    return answer


async def _dripped(answer: web.StreamResponse, body: bytes, *, pieces: int = 8) -> None:
    size = -(-len(body) // pieces) or 1
    for at in range(0, len(body), size):
        await answer.write(body[at : at + size])
        await asyncio.sleep(0.05)


async def _until_gone(request: web.Request, *, most: float = 30.0) -> None:
    """Say nothing until the client has given up."""
    for _ in range(round(most / 0.05)):
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(0.05)


def _reset(request: web.Request) -> None:
    """Break the connection off with RST instead of FIN."""
    if request.transport is None:
        return
    sock = request.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


@cache
def bomb() -> bytes:
    """Return about 1 MB of gzip that unpack to ``BOMB_BYTES`` spaces.

    One packed MiB is repeated: with a full flush it does not depend on what came before.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    mebibyte = b" " * 2**20
    begin = packer.compress(b" ") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(mebibyte) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + block * (BOMB_BYTES // 2**20)
