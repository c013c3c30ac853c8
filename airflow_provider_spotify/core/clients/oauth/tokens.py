"""Tokens that end: kept for the process and its store, and renewed once for everyone who waits.

What can be lost: a token endpoint ends a single-use refresh token when it answers, and the new one
is safe when the store has it. A process killed between the two (milliseconds) loses both, and no
client can prevent that (RFC 6749, 10.4, has the server treat the old one as stolen). Everything
else is covered: a cancelled task finishes the exchange first, a store that fails for a moment is
written to again before anything else, and the error that follows a real loss says what to do.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from airflow_provider_spotify.core.clients.http.auth import Auth, Send, with_header
from airflow_provider_spotify.core.clients.http.messages import Request
from airflow_provider_spotify.core.clients.http.tape import forgets
from airflow_provider_spotify.core.clients.oauth.seal import Seal, Tokens
from airflow_provider_spotify.core.clients.oauth.store import TokenStore
from airflow_provider_spotify.core.errors import AuthenticationError

EARLY = 60.0
"""Seconds before its end at which a token is renewed."""
T = TypeVar("T")


@dataclass(slots=True)
class Grant:
    """The tokens of one credential, shared by every client of this process.

    :param expires: when the token is to be renewed (monotonic seconds)
    :param unsaved: what the endpoint gave and the store has not taken yet
    :param dead: the refresh token that was refused, and what was said about it
    """

    tokens: Tokens | None = None
    expires: float = 0.0
    unsaved: Tokens | None = None
    dead: tuple[str, str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def adopt(self, tokens: Tokens) -> None:
        """Use these from now on."""
        self.expires = time.monotonic() + tokens.expires - time.time()
        self.tokens = tokens

    @property
    def fresh(self) -> bool:
        """Whether the access token may still be used."""
        return self.tokens is not None and time.monotonic() < self.expires


_GRANTS: dict[str, Grant] = {}
_GRANTS_LOCK = threading.Lock()


class RenewedAuth(Auth):
    """Signs with a token that is renewed before it ends, once for all who share it.

    All requests of the process wait for one renewal; with a store that workers share, so do
    they, and a token that one of them got serves all.

    :param scheme: the word before the token in the Authorization header
    :param store: where tokens are shared; None: this process
    """

    def __init__(self, *, scheme: str = "Bearer", store: TokenStore | None = None) -> None:
        self._scheme = scheme
        secret = "".join(self._identity())
        # Without a secret nothing could be sealed, and there is nothing that may be renewed.
        self._store = store if secret else None
        self._seal = Seal(secret.encode())
        with _GRANTS_LOCK:
            self._grant = _GRANTS.setdefault(self.fingerprint, Grant())

    @abstractmethod
    async def _obtain(self, held: Tokens | None, send: Send) -> Tokens:
        """Ask for new tokens.

        :param held: the last ones, from this process or the store
        """

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any message, the current tokens included."""
        held = (self._grant.tokens, self._grant.unsaved)
        current = [t for h in held if h for t in (h.access_token, h.refresh_token)]
        return tuple(s for s in (*self._identity(), *current) if s)

    async def sign(self, request: Request, send: Send) -> Request:
        """Add a token that is good for another minute."""
        if not self._grant.fresh:
            await self._renew(send, refused=None)
        assert self._grant.tokens is not None
        return self._with_token(request, self._grant.tokens.access_token)

    def _with_token(self, request: Request, token: str) -> Request:
        return with_header(request, "Authorization", f"{self._scheme} {token}")

    def _token_of(self, request: Request) -> str:
        return request.headers.get("Authorization", "").removeprefix(f"{self._scheme} ")

    async def renew(self, refused: Request, send: Send) -> bool:
        """Get a new token, unless another request already did since this one was signed."""
        await self._renew(send, refused=self._token_of(refused))
        return True

    async def _renew(self, send: Send, *, refused: str | None) -> None:
        async with self._turn():
            grant = self._grant
            if grant.fresh and _good(grant.tokens, refused=refused):
                return
            if self._store is None:
                await _to_its_end(self._exchange(grant.tokens, send))
                return
            async with self._store.lock(self.fingerprint):
                held = await self._shared(self._store)
                if held is not None and _good(held, refused=refused):
                    grant.adopt(held)
                else:
                    await _to_its_end(self._exchange(held, send))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        # Clients of other threads have loops of their own, so the lock is a thread's lock that
        # is tried, not waited for: a cancelled wait then cannot leave it held.
        while not self._grant.lock.acquire(blocking=False):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        try:
            yield
        finally:
            self._grant.lock.release()

    async def _shared(self, store: TokenStore) -> Tokens | None:
        """Return the newest tokens: the store's, or those that it has yet to take."""
        if self._grant.unsaved is not None:
            await self._keep(self._grant.unsaved)
        value = await store.load(self.fingerprint)
        return self._grant.tokens if value is None else self._seal.open(value, key=self.fingerprint)

    async def _exchange(self, held: Tokens | None, send: Send) -> None:
        try:
            tokens = await self._obtain(held, send)
        except AuthenticationError:
            # A lock that ended too early let another worker in: what it got is as good.
            other = await self._shared(self._store) if self._store else None
            if other is None or other == held or not other.fresh:
                raise
            self._grant.adopt(other)
            return
        await self._keep(tokens)
        await self._kept(held, tokens)
        self._grant.adopt(tokens)

    async def _keep(self, tokens: Tokens) -> None:
        """Put tokens into the store, before anything uses them."""
        if self._store is not None:
            self._grant.unsaved = tokens
            value = self._seal.close(tokens, key=self.fingerprint)
            await self._store.save(self.fingerprint, value)
            self._grant.unsaved = None

    async def _kept(self, before: Tokens | None, tokens: Tokens) -> None:
        """Take note of new tokens that the store has."""


def _good(tokens: Tokens | None, *, refused: str | None) -> bool:
    return tokens is not None and tokens.fresh and tokens.access_token != refused


async def _to_its_end(work: Awaitable[T]) -> T:
    """Wait for work that may not be left half done; a cancellation takes effect after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: the cancellation goes first
        raise


def lasting(seconds: float, *, asked: float) -> float:
    """Return when a token is to be renewed that was asked for at ``asked`` and lives so long."""
    # A token that lives two minutes or less is renewed at half its life.
    return asked + max(seconds - EARLY, seconds / 2)


def forget_tokens() -> None:
    """Drop every token of this process; the next request asks for a new one."""
    with _GRANTS_LOCK:
        _GRANTS.clear()


forgets(forget_tokens)
