"""The base of every contract server: real HTTP on a free port, in a thread of its own."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from airflow_provider_spotify.core.testing.web_answers import Fault, Kind, Whole, broken
from tests.services.web_api.errors import ApiError, reply
from tests.services.web_api.limits import Limit
from tests.services.web_api.params import Query
from tests.services.web_api.tokens import Ended, Token, Tokens, Unknown

Handler = Callable[[web.Request], Any]
_SECRET = re.compile(
    r"(?i)authorization|cookie|(api|access|secret|client|license)[-_]?(key|secret|token)|^key$"
    r"|password|signature|(^|_)sig$|oauth_token"
)
HIDDEN = "***"


@dataclass(frozen=True)
class Call:
    """One request that was answered; secrets are ``***``."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, whole, for checks against a published description."""

    call: Call
    sent: bytes
    type: str
    body: bytes


class WebApi:
    """Runs while it is entered: ``with PlaysApi() as api: … api.url``.

    :ivar lock: handlers run under it; take it to change data while a client reads
    :ivar calls: what was asked so far, in order of the answers
    :ivar latency: seconds before each answer
    :ivar limits: rolling windows that every call outside ``free`` must pass
    :ivar recording: keep whole exchanges in ``exchanges``
    """

    free: tuple[str, ...] = ()
    """Prefixes of paths that need no token and are not counted: token endpoints, downloads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.exchanges: list[Exchange] = []
        self.faults: list[Fault] = []
        self.limits: list[Limit] = []
        self.tokens = Tokens()
        self.latency = 0.0
        self.recording = False
        self.port = 0
        self._ready = threading.Event()

    # ---- what a subclass says --------------------------------------------------------------

    def routes(self) -> Iterable[web.RouteDef]:
        """Return ``[web.get("/v1/plays", self.plays), …]``; handlers are plain or async."""
        return []

    def authorise(self, request: web.Request) -> Token | None:
        """Return whose call it is; by default the bearer's, or None in a server without tokens.

        :raises ApiError: if the API would refuse it
        """
        if not self.tokens.given and not self.tokens.clients and not self.tokens.refresh:
            return None
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        return self.token(text if kind.lower() == "bearer" else "")

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Return a refusal in the API's own shape."""
        return ApiError(status, {"error": {"status": status, "message": message, **more}})

    # ---- what its handlers use -------------------------------------------------------------

    def token(self, text: str) -> Token:
        """Return what a text is a token for; 401 in the API's shape if it is none."""
        try:
            return self.tokens.find(text)
        except Unknown:
            raise self.error(401, "Invalid access token" if text else "No token given") from None
        except Ended:
            raise self.error(401, "The access token expired") from None

    def caller(self, request: web.Request) -> Token:
        """Return what ``authorise`` found."""
        token: Token = request[CALLER]
        return token

    def query(self, request: web.Request) -> Query:
        """Read the query strictly; call ``done()`` when all parameters were asked for."""
        return Query(request.query, refuse=self.error)

    @staticmethod
    def home(request: web.Request) -> str:
        """Return the address that the client used, for links."""
        return f"{request.scheme}://{request.host}"

    # ---- what tests use --------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def fault(self, kind: Kind, path: str = ".*", **how: Any) -> Fault:
        """Break the next answers to paths that match; see ``Fault`` for ``after`` and ``times``."""
        fault = Fault(kind, path, **how)
        with self.lock:
            self.faults.append(fault)
        return fault

    def expire_tokens(self) -> None:
        """End every access token now."""
        with self.lock:
            self.tokens.expire()

    def asked(self, path: str = "") -> list[Call]:
        """Return the calls of paths that start with ``path``."""
        with self.lock:
            return [call for call in self.calls if call.path.startswith(path)]

    # ---- how it runs -----------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._ready.clear()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        assert self._ready.wait(60), f"{type(self).__name__} did not start"
        if self._failure:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive(), f"{type(self).__name__} did not stop"

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard], client_max_size=64 * 2**20)
        for route in self.routes():
            app.router.add_route(route.method, route.path, self._handler(route.handler))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def _handler(self, handler: Any) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            if inspect.iscoroutinefunction(handler):
                found = await handler(request)
            else:
                with self.lock:
                    found = handler(request)
            return found if isinstance(found, web.StreamResponse) else reply(found)

        return answer

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = await request.read()
        if self.latency:
            await asyncio.sleep(self.latency)
        told: dict[str, str] = {}
        try:
            told = self._admit(request)
            answer = await handler(request)
        except ApiError as error:
            answer = reply(error.body, status=error.status, headers=error.headers)
        except web.HTTPException as error:
            refused = self.error(error.status, error.reason)
            answer = reply(refused.body, status=refused.status, headers=refused.headers)
        if not answer.prepared:
            answer.headers.update(told)
        self._note(request, sent, answer)
        with self.lock:
            fault = next((f for f in self.faults if f.strikes(request.path)), None)
        whole = Whole.of(answer) if fault and isinstance(answer, web.Response) else None
        return await broken(request, whole, fault) if fault and whole else answer

    def _admit(self, request: web.Request) -> dict[str, str]:
        """Let a call through, or refuse it; return what limits tell with every answer."""
        if request.path.startswith(self.free) and self.free:
            return {}
        with self.lock:
            request[CALLER] = self.authorise(request)
            told: dict[str, str] = {}
            for limit in self.limits:
                if not request.path.startswith(limit.path):
                    continue
                ok, room = limit.take(request)
                if not ok:
                    error = self.error(limit.status, limit.message)
                    error.headers |= {**limit.told(room), **limit.refused(room)}
                    raise error
                told |= limit.told(room)
            return told

    def _note(self, request: web.Request, sent: bytes, answer: web.StreamResponse) -> None:
        headers = {k: HIDDEN if _SECRET.search(k) else v for k, v in request.headers.items()}
        query = {k: HIDDEN if _SECRET.search(k) else v for k, v in request.query.items()}
        call = Call(request.method, request.path, query, answer.status, headers)
        with self.lock:
            self.calls.append(call)
            if self.recording and isinstance(answer, web.Response):
                body = bytes(answer.body or b"")  # type: ignore[arg-type]
                self.exchanges.append(Exchange(call, sent, answer.content_type, body))


CALLER: web.RequestKey[Any] = web.RequestKey("caller", object)
