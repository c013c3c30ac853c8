"""A schema registry that keeps Confluent's contract, in memory: subjects, versions, ids.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import fastavro
import pytest
from aiohttp import web

from tests.services.http_server import HttpServer

USER, PASSWORD = "registry", "registry-s3cret-of-tests"


class RegistryServer:
    """Schemas by id and by subject; asked without its user and password it answers 401."""

    def __init__(self, server: HttpServer) -> None:
        self.url = server.url
        self.server = server
        self._schemas: list[dict[str, Any]] = []
        server.answers["/subjects"] = self._answer(self._subjects)

    def register(
        self,
        subject: str,
        schema: Any,
        *,
        kind: str = "AVRO",
        references: Sequence[Mapping[str, Any]] = (),
    ) -> int:
        """Keep a schema as the newest of a subject; return its id."""
        version = 1 + sum(each["subject"] == subject for each in self._schemas)
        text = schema if isinstance(schema, str) else json.dumps(schema)
        kept = {"subject": subject, "version": version, "schema": text}
        kept |= {"id": len(self._schemas) + 1}
        kept |= {} if kind == "AVRO" else {"schemaType": kind}
        kept |= {"references": list(references)} if references else {}
        self._schemas.append(kept)
        by_id = {k: v for k, v in kept.items() if k in ("schema", "schemaType", "references")}
        answers = self.server.answers
        answers[f"/schemas/ids/{kept['id']}"] = self._answer(lambda: by_id)
        for name in (version, "latest"):
            answers[f"/subjects/{subject}/versions/{name}"] = self._answer(lambda: kept)
        return int(kept["id"])

    def framed(self, id: int, value: Any) -> bytes:
        """Return a value in the wire format, written by the schema of an id."""
        schema = json.loads(self._schemas[id - 1]["schema"])
        return b"\0" + id.to_bytes(4, "big") + bare(schema, value)

    def asked(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(seen.path == path for seen in self.server.seen)

    def _subjects(self) -> list[str]:
        return sorted({each["subject"] for each in self._schemas})

    @staticmethod
    def _answer(found: Any) -> Any:
        wanted = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"

        def answer(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != wanted:
                body = {"error_code": 40101, "message": "Unauthorized"}
                return web.json_response(body, status=401)
            kind = "application/vnd.schemaregistry.v1+json"
            return web.json_response(found(), content_type=kind)

        return answer


def bare(schema: Any, value: Any) -> bytes:
    """Return a value written by a schema, without a frame."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


@pytest.fixture
def schema_registry() -> Iterator[RegistryServer]:
    """Give an empty registry of this test alone."""
    with HttpServer() as server:
        yield RegistryServer(server)
