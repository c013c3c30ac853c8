"""The source ``rest`` keeps what every source promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.rest import RestConfig, RestSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.http_server import HttpServer

PASSWORD = "correct-horse-battery"


class TestRest(SourceConformance):
    """By offset, with what is new asked for by time and only the right key let in."""

    expected_rows = 95
    pagination: ClassVar[Any] = {"kind": "offset", "limit": 10}
    params: ClassVar[Any] = {}
    path: ClassVar[str] = "plays"
    parts_read_on = True

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        forget_limits()
        self.rows = [self.row(n) for n in range(95)]
        with HttpServer() as self.server:
            self.server.answers["/v1/plays"] = self.answer
            yield

    def row(self, n: int) -> dict[str, Any]:
        return {"id": n, "at": f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}Z", "tags": [{"n": n}]}

    def answer(self, request: web.Request) -> web.Response:
        return self.page(request, self.rows)

    def page(self, request: web.Request, rows: list[dict[str, Any]]) -> web.Response:
        if request.query.get("key") != PASSWORD:
            return web.json_response({"message": f"bad {request.query.get('key')}"}, status=401)
        found = [row for row in rows if row["at"] >= request.query.get("since", "")]
        start = int(request.query.get("offset", 0))
        size = int(request.query.get("limit", 10))
        more = start + size < len(found)
        body = {"items": found[start : start + size], "total": len(found)}
        link = str(request.rel_url.update_query(offset=start + size))
        return web.json_response({**body, "next": link if more else None})

    def make(self, password: str = PASSWORD, path: str = "") -> RestSource:
        config = RestConfig.model_validate(
            {
                "path": path or self.path,
                "params": {} if path else self.params,
                "records": "items",
                "pagination": self.pagination,
                "incremental": {"param": "since", "field": "at"},
                "auth": {"kind": "api_key", "name": "key", "place": "query"},
                "batch_size": 15,
                "retry_attempts": 1,
            }
        )
        url = f"{self.server.url}/v1"
        return RestSource(config, credentials=Credentials(host=url, password=SecretStr(password)))

    def make_source(self) -> RestSource:
        return self.make()

    def make_empty(self) -> RestSource:
        self.server.answers["/v1/none"] = {"items": [], "total": 0}
        return self.make(path="none")

    def make_bad_credentials(self) -> RestSource:
        return self.make(password="staple-gun-xylophone")

    def add_more(self) -> int:
        self.rows += [self.row(n) for n in range(94, 110)]
        return 16


class TestRestWithTotal(TestRest):
    """The same, with pages read together because their number is known."""

    pagination: ClassVar[Any] = {"kind": "offset", "limit": 10, "total": "total"}


class TestRestByNextUrl(TestRest):
    """The same, with each page naming the next."""

    pagination: ClassVar[Any] = {"kind": "next_url"}


class TestRestOfList(TestRest):
    """The same, with a list in the path: three parts of the plays, each with its own bound."""

    path = "plays/{third}"
    params: ClassVar[Any] = {"third": ["a", "b", "c"]}

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        forget_limits()
        self.rows = [self.row(n) for n in range(95)]
        with HttpServer() as self.server:
            for third in "abc":
                self.server.answers[f"/v1/plays/{third}"] = self.answer
            yield

    def answer(self, request: web.Request) -> web.Response:
        third = "abc".find(request.path[-1])
        return self.page(request, [row for row in self.rows if row["id"] % 3 == third])
