"""Speaks to Elasticsearch 8 and 9 over the house's HTTP client, and says what its answers mean.

Requests are plain JSON without a version of the API in their headers, so a server of either major
answers in its own form; what is used here is the same in both. The official client wants its
server's major, and a bare read with it is slower (benchmarks/).
"""

from __future__ import annotations

import base64
import difflib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import orjson
from pydantic import SecretStr, TypeAdapter, ValidationError

from airflow_provider_spotify.core.clients.http.auth import Auth, BasicAuth, BearerAuth
from airflow_provider_spotify.core.clients.http.client import HttpClient
from airflow_provider_spotify.core.clients.http.errors import NotFound, RateLimited
from airflow_provider_spotify.core.clients.http.messages import Response, plain
from airflow_provider_spotify.core.clients.http.settings import BaseUrl, HttpSettings
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials

PORT = 9200
_LOST = frozenset({"search_context_missing_exception", "node_disconnected_exception"})
_ADDRESS: TypeAdapter[str] = TypeAdapter(BaseUrl)


class PointLost(TransientError):
    """The server has let go of a point in time; another read from the cursor holds a new one."""


class Elastic:
    """A pool of connections to one cluster; an async context manager.

    :param credentials: host, port (9200), login and password, or ``api_key`` in extra
    :param timeout: the longest one request may take
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        tenant: str = "default",
        timeout: timedelta = timedelta(minutes=2),
    ) -> None:
        settings = HttpSettings(base_url=address(credentials), timeout=timeout)
        if trusted := credentials.extra.get("ca_certs"):
            settings = settings.model_copy(update={"ca_certs": Path(str(trusted))})
        zipped = str(credentials.extra.get("http_compress", "")).lower() in ("true", "1")
        self._vectors = True
        self._headers = {} if zipped else {"Accept-Encoding": "identity"}
        self._http = HttpClient(
            settings, auth=_auth(credentials), tenant=tenant, classify=explained
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, tb)

    async def search(self, body: Mapping[str, Any], *, index: str | None = None) -> bytes:
        """Search an index, or the point in time in the body, and return the answer as it came.

        Part of an answer is none: a shard that fails fails the search.
        """
        params = {"allow_partial_search_results": "false"}
        path = f"{_escaped(index)}/_search" if index else "_search"
        try:
            return await self._send("POST", path, params=params, body=self._known(body))
        except ConfigurationError as error:
            if not self._vectors or "exclude_vectors" not in str(error):
                raise
        self._vectors = False  # a server before 9.1, which leaves no vectors out
        return await self._send("POST", path, params=params, body=self._known(body))

    async def matches(self, index: str, query: Mapping[str, Any]) -> bool:
        """Ask whether a document matches; each shard stops at the first one."""
        params = {"terminate_after": 1}
        path = f"{_escaped(index)}/_count"
        answer = orjson.loads(
            await self._send("POST", path, params=params, body={"query": dict(query)})
        )
        whole(answer)
        return bool(answer["count"])

    async def mappings(self, index: str) -> dict[str, Any]:
        """Return the mappings of the indices that a name or pattern means, by index.

        :raises NotFound: if there is no such index; the message offers names that are there
        """
        try:
            found = orjson.loads(await self._send("GET", f"{_escaped(index)}/_mapping"))
        except NotFound as error:
            raise NotFound(f"{error}; {await self._near(index)}") from None
        return {name: each.get("mappings", {}) for name, each in found.items()}

    async def version(self) -> str:
        """Return the versions of the cluster's nodes; it needs the privilege ``monitor``."""
        params = {"filter_path": "nodes.*.version"}
        answer = orjson.loads(await self._send("GET", "_nodes/_local", params=params))
        return ", ".join(sorted({node["version"] for node in answer["nodes"].values()}))

    async def hold(self, index: str, *, keep_alive: timedelta) -> str:
        """Hold the indices as they are now, until ``let_go`` or unasked for so long."""
        params = {"keep_alive": spoken(keep_alive)}
        answer = await self._send("POST", f"{_escaped(index)}/_pit", params=params)
        return str(orjson.loads(answer)["id"])

    async def let_go(self, point: str) -> None:
        """Free what ``hold`` holds."""
        try:
            await self._send("DELETE", "_pit", body={"id": point})
        except (NotFound, TransientError):
            return  # it ended by itself, or will when its time is over

    def _known(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Leave out what this server has said that it does not know."""
        source = body.get("_source")
        if self._vectors or not isinstance(source, Mapping):
            return body
        return {**body, "_source": {k: v for k, v in source.items() if k != "exclude_vectors"}}

    async def _near(self, index: str) -> str:
        try:
            answer = orjson.loads(await self._send("GET", "_resolve/index/*"))
        except ImporterError:
            return "check index"
        kinds = ("indices", "aliases", "data_streams")
        return near([each["name"] for kind in kinds for each in answer.get(kind, ())], index)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        answer = await self._http.request(
            method, path, params=params, json=body, headers=self._headers, idempotent=True
        )
        return answer.body


def address(credentials: Credentials) -> str:
    """Return the base URL: ``http`` unless the connection's schema says ``https``.

    :raises ConfigurationError: if the connection has no host, or one that is no address
    """
    host = credentials.host
    if not host:
        raise ConfigurationError("elasticsearch: the connection has no host")
    if "://" not in host:
        host = f"{credentials.database or credentials.extra.get('scheme') or 'http'}://{host}"
    scheme, _, rest = host.partition("://")
    name, slash, path = rest.partition("/")
    if ":" not in name.rpartition("]")[2]:
        name = f"{name}:{credentials.port or PORT}"
    try:
        return _ADDRESS.validate_python(f"{scheme}://{name}{slash}{path}")
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise ConfigurationError(f"elasticsearch: the host is no address: {said}") from None


def spoken(duration: timedelta) -> str:
    """Write a span of time as Elasticsearch reads it."""
    return f"{duration // timedelta(milliseconds=1)}ms"


def near(names: Sequence[str], wanted: str) -> str:
    """Say which name may have been meant."""
    found = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    if found:
        return f"did you mean {found[0]!r}?"
    listed = ", ".join(sorted(n for n in names if not n.startswith("."))[:10])
    return f"there are: {listed}" if listed else "there are none"


def whole(answer: Mapping[str, Any]) -> None:
    """Make sure that every shard has answered, and to the end.

    :raises TransientError: if a part is missing
    """
    shards = answer.get("_shards", {})
    if answer.get("timed_out") or shards.get("failed"):
        reasons = [each.get("reason", {}) for each in shards.get("failures", ())]
        said = "; ".join(f"{r.get('type')}: {r.get('reason')}" for r in reasons[:1])
        raise TransientError(
            f"Elasticsearch answered in part: {shards.get('failed', 0)} of "
            f"{shards.get('total')} shards failed ({said or 'timed out'})"
        )


def explained(response: Response) -> ImporterError | None:
    """Return the error that an answer stands for, with the server's reason; None for a good one.

    https://www.elastic.co/docs/reference/elasticsearch/rest-apis/common-options lists the shape.
    """
    status = response.status
    if status < 400:
        return None
    kind, reason = _reason(response)
    said = f"Elasticsearch at {plain(response.url)} answered {status}: {kind} {reason}".rstrip()
    if "x-elastic-product" not in response.headers and status in (400, 405):
        said = f"{said}; only Elasticsearch 8 and 9 are read, not OpenSearch"
    if status == 401:
        return AuthenticationError(f"{said}; check the connection's login, password or api_key")
    if status == 403:
        return ForbiddenError(f"{said}; ask for the privileges read and view_index_metadata")
    if kind in _LOST:
        return PointLost(f"{said}; the next attempt goes on where this one stopped")
    if status == 429:
        return RateLimited(f"{said}; with circuit_breaking_exception, lower batch_size")
    if status in (408, 502, 503, 504) or status >= 500:
        return TransientError(said)
    if status == 404:
        return NotFound(said)
    return ConfigurationError(said)


def _reason(response: Response) -> tuple[str, str]:
    """Return the type and the words of the innermost reason that the server gives."""
    try:
        error = orjson.loads(response.body).get("error")
    except (ValueError, AttributeError):
        return "", response.text(200)
    if not isinstance(error, dict):
        return "", str(error or "")[:300]
    roots = error.get("root_cause") or [error]
    cause = roots[0] if isinstance(roots[0], dict) else error
    inner = cause.get("caused_by") or {}
    words = " ".join(filter(None, (cause.get("reason"), inner.get("reason"))))
    return str(cause.get("type") or ""), "".join(c if c.isprintable() else " " for c in words)[:400]


def _auth(credentials: Credentials) -> Auth | None:
    key = credentials.extra.get("api_key")
    if isinstance(key, list | tuple):  # id and key, as the official client takes them
        key = base64.b64encode(":".join(map(str, key)).encode()).decode()
    if key:
        return BearerAuth(SecretStr(str(key)), scheme="ApiKey")
    if credentials.login and credentials.password:
        return BasicAuth(credentials.login, credentials.password)
    return None


def _escaped(index: str) -> str:
    return quote(index, safe=",*-_.+")
