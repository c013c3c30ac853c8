"""Takes secrets and personal values out of an exchange before it is written down.

Secrets go by three rules: those that the client's credentials hold, wherever they stand; fields,
parameters and headers whose names say so; and every value of a token request and of its answer,
except how long the token lives. Personal values go by the names of their fields, plus everything
that looks like an e-mail address. What stands in for them in an answer is the same wherever the
value is the same, so keys still match; it is of no use outside the recording.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets as randomness
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit, urlunsplit

import orjson

from airflow_provider_spotify.core.clients.http.auth import scrub as without_secrets
from airflow_provider_spotify.core.clients.http.messages import Request

GONE = "***"
PERSONAL = ("email", "phone", "birthdate", "birthday", "ip")
"""The words in a field's name that make its value personal, unless others are given."""
_SHORTEST = 4
"""Characters of the shortest secret that is looked for by its value."""
_SECRET_ENDS = (
    *("accesstoken", "refreshtoken", "idtoken", "authtoken", "sessiontoken", "securitytoken"),
    *("exchangetoken", "apikey", "apisecret", "secret", "password", "passwd", "assertion"),
    *("codeverifier", "authorization", "signature", "appsecretproof", "privatekey", "credential"),
)
_SECRET_FIELDS = frozenset({"token", "sig", "apisig", "sk", "pwd", "jwt"})
_SECRET_PARAMS = _SECRET_FIELDS | {"key", "auth"}
_SECRET_HEADER = re.compile(r"auth|cookie|token|key|secret|signature|session|credential", re.I)
_TOKEN_FACTS = frozenset({"grant_type", "scope", "token_type", "expires_in", "expires"})
_WORDS = re.compile(r"[a-z]+|[A-Z][a-z]*|\d+")
_PARAM = re.compile(r"([?&;]|\\u0026)([\w.\-]{1,64})=([^&\s\"'#<>\\]+)")
_FIELD = re.compile(r'"([^"\\]{1,64})"(\s*:\s*)"((?:[^"\\]|\\.)*)"')
_EMAIL = re.compile(r"[\w.+\-]{1,64}(?:@|%40)[\w\-]+(?:\.[\w\-]+)*\.[A-Za-z]{2,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Scrubber:
    """Knows what must not be written; learns the secrets of every client it hears of.

    :param personal: words in the names of fields whose values are personal
    """

    def __init__(self, personal: Iterable[str] = PERSONAL) -> None:
        self.personal = tuple(sorted({name.strip().lower() for name in personal} - {""}))
        self._secrets: tuple[str, ...] = ()
        self._key = randomness.token_bytes(16)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take out these values, too, from now on."""
        new = {secret for secret in secrets if len(secret) >= _SHORTEST}
        if not new.issubset(self._secrets):
            self._secrets = tuple(new.union(self._secrets))

    def url(self, url: str) -> str:
        """Return an address without secrets and personal values, its parameters in order."""
        parts = urlsplit(url)
        pairs = sorted(parse_qsl(parts.query, keep_blank_values=True))
        grants = any(name == "grant_type" for name, _ in pairs)
        query = "&".join(
            f"{quote(name, safe='$[].')}={quote(self._param(name, value, grants=grants), safe='*')}"
            for name, value in pairs
        )
        path = self._plain(parts.path, _constant)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, query, ""))

    def _param(self, name: str, value: str, *, grants: bool) -> str:
        if grants and name not in _TOKEN_FACTS:
            return GONE
        if _secret(name, _SECRET_PARAMS) or self._is_personal(name):
            return GONE
        return self._plain(value, _constant)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers without those that hold secrets."""
        return {
            name: GONE if _SECRET_HEADER.search(name) else self._text(value, _constant)
            for name, value in headers.items()
        }

    def asked(self, request: Request) -> Any:
        """Return what a request's body says: a form by its names, JSON, or text."""
        body = request.body
        if body is None:
            return None
        kind = next((v for k, v in request.headers.items() if k.lower() == "content-type"), "")
        if kind.startswith("application/x-www-form-urlencoded"):
            pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            grants = any(name == "grant_type" for name, _ in pairs)
            return {"form": [[n, self._param(n, v, grants=grants)] for n, v in sorted(pairs)]}
        return self.body(body, like=_constant)

    def body(
        self, body: bytes, *, granted: bool = False, like: Callable[[str], str] | None = None
    ) -> Any:
        """Return a body as it may be written: ``json``, ``text`` or, where it is none, nothing.

        :param granted: it is the answer of a token endpoint
        :param like: what stands in for a personal value
        """
        like = like or self.stand_in
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return None
        try:
            value = orjson.loads(body)
        except ValueError:
            return {"text": self._text(text, like)}
        if granted and isinstance(value, dict):
            return {"json": _grant(value)}
        scrubbed = self._value(value, like)
        return {"text": text} if scrubbed == value and not _lossless(text) else {"json": scrubbed}

    def line(self, line: bytes) -> bytes:
        """Return one line of a body of any length."""
        found = self.body(line) if line.strip() else None
        if found is None:
            return line
        end = line[len(line.rstrip(b"\r\n")) :]
        text: str | None = found.get("text")
        return text.encode() if text is not None else orjson.dumps(found["json"]) + end

    def stand_in(self, value: str) -> str:
        """Return what is written for a personal value, of the same kind where that matters."""
        if _DATE.match(value):
            return "1970-01-01" + value[10:]
        mark = hmac.new(self._key, unquote_plus(value).encode(), hashlib.sha256).hexdigest()[:12]
        return f"{mark}@scrubbed.invalid" if "@" in unquote_plus(value) else f"scrubbed-{mark}"

    def _value(self, value: Any, like: Callable[[str], str], *, name: str = "") -> Any:
        if isinstance(value, dict):
            return {self._plain(k, like): self._value(v, like, name=k) for k, v in value.items()}
        if isinstance(value, list):
            return [self._value(v, like, name=name) for v in value]
        if isinstance(value, str):
            if _secret(name, _SECRET_FIELDS):
                return GONE if value else value
            return like(value) if value and self._is_personal(name) else self._text(value, like)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return 0 if self._is_personal(name) or _secret(name, _SECRET_FIELDS) else value
        return value

    def _text(self, text: str, like: Callable[[str], str]) -> str:
        """Scrub text in which fields and addresses may stand."""
        if '"' in text:
            text = _FIELD.sub(lambda found: self._field(found, like), text)
        if "=" in text:
            text = _PARAM.sub(self._query, text)
        return self._plain(text, like)

    def _plain(self, text: str, like: Callable[[str], str]) -> str:
        text = without_secrets(text, self._secrets)
        if "email" in self.personal and ("@" in text or "%40" in text):
            text = _EMAIL.sub(lambda found: _once(found[0], like), text)
        return text

    def _field(self, found: re.Match[str], like: Callable[[str], str]) -> str:
        name, colon, value = found.groups()
        if value and _secret(name, _SECRET_FIELDS):
            value = GONE
        elif value and self._is_personal(name):
            value = like(value)
        return f'"{name}"{colon}"{value}"'

    def _query(self, found: re.Match[str]) -> str:
        start, name, value = found.groups()
        gone = _secret(name, _SECRET_PARAMS) or self._is_personal(name)
        return f"{start}{name}={GONE if gone else value}"

    def _is_personal(self, name: str) -> bool:
        if not self.personal:
            return False
        words = [word.lower() for word in _WORDS.findall(name)]
        return any(word in words or word == name.lower() for word in self.personal)


def grants(request: Request) -> bool:
    """Say whether a request asks for a token (RFC 6749, 4 to 6)."""
    body = (request.body or b"")[:4096]
    return b"grant_type=" in body or "grant_type=" in urlsplit(request.url).query


def _grant(value: dict[str, Any]) -> dict[str, Any]:
    """Return a token answer without tokens; a new refresh token would be kept on replay."""
    return {
        name: GONE if isinstance(v, str) and name not in _TOKEN_FACTS and v else v
        for name, v in value.items()
        if name != "refresh_token"
    }


def _lossless(text: str) -> bool:
    """Say whether JSON stays what it is when it is read and written: 1.50 does not."""
    again = orjson.dumps(orjson.loads(text))
    before, after = (json.loads(t, parse_float=str, parse_int=str) for t in (text, again))
    return bool(before == after)


def _secret(name: str, exactly: frozenset[str]) -> bool:
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    return bare in exactly or bare.endswith(_SECRET_ENDS)


def _constant(_: str) -> str:
    return GONE


def _once(value: str, like: Callable[[str], str]) -> str:
    """Leave what already stands in for something."""
    return value if value.endswith("@scrubbed.invalid") and like is not _constant else like(value)
