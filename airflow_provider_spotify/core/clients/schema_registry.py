"""Asks a Confluent-compatible schema registry for Avro schemas, and remembers them.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    TransientError,
)

TIMEOUT = 10.0
"""Seconds for one answer."""
ATTEMPTS = 3
_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"


class SchemaRegistry:
    """One registry. An id never changes its schema, so each is asked for once.

    :param url: its address, without credentials
    :param login: user, or API key
    :param password: or API secret
    """

    def __init__(self, url: str, *, login: str | None = None, password: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ConfigurationError(
                "the schema registry's address must be http(s)://host[:port], its credentials apart"
            )
        self._url = url.rstrip("/")
        self._headers = {"Accept": _ACCEPT}
        if login is not None:
            pair = base64.b64encode(f"{login}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._schemas: dict[int, Any] = {}

    def schema(self, id: int) -> Any:
        """Return the Avro schema of an id, with what it refers to written into it.

        :raises DataError: if there is no such id, or it is no Avro schema
        :raises AuthenticationError, ForbiddenError, TransientError: as the registry answers
        """
        if id not in self._schemas:
            self._schemas[id] = self._resolved(self._get(f"/schemas/ids/{id}"))
        return self._schemas[id]

    def latest(self, subject: str) -> int:
        """Return the id of a subject's newest schema; a way to try the registry.

        :raises DataError: if there is no such subject
        """
        return int(self._get(f"/subjects/{quote(subject, safe='')}/versions/latest")["id"])

    def subjects(self) -> list[str]:
        """Return the names that schemas are kept under."""
        return list(self._get("/subjects"))

    def _resolved(self, found: Mapping[str, Any]) -> Any:
        kind = found.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise DataError(f"its schema is {kind}, and only AVRO is read")
        known: dict[str, Any] = {}
        self._gather(found, known)
        return _written_in(json.loads(found["schema"]), known)

    def _gather(self, found: Mapping[str, Any], known: dict[str, Any]) -> None:
        """Learn the schemas that one refers to, by their names."""
        for each in found.get("references") or ():
            if each["name"] not in known:
                subject = quote(each["subject"], safe="")
                other = self._get(f"/subjects/{subject}/versions/{each['version']}")
                known[each["name"]] = json.loads(other["schema"])
                self._gather(other, known)

    def _get(self, path: str) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(path)
            except TransientError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")

    def _once(self, path: str) -> Any:
        request = Request(self._url + path, headers=self._headers)  # noqa: S310 - http(s), see above
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - likewise
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                raise _refusal(error.code, f"{self._url}{path}") from None
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise TransientError(f"the schema registry {self._url}: {reason}") from None


def _refusal(status: int, address: str) -> ImporterError:
    said = f"the schema registry answered {status} to {address}"
    if status == 401:
        return AuthenticationError(f"{said}: its user or password is wrong")
    if status == 403:
        return ForbiddenError(f"{said}: this user may not read it")
    if status == 404:
        return DataError(f"{said}: there is none")
    if status == 429 or status >= 500:
        return TransientError(said)
    return ConfigurationError(f"{said}: is it a schema registry?")


def _written_in(schema: Any, known: dict[str, Any]) -> Any:
    """Replace the first mention of each known name by its definition, as Avro wants it."""
    if isinstance(schema, str):
        return _written_in(known.pop(schema), known) if schema in known else schema
    if isinstance(schema, list):
        return [_written_in(branch, known) for branch in schema]
    found = dict(schema)
    for key in ("type", "items", "values"):
        if key in found:
            found[key] = _written_in(found[key], known)
    if "fields" in found:
        found["fields"] = [
            {**field, "type": _written_in(field["type"], known)} for field in found["fields"]
        ]
    return found


def framed(value: bytes) -> int | None:
    """Return the schema id of a framed value; None if it is not framed.

    https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
    """
    if len(value) < 5 or value[0]:
        return None
    return int.from_bytes(value[1:5], "big")
