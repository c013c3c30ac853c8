"""A proxy in front of any HTTP server that breaks answers by plan, and a stranger that listens."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from airflow_provider_spotify.core.testing.web_answers import Fault, Kind, Whole, broken

_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
                  "transfer-encoding", "content-length", "content-encoding"})  # fmt: skip
_WAY = _HOP - {"content-encoding"}
_TEXT = re.compile(r"json|html|xml")


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; it holds secrets, so it is never printed.

    :param page: its number among the requests for data, from 0; None: it is none
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    page: int | None = None

    def __repr__(self) -> str:
        return f"Asked({self.method} {self.target.partition('?')[0]})"

    @property
    def text(self) -> str:
        """Everything that it said."""
        said = [self.target, *(f"{k}: {v}" for k, v in self.headers.items())]
        return "\n".join((*said, self.body.decode("latin-1")))


class Served(ABC):
    """An aiohttp application in a thread, on a free port, while it is entered."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.asked: list[Asked] = []
        self.port = 0
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def other_url(self) -> str:
        """The same server under another host name."""
        return f"http://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        if not self._ready.wait(60):
            raise RuntimeError(f"{type(self).__name__} did not start")
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
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0)
        ) as self._session:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    @abstractmethod
    async def _handle(self, request: web.Request) -> web.StreamResponse: ...


class Stranger(Served):
    """Another host: it answers everything with the same JSON and remembers what it was told."""

    def __init__(self, body: Any = None) -> None:
        super().__init__()
        self._body = {"stranger": True} if body is None else body

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        sent = await request.read()
        with self.lock:
            self.asked.append(Asked(request.method, request.path_qs, dict(request.headers), sent))
        return web.json_response(self._body)


class FaultProxy(Served):
    """Stands in front of a server: ``with FaultProxy(server.url) as proxy: … proxy.url``.

    Requests and answers pass unchanged, streamed; in JSON and in headers the server's address
    becomes the proxy's, so that links lead through it too.

    :param upstream: the server's address
    :param data: a regular expression that paths of data pages match; others (tokens) pass untouched
    :param method: only this one; by default any
    """

    def __init__(self, upstream: str, *, data: str = ".*") -> None:
        super().__init__()
        self._upstream = upstream.rstrip("/")
        self._data = data
        self._faults: list[Fault] = []
        self._before: Whole | None = None
        self._then: dict[int, Callable[[], object]] = {}
        self._pages = 0

    @property
    def pages(self) -> int:
        """How many different requests for data came so far: one that is repeated counts once."""
        with self.lock:
            data = [each for each in self.asked if each.page is not None]
        return len({(each.method, each.target, each.body) for each in data})

    def fault(self, kind: Kind, *, after: int = 0, times: int = 1, **how: Any) -> Fault:
        """Break ``times`` data requests after ``after`` more of them."""
        fault = Fault(kind, self._data, after=after, times=times, **how)
        with self.lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Break nothing any more."""
        with self.lock:
            self._faults.clear()

    def then(self, act: Callable[[], object]) -> None:
        """Call ``act`` when the next data request was answered upstream."""
        self._then[self._pages] = act

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        sent = await request.read()
        fault, number = self._note(request, sent)
        target = URL(f"{self._upstream}{request.raw_path}", encoded=True)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _WAY}
        async with self._session.request(
            request.method, target, headers=headers, data=sent or None,
            allow_redirects=False,
        ) as answer:  # fmt: skip
            if number is not None and number in self._then:
                await asyncio.to_thread(self._then.pop(number))
            text = _TEXT.search(answer.content_type) is not None
            if fault is None and not text:
                return await self._passed(request, answer)
            whole = Whole(answer.status, self._headers(answer), self._own(await answer.read()))
        before = self._before
        if number is not None:
            self._before = whole
        if fault is None:
            return whole.answer()
        return await broken(request, whole, fault, before=before)

    def _note(self, request: web.Request, sent: bytes) -> tuple[Fault | None, int | None]:
        with self.lock:
            number = None
            if re.search(self._data, request.path):
                number, self._pages = self._pages, self._pages + 1
            self.asked.append(
                Asked(request.method, request.path_qs, dict(request.headers), sent, number)
            )
            return next((f for f in self._faults if f.strikes(request.path)), None), number

    def _headers(self, answer: aiohttp.ClientResponse) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                own = self._own(value.encode()).decode()
                found[name] = f"{found[name]}, {own}" if name in found else own
        return found

    def _own(self, text: bytes) -> bytes:
        """Put the proxy's address for the server's, also where JSON escapes its slashes."""
        ours, theirs = self.url.encode(), self._upstream.encode()
        escaped = (theirs.replace(b"/", rb"\/"), ours.replace(b"/", rb"\/"))
        return text.replace(theirs, ours).replace(*escaped)

    async def _passed(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Send a body on as it comes."""
        own = web.StreamResponse(status=answer.status, headers=self._headers(answer))
        await own.prepare(request)
        async for part in answer.content.iter_any():
            await own.write(part)
        await own.write_eof()
        return own


def secrets_in(asked: list[Asked]) -> set[str]:
    """Return the credentials that requests carried in ``Authorization``: they may be nowhere else.

    The decoded password of Basic counts as well.
    """
    found: set[str] = set()
    for each in asked:
        value = next((v for k, v in each.headers.items() if k.lower() == "authorization"), "")
        kind, _, coded = value.partition(" ")
        if not coded:
            continue
        found.add(coded)
        if kind.lower() == "basic":
            try:
                login = base64.b64decode(coded).decode()
                found.add(login.partition(":")[2])
            except (binascii.Error, UnicodeDecodeError):
                continue
    return {each for each in found if len(each) > 3}
