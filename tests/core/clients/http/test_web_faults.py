"""The fault suite fails sources that are careless in the ways it is there to find."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, ClassVar

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.errors import ImporterError, TransientError
from airflow_provider_spotify.core.model import (
    Chunk,
    Credentials,
    Cursor,
    DatasetName,
    Health,
    Window,
)
from airflow_provider_spotify.core.sources.base import Source, SourceConfig
from airflow_provider_spotify.core.testing.web_answers import KINDS
from airflow_provider_spotify.core.testing.web_faults import MENDED, WRONG, WebFaults
from airflow_provider_spotify.core.testing.web_proxy import FaultProxy, Stranger
from tests.services.web_api.example import PlaysApi
from tests.services.web_api.limits import Limit, x_rate_limit

TOKEN = "fixed-token-5521ab"


class HandmadeConfig(SourceConfig):
    """Where it reads from, and how careless it is."""

    url: str
    careless: str = ""


class Handmade(Source[HandmadeConfig]):
    """Reads the plays of the example page by page, with one try for each."""

    Config = HandmadeConfig

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield a chunk for each page."""
        config, careless = self.config, self.config.careless
        headers = {"Authorization": f"Bearer {self.credentials.secret()}"}
        url: str | None = str((since or {}).get("url") or f"{config.url}/v1/plays?limit=10")
        before: list[Any] = []
        async with httpx.AsyncClient(timeout=60, headers=headers) as client:
            while url:
                try:
                    body = await self._page(client, url)
                except ImporterError:
                    if careless == "an error is the end":
                        return
                    raise
                if body["items"] == before and careless != "takes a page twice":
                    raise TransientError(f"{config.url}: a page holds the one before it")
                if careless != "its cursor runs ahead":
                    yield self._chunk(body["items"], body["next"])
                elif before:
                    yield self._chunk(before, body["next"])
                before, url = body["items"], body["next"]
        if careless == "its cursor runs ahead":
            yield self._chunk(before, None)

    async def _page(self, client: httpx.AsyncClient, url: str) -> Any:
        careless = self.config.careless
        try:
            answer = await client.get(url)
            if careless == "follows with its token" and answer.is_redirect:
                answer = await client.get(answer.headers["location"])
            if careless != "reads any body":
                answer.raise_for_status()
            body = answer.json()
            if careless == "takes no items for none" and isinstance(body, dict):
                return {"items": body.get("items", []), "next": body.get("next")}
            return {"items": body["items"], "next": body["next"]}
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            if careless == "lets errors through":
                raise
            said = f"{TOKEN} " if careless == "names its token" else ""
            raise TransientError(
                f"{self.config.url} {said}failed: {type(error).__name__}"
            ) from None

    @staticmethod
    def _chunk(items: list[Any], after: str | None) -> Chunk:
        rows = pa.RecordBatch.from_pylist(items, pa.schema([("id", pa.string())]))
        return Chunk(rows, {"url": after} if after else {"done": True})

    async def check(self) -> Health:
        """Say yes."""
        return Health(ok=True, message="not asked")

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say yes."""
        return True

    def dataset(self) -> DatasetName:
        """Name the plays."""
        return DatasetName(self.config.url, "plays")


class HandmadeFaults(WebFaults):
    """The suite over the handmade source; not collected, its tests are called below."""

    __test__ = False
    server: PlaysApi
    data = r"^/v1/plays"
    careless: ClassVar[str] = ""
    streams = True  # it tries once, so that what passes may end it

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> Handmade:
        config = HandmadeConfig(url=url, careless=self.careless)
        return Handmade(config, credentials=Credentials(password=SecretStr(TOKEN)))


@pytest.fixture
def server() -> Iterator[PlaysApi]:
    with PlaysApi() as api:
        api.tokens.fixed(TOKEN, "example")
        # The suite plays many faults at once, and the handmade source tries once.
        api.limits = [Limit(100_000, 1.0, told=x_rate_limit)]
        api.token_life = 3600.0
        yield api


def suite(server: PlaysApi, careless: str) -> Any:
    """Return the suite over a source of this carelessness, listening."""
    made = type("Careless", (HandmadeFaults,), {"careless": careless})()
    made.server, made._secrets = server, set()
    return made


Run = Callable[[Any], None]
CHECKS: Sequence[tuple[str, Run]] = [
    ("an error is the end", lambda s: s.test_what_lasts_leaves_a_usable_cursor("cut_length")),
    ("an error is the end", lambda s: s.test_what_passes_costs_no_row("reset")),
    ("an error is the end", lambda s: s.test_what_is_wrong_is_never_the_end("html")),
    ("takes no items for none", lambda s: s.test_what_is_wrong_is_never_the_end("object")),
    ("takes no items for none", lambda s: s.test_what_is_wrong_is_never_the_end("error_body")),
    ("lets errors through", lambda s: s.test_what_lasts_leaves_a_usable_cursor("drop")),
    ("names its token", lambda s: s.test_what_lasts_leaves_a_usable_cursor("gateway")),
    ("its cursor runs ahead", lambda s: s.test_what_lasts_leaves_a_usable_cursor("unavailable")),
    ("takes a page twice", lambda s: s.test_a_page_served_twice_hides_nothing()),
]


@pytest.mark.parametrize(("careless", "run"), CHECKS)
def test_a_careless_source_fails(server: PlaysApi, careless: str, run: Run) -> None:
    """What the careful source passes, the careless one fails."""
    run(suite(server, ""))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(suite(server, careless))


def test_a_token_told_to_another_host_is_found(server: PlaysApi) -> None:
    """A source that follows a redirect with its header is caught by the stranger."""
    suite(server, "").test_another_host_learns_no_secret("redirect")
    made = suite(server, "follows with its token")
    with pytest.raises(AssertionError, match="told a secret"):
        made.test_another_host_learns_no_secret("redirect")


def test_every_kind_is_played() -> None:
    """No way of going wrong is left out of the suite."""
    apart = {"duplicate", "bomb", "redirect", "redirect_https"}
    assert {*MENDED, *WRONG} | apart == set(KINDS)


def test_the_proxy_changes_nothing_unless_told(server: PlaysApi) -> None:
    """Status, body and headers pass; links lead through the proxy; big bodies stream."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with FaultProxy(server.url) as proxy, httpx.Client(headers=headers) as client:
        direct = client.get(f"{server.url}/v1/plays?limit=3")
        through = client.get(f"{proxy.url}/v1/plays?limit=3")
        refused = client.get(f"{proxy.url}/v1/plays?limit=999")
    assert through.json()["items"] == direct.json()["items"]
    assert through.json()["next"].startswith(proxy.url)
    assert "X-RateLimit-Limit" in through.headers
    assert (refused.status_code, refused.json()["code"]) == (400, 400)


def test_the_proxy_passes_packed_requests(server: PlaysApi) -> None:
    """A request body that is gzip arrives as it was sent."""
    sent = gzip.compress(json.dumps({"a": 1}).encode())
    with Stranger({"ok": True}) as behind, FaultProxy(behind.url) as proxy:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        answer = httpx.post(f"{proxy.url}/x?y=1", content=sent, headers=headers)
    assert answer.json() == {"ok": True}
    assert [(each.target, each.body) for each in behind.asked] == [("/x?y=1", sent)]
