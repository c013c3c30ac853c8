"""What the server remembers: apps, tokens, calls, and the faults it was told to make."""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from aiohttp import web

from tests.services.spotify_api import library, spoken
from tests.services.spotify_api.catalogue import USERS, Catalogue, build
from tests.services.spotify_api.library import Library
from tests.services.spotify_api.spoken import Spoken

Mode = Literal["development", "extended"]
FaultKind = Literal["error", "truncate", "drop", "not_json", "rate", "quota", "closed"]
QUOTA_WAIT = 80_000
"""Seconds that the real service was seen to ask for when a day's quota is used up."""
SCOPES = (
    "user-library-read",
    "user-follow-read",
    "user-top-read",
    "user-read-recently-played",
    "playlist-read-private",
)


@dataclass(frozen=True)
class App:
    """One registered application.

    :param user: who gave the refresh token; their playlists are open in development mode
    :param developer: whose account it is; development apps of one account share one quota
    :param grandfathered: registered before 2024-11-27, so audio features still answer
    """

    client_id: str
    secret: str
    mode: Mode
    user: str = USERS[0]
    developer: str = ""
    grandfathered: bool = False

    @property
    def refresh_token(self) -> str:
        """The refresh token that the user's consent gave."""
        return f"refresh-{self.client_id}"

    @property
    def budget(self) -> str:
        """Whose calls are counted together."""
        return self.developer if self.mode == "development" and self.developer else self.client_id


@dataclass
class Fault:
    """Break the answers to some requests.

    :param kind: error: ``status``; truncate: cut the body; drop: close the connection without an
        answer; not_json: an HTML page with status 200; rate, quota: a 429 of that sort; closed: a
        429 without a time to wait, as an endpoint that is not open to the app may give
    :param path: a regular expression that the path must match
    :param after: how many matching requests are served well first
    :param times: how many are broken then
    """

    kind: FaultKind
    path: str = ".*"
    times: int = 1
    after: int = 0
    status: int = 500
    retry_after: int = 1

    def strikes(self, path: str) -> bool:
        """Say whether this request is to be broken, and count it."""
        if self.times <= 0 or not re.search(self.path, path):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


class Call(NamedTuple):
    """One request that was answered, and when (monotonic seconds)."""

    method: str
    path: str
    query: str
    status: int
    client_id: str | None
    at: float = 0.0


class Token(NamedTuple):
    """An access token: whose it is and when it ends (monotonic seconds)."""

    app: App
    user: str | None
    ends: float


class Refusal(NamedTuple):
    """Why a call is not served: wait ``seconds``; ``quota`` for the long sort."""

    seconds: int
    quota: bool


@dataclass
class State:
    """Everything a test may look at or turn while the server runs.

    :param token_seconds: how long an access token lives
    :param rotate: give a new refresh token with each use, and refuse the old one
    :param allowance: calls in any ``window`` seconds for one app; None: no limit
    :param quota: calls of one developer account in all; None: no limit
    :param latency: seconds before each answer
    :param together: the first answers wait until so many calls have come
    :param scopes: what every consent covers
    :ivar most_at_once: the most calls that were under way at the same time
    """

    apps: Sequence[App]
    catalogue: Catalogue = field(default_factory=build)
    token_seconds: float = 3600.0
    rotate: bool = False
    allowance: int | None = None
    window: float = 30.0
    quota: int | None = None
    latency: float = 0.0
    together: int = 0
    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    consents: dict[str, App] = field(default_factory=dict)
    spoken: Spoken = field(default_factory=spoken.build)
    libraries: dict[str, Library] = field(default_factory=dict)
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    most_at_once: int = 0
    _at_once: int = 0
    _come: int = 0
    _gathered: asyncio.Event = field(default_factory=asyncio.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _recent: dict[str, deque[float]] = field(default_factory=dict)
    _spent: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consents |= {app.refresh_token: app for app in self.apps}

    def library(self, user: str) -> Library:
        """Return what a user has; it is made when it is asked for first."""
        if user not in self.libraries:
            seed = int(user.rpartition("_")[2])
            self.libraries[user] = library.build(self.catalogue, self.spoken, seed=seed)
        return self.libraries[user]

    def app(self, client_id: str, secret: str) -> App | None:
        """Return the app of these credentials."""
        return next((a for a in self.apps if (a.client_id, a.secret) == (client_id, secret)), None)

    def grant(self, app: App, *, user: str | None) -> str:
        """Make an access token."""
        token = f"BQ{secrets.token_urlsafe(60)}"
        with self._lock:
            self.tokens[token] = Token(app, user, time.monotonic() + self.token_seconds)
        return token

    def rotated(self, app: App, old: str) -> str:
        """Replace a refresh token by another."""
        del self.consents[old]
        new = f"refresh-{secrets.token_urlsafe(40)}"
        self.consents[new] = app
        return new

    def expire_tokens(self) -> None:
        """End every access token now."""
        with self._lock:
            self.tokens = {text: token._replace(ends=0.0) for text, token in self.tokens.items()}

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        """Count a call while it is answered; hold the first ones until ``together`` have come."""
        self._come += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        if self._come >= self.together:
            self._gathered.set()
        try:
            await self._gathered.wait()
            yield
        finally:
            self._at_once -= 1

    def admit(self, app: App) -> Refusal | None:
        """Count a call against the window and the quota; a refused call costs nothing."""
        if self.quota is not None and self._spent.get(app.budget, 0) >= self.quota:
            return Refusal(QUOTA_WAIT, quota=True)
        now = time.monotonic()
        recent = self._recent.setdefault(app.budget, deque())
        while recent and recent[0] <= now - self.window:
            recent.popleft()
        if self.allowance is not None and len(recent) >= self.allowance:
            return Refusal(max(1, math.ceil(recent[0] + self.window - now)), quota=False)
        recent.append(now)
        self._spent[app.budget] = self._spent.get(app.budget, 0) + 1
        return None

    def fault(self, path: str) -> Fault | None:
        """Return the fault that strikes this request, if one does."""
        return next((fault for fault in self.faults if fault.strikes(path)), None)

    def paths(self, prefix: str = "") -> list[str]:
        """Return the paths asked for so far that start with ``prefix``."""
        return [call.path for call in self.calls if call.path.startswith(prefix)]


STATE: web.AppKey[State] = web.AppKey("state", State)
TOKEN: web.RequestKey[Token] = web.RequestKey("token", Token)
