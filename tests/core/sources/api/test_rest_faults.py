"""The source ``rest`` under the fault plan, by each way of paging it knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from aiohttp import web
from pydantic import SecretStr
from yarl import URL

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.rest import RestConfig, RestSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.web_api.example import CLIENT, SECRET, PlaysApi


class MorePlaysApi(PlaysApi):
    """The example, with two more ways of paging through the same plays."""

    def routes(self) -> list[web.RouteDef]:
        more = [web.get("/v1/tokens", self.by_token), web.get("/v1/offsets", self.by_offset)]
        return [*super().routes(), *more]

    def by_token(self, request: web.Request) -> Any:
        body = self.listing(request)
        token = URL(body["next"]).query["page_token"] if body["next"] else None
        return {"items": body["items"], "next_page_token": token}

    def by_offset(self, request: web.Request) -> Any:
        query = self.query(request)
        offset, limit = query.integer("offset", 0), query.integer("limit", 10, low=1, high=50)
        query.done()
        return {"items": self.plays[offset : offset + limit], "total": len(self.plays)}


class TestByNextUrl(WebFaults):
    """Each page names the next one's address; OAuth 2 client credentials."""

    data = r"^/v1/plays"
    error_bodies = ({"code": 500, "message": "backend failed"},)
    path: ClassVar[str] = "v1/plays"
    restarts = "what a token was good for is not known, so all is read again: write by merge"
    pagination: ClassVar[dict[str, Any]] = {"kind": "next_url"}

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with MorePlaysApi() as self.server:
            self.server.limits.clear()
            yield

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> RestSource:
        config = {
            "path": self.path,
            "params": {} if self.pagination["kind"] == "offset" else {"limit": 10},
            "records": "items",
            "pagination": self.pagination,
            "auth": {"kind": "oauth2_client_credentials", "token_url": f"{url}/oauth/token"},
            "batch_size": 15,
            "timeout": "3s",
            "retry_attempts": 2,
        }
        credentials = Credentials(host=url, login=CLIENT, password=SecretStr(SECRET))
        return RestSource(RestConfig.model_validate(config), credentials=credentials)

    def insert(self) -> object:
        return self.server.add(1)

    def delete(self) -> object:
        with self.server.lock:
            return self.server.plays.pop(3)


class TestByPageToken(TestByNextUrl):
    """Each page holds a token for the next; read from the token API of the same server."""

    data = r"^/v1/tokens"
    pagination: ClassVar[dict[str, Any]] = {
        "kind": "cursor",
        "param": "page_token",
        "next": "next_page_token",
    }
    path = "v1/tokens"


class TestByOffset(TestByNextUrl):
    """Pages by offset, read together, as the total says how many there are."""

    data = r"^/v1/offsets"
    excused: ClassVar[dict[str, str]] = {
        "insert": "an offset shifts with the rows before it; the docs say: order by age, or merge",
        "delete": "an offset shifts with the rows before it; the docs say: order by age, or merge",
    }
    pagination: ClassVar[dict[str, Any]] = {"kind": "offset", "limit": 10, "total": "total"}
    path = "v1/offsets"
