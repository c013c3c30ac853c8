"""An authorization server as RFC 6749, 7636 and 7523 describe it, which checks what it is sent.

Refresh tokens work once, as SoundCloud's and TikTok's do; one that is presented again ends the
whole grant (RFC 9700, 4.14.2). Paths: ``/authorize``, ``/token``, ``/exchange``
(ig_exchange_token), ``/prolong`` (ig_refresh_token, fb_exchange_token) and ``/items``, which
wants a token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Answer = tuple[int, dict[str, Any]]


class Refused(Exception):
    """An error answer (RFC 6749, 5.2)."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


@dataclass
class OAuthServer:
    """The server's settings, and what it has seen.

    :param client_secret: None: a public client
    :param client_auth: where it accepts the secret, by grant
    :param life: seconds that an access token lives, and ``grace``: for which it is taken after that
    :param scheme: the word that it accepts before an access token
    :param challenge: how it expects the PKCE challenge; None: it wants none
    :param accounts: the public keys of service accounts by e-mail address
    :param prolongable: what may be prolonged: token and when it was given (seconds since 1970)
    :param ahead: seconds by which its clock is ahead of ours
    :param slow: seconds that a renewal takes
    :ivar renewing: set once a renewal has come; it is answered when ``may_renew`` is set, as it is
    """

    client_id: str = "app"
    client_secret: str | None = "app-secret"
    client_auth: dict[str, str] = field(default_factory=dict)
    client_id_name: str = "client_id"
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1/callback",)
    life: float = 3600
    grace: float = 0
    scheme: str = "Bearer"
    challenge: str | None = "base64url"
    single_use: bool = True
    app_refreshes: bool = False
    accounts: dict[str, RSAPublicKey] = field(default_factory=dict)
    prolongable: dict[str, float] = field(default_factory=dict)
    ahead: float = 0
    slow: float = 0
    renewing: threading.Event = field(default_factory=threading.Event)
    may_renew: threading.Event = field(default_factory=lambda: _set())
    down: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)
    refresh_tokens: set[str] = field(default_factory=set)
    access_tokens: dict[str, float] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def token_url(self) -> str:
        """The address of the token endpoint."""
        return f"{self.url}/token"

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"oauth": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def now(self) -> float:
        """Return the time by the server's clock."""
        return time.time() + self.ahead

    def expire(self) -> None:
        """End every access token."""
        with self.lock:
            self.access_tokens.clear()

    def answer(self, path: str, query: dict[str, str], form: dict[str, str], auth: str) -> Answer:
        """Answer what is not a page."""
        if path == "/token":
            self.renewing.set()
            time.sleep(self.slow)
            self.may_renew.wait(60)
        with self.lock:
            self.asked[path] += 1
            if path == "/token" and self.down:
                self.down -= 1
                return 503, {}
            try:
                return 200, self._granted(path, query, form, auth)
            except Refused as refused:
                return refused.status, {"error": refused.error}

    def _granted(
        self, path: str, query: dict[str, str], form: dict[str, str], auth: str
    ) -> dict[str, Any]:
        if path == "/items":
            return self._items(auth, query)
        if path == "/exchange":
            return self._exchanged(query)
        if path == "/prolong":
            return self._prolonged(query)
        if path != "/token":
            raise Refused("not_found", 404)
        self.forms.append(form)
        grant = form.get("grant_type", "")
        if grant == JWT:
            return self._service_account(form)
        self._know_client(form, auth, grant)
        if grant == "authorization_code":
            return self._code(form)
        if grant == "refresh_token":
            return self._refresh(form)
        if grant == "client_credentials" and self.client_secret:
            return self._tokens(refresh=self.app_refreshes)
        raise Refused("unsupported_grant_type")

    def _know_client(self, form: dict[str, str], auth: str, grant: str) -> None:
        given = (form.get(self.client_id_name), form.get("client_secret"))
        how = "body"
        if auth.startswith("Basic "):
            login, _, password = base64.b64decode(auth[6:]).decode().partition(":")
            given, how = (login, password), "basic"
        wanted = self.client_auth.get(grant, how)
        if given != (self.client_id, self.client_secret) or (self.client_secret and how != wanted):
            raise Refused("invalid_client", 401)

    def _tokens(self, *, refresh: bool) -> dict[str, Any]:
        self.count += 1
        token = f"access-{self.count}"
        self.access_tokens[token] = time.time() + self.life + self.grace
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
        if refresh:
            self.refresh_tokens.add(f"refresh-{self.count}")
            body["refresh_token"] = f"refresh-{self.count}"
        return body

    def _refresh(self, form: dict[str, str]) -> dict[str, Any]:
        token = form.get("refresh_token", "")
        self.spent[token] += 1
        if token not in self.refresh_tokens:
            self.refresh_tokens.clear()  # a reuse ends them all
            raise Refused("invalid_grant")
        if self.single_use:
            self.refresh_tokens.discard(token)
        return self._tokens(refresh=self.single_use)

    def consent(self, query: dict[str, str]) -> str:
        """Return where the consent page leads once the user has accepted."""
        redirect = query.get("redirect_uri", "")
        parts = urlsplit(redirect)
        bare = f"{parts.scheme}://{parts.hostname}{parts.path}"  # any port of 127.0.0.1 (RFC 8252)
        if redirect not in self.redirect_uris and bare not in self.redirect_uris:
            raise Refused("invalid_request: redirect_uri")
        if query.get(self.client_id_name) != self.client_id or query["response_type"] != "code":
            raise Refused("invalid_client")
        if self.challenge and query.get("code_challenge_method") != "S256":
            raise Refused("invalid_request: PKCE")
        with self.lock:
            self.count += 1
            code = f"code-{self.count}"
            self.codes[code] = query
        return f"{redirect}?{urlencode({'code': code, 'state': query['state']})}"

    def _code(self, form: dict[str, str]) -> dict[str, Any]:
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            raise Refused("invalid_grant")
        digest = hashlib.sha256(form.get("code_verifier", "").encode())
        coded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        wanted = digest.hexdigest() if self.challenge == "hex" else coded
        if self.challenge and wanted != asked.get("code_challenge"):
            raise Refused("invalid_grant")
        return self._tokens(refresh=self.challenge is not None)

    def _service_account(self, form: dict[str, str]) -> dict[str, Any]:
        header, claims, signature = form["assertion"].split(".")
        said = json.loads(_decoded(claims))
        self.claims.append(said)
        key = self.accounts.get(said.get("iss", ""))
        if key is None or json.loads(_decoded(header))["alg"] != "RS256":
            raise Refused("invalid_grant")
        try:
            key.verify(
                _decoded(signature), f"{header}.{claims}".encode(), PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            raise Refused("invalid_grant") from None
        now, within = self.now(), said["exp"] - said["iat"] <= 3600
        if not (within and said["iat"] <= now < said["exp"] and said["aud"] == self.token_url):
            raise Refused("invalid_grant")
        return self._tokens(refresh=False)

    def _exchanged(self, query: dict[str, str]) -> dict[str, Any]:
        known = query.get("access_token") in self.access_tokens
        if query.get("grant_type") != "ig_exchange_token" or not known:
            raise Refused("invalid_request")
        if query.get("client_secret") != self.client_secret:
            raise Refused("invalid_client")
        return self._long_lived()

    def _prolonged(self, query: dict[str, str]) -> dict[str, Any]:
        grant = query.get("grant_type")
        if grant == "fb_exchange_token":
            token = query.get("fb_exchange_token", "")
            if (query.get("client_id"), query.get("client_secret")) != (
                self.client_id,
                self.client_secret,
            ):
                raise Refused("invalid_client")
        elif grant == "ig_refresh_token":
            token = query.get("access_token", "")
        else:
            raise Refused("invalid_request")
        given = self.prolongable.get(token)
        if given is None or not 24 * 3600 <= time.time() - given < 60 * 24 * 3600:
            raise Refused("invalid_request")
        return self._long_lived()

    def _long_lived(self) -> dict[str, Any]:
        self.count += 1
        token = f"long-{self.count}"
        self.prolongable[token] = time.time()
        self.access_tokens[token] = time.time() + 60 * 24 * 3600
        return {"access_token": token, "token_type": "bearer", "expires_in": 60 * 24 * 3600}

    def _items(self, auth: str, query: dict[str, str]) -> dict[str, Any]:
        scheme, _, token = auth.partition(" ")
        token = query.get("access_token") or (token if scheme == self.scheme else "")
        if self.access_tokens.get(token, 0) < time.time():
            raise Refused("invalid_token", 401)
        self.seen.append(token)
        return {"token": token, "proof": query.get("appsecret_proof")}


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    oauth: OAuthServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, text = self.path.partition("?")
        query = {name: values[0] for name, values in parse_qs(text).items()}
        if path == "/authorize":
            self._consent(query)
        else:
            self._send(*self.oauth.answer(path, query, {}, self.headers.get("Authorization", "")))

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        path, auth = urlsplit(self.path).path, self.headers.get("Authorization", "")
        if self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            self._send(415, {})
            return
        self._send(*self.oauth.answer(path, {}, form, auth))

    def _consent(self, query: dict[str, str]) -> None:
        try:
            where = self.oauth.consent(query)
        except Refused as refused:
            self._send(refused.status, {"error": refused.error})
            return
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string(self.oauth.now()))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None: ...


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
