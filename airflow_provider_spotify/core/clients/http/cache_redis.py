"""Keeps answers in Redis, for the workers of many machines.

A tenant's answers are strings ``airflow_provider_spotify:cache:{<tenant>}:<answer>`` that Redis
drops at their time; ``index`` and ``bytes`` beside them bound what they take together. hishel has a
store for Redis, too; this one asks once for a hit where that one asks five times, compresses, and
has that bound (hishel 2.0, 2026-11-22).
"""

from __future__ import annotations

import hashlib
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import orjson
from hishel import BaseStorage, Entry, Headers, Request, Response
from pydantic import SecretStr

from airflow_provider_spotify.core.errors import ConfigurationError, MissingDependency

try:
    from redis.exceptions import RedisError
except ImportError as missing:
    raise MissingDependency("redis", extra="http") from missing

FAILURES = (RedisError,)
"""What a Redis raises that does not answer, or refuses."""
PREFIX = "airflow_provider_spotify:cache"
MAX_ENTRY = 16 * 1024 * 1024
"""Bytes of the longest answer that is kept, after compression; a Redis string ends at 512 MB."""
_PACKED = 4096
"""Bytes from which on a body is compressed: a shorter one takes as long as it saves."""
_PATIENCE = 2.0
"""Seconds that Redis may take to answer; to go on without a cache is better than to wait."""
_STORE = """
local now, expires, size, most = tonumber(ARGV[1]), tonumber(ARGV[2]), #ARGV[3], tonumber(ARGV[4])
local mine = ARGV[5] .. ' ' .. size
local function drop(member, keeps)
  local name, bytes = string.match(member, '^(%x+) (%d+)$')
  redis.call('zrem', KEYS[2], member)
  redis.call('decrby', KEYS[3], bytes)
  if name ~= keeps then redis.call('unlink', ARGV[6] .. name) end
end
local before = redis.call('getset', KEYS[1], ARGV[3])
local ends = math.ceil(expires)
redis.call('pexpireat', KEYS[1], ends)
local known = before and ARGV[5] .. ' ' .. #before
if known and redis.call('zscore', KEYS[2], known) then drop(known, ARGV[5]) end
if redis.call('zadd', KEYS[2], ARGV[2], mine) == 1 then redis.call('incrby', KEYS[3], size) end
for _, member in ipairs(redis.call('zrangebyscore', KEYS[2], '-inf', '(' .. now)) do
  drop(member, ARGV[5])
end
while tonumber(redis.call('get', KEYS[3])) > most do
  local oldest = redis.call('zrange', KEYS[2], 0, 0)[1]
  if not oldest then redis.call('set', KEYS[3], 0) break end
  drop(oldest, '')
end
for _, key in ipairs({KEYS[2], KEYS[3]}) do
  if redis.call('pttl', key) < expires - now then redis.call('pexpireat', key, ends) end
end
"""
"""Keeps one answer; what has ended, and the oldest above the bound, makes room for it."""


class RedisStorage(BaseStorage):
    """One answer for each key: the newest.

    :param ttl: seconds that an answer stays
    :param most: bytes that the answers of one tenant may take together
    """

    def __init__(self, url: SecretStr, *, tenant: str, ttl: float, most: int) -> None:
        super().__init__(default_ttl=ttl)
        self._redis = connected(url)
        self._space = _space(tenant)
        self._most = most
        self._store = self._redis.register_script(_STORE)

    def create_entry(
        self,
        request: Request,
        response: Response,
        key: str,
        *,
        ttl: float | None = None,
        tti: float | None = None,
    ) -> Entry:
        """Keep an answer; return it with a body that is read already."""
        stream = response.stream
        assert stream is None or isinstance(stream, Iterator)
        body = b"".join(stream or ())
        entry = Entry(id=_identity(key), request=request, response=_with(response, body))
        self._put(entry, body, expires=time.time() + (ttl or self.default_ttl or 0))
        return entry

    def get_entries(self, key: str) -> list[Entry]:
        """Return the answer of a key, if it is there."""
        name = _identity(key)
        value: bytes | None = self._redis.get(self._name(name))
        return [] if value is None else [_unpacked(value, name)]

    def update_headers(self, id: uuid.UUID, headers: Headers) -> None:
        """Replace the headers of an answer that was confirmed; it stays as long as it would."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(self._name(id))
            pipe.pttl(self._name(id))
            value, left = pipe.execute()
        if value is not None and left > 0:
            kept = _unpacked(value, id)
            body = b"".join(_blocks(kept.response))
            kept.response = Response(kept.response.status_code, headers, None)
            self._put(kept, body, expires=time.time() + left / 1000)

    def remove_entry(self, id: uuid.UUID) -> None:
        """Drop an answer; the index forgets it at its time."""
        self._redis.unlink(self._name(id))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _put(self, entry: Entry, body: bytes, *, expires: float) -> None:
        value = _packed(entry, body)
        if len(value) > min(MAX_ENTRY, self._most):
            return
        keys = [self._name(entry.id), f"{self._space}index", f"{self._space}bytes"]
        times = (time.time() * 1000, expires * 1000)
        self._store(keys, [*times, value, self._most, entry.id.hex, self._space])

    def _name(self, id: uuid.UUID) -> str:
        return f"{self._space}{id.hex}"


def _space(tenant: str) -> str:
    """Return what the names of a tenant's keys begin with."""
    return f"{PREFIX}:{{{hashlib.blake2b(tenant.encode(), digest_size=8).hexdigest()}}}:"


def erase(url: SecretStr, *, tenant: str) -> int:
    """Remove every answer kept for a tenant; return how many keys that were.

    :raises redis.RedisError: if Redis does not answer
    """
    redis = connected(url)
    try:
        names = list(redis.scan_iter(match=f"{_space(tenant)}*", count=1000))
        for at in range(0, len(names), 500):
            redis.unlink(*names[at : at + 500])
        return len(names)
    finally:
        redis.close()


def connected(url: SecretStr) -> Any:
    """Return a client; nothing is connected yet.

    :raises ConfigurationError: if the URL is malformed; it is not repeated
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        return Redis.from_url(
            url.get_secret_value(),
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise ConfigurationError(
            "the cache's Redis URL is malformed (it is not shown); write "
            "redis://[:password@]host:port/0"
        ) from None


def _identity(key: str) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.sha256(key.encode()).digest()[:16])


def _packed(entry: Entry, body: bytes) -> bytes:
    """Write an answer as one line of JSON and its body."""
    asked, answer = entry.request, entry.response
    small = zlib.compress(body, 1) if len(body) >= _PACKED else body
    packed = len(small) < len(body)
    head = {
        "url": asked.url,
        "asked": _pairs(asked.headers),
        "status": answer.status_code,
        "headers": _pairs(answer.headers),
        "packed": packed,
    }
    return orjson.dumps(head) + b"\n" + (small if packed else body)


def _unpacked(value: bytes, name: uuid.UUID) -> Entry:
    line, _, body = value.partition(b"\n")
    head = orjson.loads(line)
    request = Request("GET", head["url"], Headers(dict(head["asked"])))
    response = Response(head["status"], Headers(dict(head["headers"])))
    return Entry(name, request, _with(response, zlib.decompress(body) if head["packed"] else body))


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return [(name, headers[name]) for name in headers]


def _with(response: Response, body: bytes) -> Response:
    return Response(response.status_code, response.headers, iter([body]))


def _blocks(response: Response) -> Iterator[bytes]:
    stream = response.stream
    assert isinstance(stream, Iterator)
    return stream
