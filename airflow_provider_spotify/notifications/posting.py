"""Posting one JSON document over HTTP, without following redirects."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ForbiddenError,
    TransientError,
)

TIMEOUT = 10.0
"""Seconds one attempt may take; a notification must not hold a worker."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@retry(
    retry=retry_if_exception_type(TransientError),
    stop=stop_after_attempt(3),
    wait=wait_exponential(multiplier=0.5, max=4),
    reraise=True,
)
def post_json(
    url: str,
    *,
    document: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    what: str,
) -> None:
    """Post ``document`` and expect a 2xx; a redirect is refused, as the URL itself may be secret.

    :param what: how errors name the receiver, as its URL is never repeated
    :raises ConfigurationError: if the URL is not https (http is for this machine only)
    :raises ForbiddenError: if the receiver refuses the document or its credentials
    :raises TransientError: if it cannot be reached, or answers 429 or 5xx, three times
    """
    parts = urlsplit(url)
    connection = _connection(parts.scheme, host=parts.hostname, port=parts.port, what=what)
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    body = json.dumps(document, ensure_ascii=False).encode()
    try:
        connection.request(
            "POST",
            target,
            body=body,
            headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
        )
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"{what} cannot be reached: {type(error).__name__}") from error
    finally:
        connection.close()
    _judge(status, what=what)


def _connection(
    scheme: str, *, host: str | None, port: int | None, what: str
) -> http.client.HTTPConnection:
    if host and scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    if host in _LOCAL and scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    raise ConfigurationError(f"{what} needs an https URL; write it in the connection's host")


def _judge(status: int, *, what: str) -> None:
    if status < 300:
        return
    if status == 429 or status >= 500:
        raise TransientError(f"{what} answered HTTP {status}")
    raise ForbiddenError(f"{what} answered HTTP {status}; check the URL and token it is given")
