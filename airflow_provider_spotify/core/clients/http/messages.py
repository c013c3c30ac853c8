"""The messages an HTTP client sends and receives, and the rules for their addresses."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

import orjson

from airflow_provider_spotify.core.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.body import Incoming

Params = Mapping[str, Any]
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HARMLESS = frozenset({"accept", "accept-language", "user-agent"})
_KEPT = "%/:=&?~#+!$,;'@()*[]"


class Origin(NamedTuple):
    """Scheme, host and port: who sees what is sent."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Its printed form shows neither query nor headers, which may hold secrets.

    :param taker: takes the body of a good answer unread, which is then not in the Response
    :param bucket: which of the API's limits it counts against, where there are several
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    taker: Callable[[Incoming], None] | None = field(default=None, compare=False)
    bucket: str = ""

    def __repr__(self) -> str:
        return f"Request({self.where})"

    @property
    def where(self) -> str:
        """Method and address without the query, for messages."""
        return f"{self.method} {plain(self.url)}"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, its body read to the end.

    :param headers: names in lower case
    :param from_cache: the body was kept from an earlier answer
    :param revalidated: the system was asked whether that is still good (304), and it was
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    from_cache: bool = False
    revalidated: bool = False
    _read: list[Any] = field(default_factory=list, compare=False)

    def __repr__(self) -> str:
        return f"Response({self.status}, {plain(self.url)}, {len(self.body)} bytes)"

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty if not given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Read the body as JSON, once; None where it is empty.

        :raises orjson.JSONDecodeError: if it is not JSON
        """
        if not self._read:
            self._read.append(orjson.loads(self.body) if self.body.strip() else None)
        return self._read[0]

    def text(self, limit: int = 100) -> str:
        """Return the first printable characters of the body, for messages."""
        start = self.body[: 4 * limit].decode("utf-8", "replace")
        return "".join(c if c.isprintable() else " " for c in start)[:limit].strip()


def origin(url: str) -> Origin:
    """Return who a URL is sent to.

    :raises ValueError: if it is no absolute http(s) URL
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{plain(url)!r} is not an http(s) address")
    return Origin(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])


def plain(url: str) -> str:
    """Return a URL without user, query and fragment: fit for messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def join(base: str, path: str) -> str:
    """Append a path to a base URL, keeping the base's own path; an absolute URL stays itself."""
    if "://" in path.partition("?")[0]:
        return path
    if not path:
        return base
    return f"{base}{path}" if path.startswith("?") else f"{base}/{path.lstrip('/')}"


def with_params(url: str, params: Params | None) -> str:
    """Add parameters to a URL's query, and escape what may not stand in a URL.

    A list gives the parameter several times; None leaves it out; booleans are ``true``/``false``.
    """
    pairs = [pair for name, value in (params or {}).items() for pair in _pairs(name, value)]
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(pairs))))
    path = quote(parts.path, safe=_KEPT) or "/"
    return urlunsplit((parts.scheme, parts.netloc, path, quote(query, safe=_KEPT), ""))


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    values: Iterable[Any] = value if isinstance(value, list | tuple | set) else (value,)
    return [(name, _text(v)) for v in values if v is not None]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def redirect(request: Request, response: Response, *, secrets: Sequence[str]) -> Request | None:
    """Return the request that a redirect asks for (RFC 9110, 15.4); None if it is no redirect.

    :raises ConfigurationError: if it leads from https to http, or nowhere
    """
    location = response.headers.get("location")
    if response.status not in _REDIRECTS or not location:
        return None
    url = _target(request.url, location, secrets=secrets)
    changes_method = response.status == 303 or (
        response.status in (301, 302) and request.method == "POST"
    )
    if changes_method and request.method != "HEAD":
        kept = {k: v for k, v in request.headers.items() if k.lower() != "content-type"}
        return replace(request, method="GET", url=url, headers=kept, body=None)
    return replace(request, url=url)


def _target(url: str, location: str, *, secrets: Sequence[str]) -> str:
    """Return where a redirect leads; a secret that it repeats for another origin is left out."""
    target = with_params(urljoin(url, location), None)
    try:
        to, home = origin(target), origin(url)
    except ValueError as error:
        raise ConfigurationError(f"{plain(url)} redirects to no http(s) address") from error
    if (home.scheme, to.scheme) == ("https", "http"):
        raise ConfigurationError(f"{plain(url)} redirects from https to http ({plain(target)})")
    if to == home:
        return target
    return without(target, values=secrets)


def without(url: str, *, names: Container[str] = (), values: Container[str] = ()) -> str:
    """Return a URL whose query lacks the parameters of these names or values."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(k, v) for k, v in pairs if k not in names and v not in values]
    return url if len(kept) == len(pairs) else urlunsplit(parts._replace(query=urlencode(kept)))


def for_stranger(request: Request) -> Request:
    """Return a request as a host may see it that our credentials are not for."""
    if request.body is not None:
        raise ConfigurationError(
            f"{request.where}: a request with a body is not sent to another host; if it may see "
            "the credentials and the body, name it in allowed_hosts"
        )
    kept = {k: v for k, v in request.headers.items() if k.lower() in _HARMLESS}
    return replace(request, headers=kept)
