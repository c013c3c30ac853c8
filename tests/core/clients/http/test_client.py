"""The HTTP client against a real server: addresses, bodies, redirects and secrets."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth, BearerAuth
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from tests.core.clients.http.items import client, serving
from tests.services.http_server import Fault, HttpServer, redirect

SECRET = "s3cr3t/key+value"

server = pytest.fixture(serving)


async def test_a_path_is_appended_to_the_base_url_with_escaped_parameters(server):
    server.answers["/v1/items"] = lambda request: dict(request.query)
    async with client(server) as http:
        found = await http.get_json("/items", params={"q": "é &=+", "on": True, "none": None})
    assert found == {"q": "é &=+", "on": "true"}


async def test_a_next_url_keeps_its_own_escapes(server):
    async with client(server) as http:
        await http.request("GET", f"{server.url}/v1/items?cursor=a%2Fb%3D%3D&x=%2B")
    assert server.seen[0].query == {"cursor": "a/b==", "x": "+"}


async def test_a_gzipped_body_is_read(server):
    server.plan("/v1/items", Fault(body={"zipped": True}, how="gzip"))
    async with client(server) as http:
        assert await http.get_json("items") == {"zipped": True}


async def test_a_body_above_the_limit_is_refused(server):
    server.plan("/v1/items", Fault(body=b"0" * 5000, how="gzip"))
    async with client(server, max_bytes=1000) as http:
        with pytest.raises(DataError, match="max_bytes"):
            await http.get_json("items")


async def test_a_page_that_is_not_json_is_named_with_its_type_and_start(server):
    html = Fault(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<h1>Log in\n</h1>")
    server.plan("/v1/items", html)
    async with client(server) as http:
        with pytest.raises(DataError, match=r"text/html instead of JSON: '<h1>Log in </h1>'"):
            await http.get_json("items")
    assert len(server.seen) == 1


async def test_what_is_missing_may_be_missing(server):
    async with client(server) as http:
        assert await http.get_json("nowhere", missing_ok=True) is None


# ── redirects and secrets ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["header", "query"])
async def test_a_redirect_to_another_host_carries_no_credentials(server, where):
    with HttpServer() as other:
        other.answers["/take"] = {"ok": True}
        server.plan("/v1/items", redirect(f"{other.url}/take?from=here"))
        auth = ApiKeyAuth(SecretStr(SECRET), name="api_key", where=where)
        async with client(server, auth=auth) as http:
            given = {"X-Custom-Secret": "also"}
            response = await http.request("GET", "items", headers=given)
            assert response.json() == {"ok": True}
        assert SECRET in str(server.seen[0])
        assert SECRET not in str(other.seen[0])
        assert "also" not in str(other.seen[0])
        assert other.seen[0].query == {"from": "here"}


async def test_a_redirect_that_repeats_the_key_for_another_host_loses_it(server):
    with HttpServer() as other:
        other.answers["/take"] = {}

        def leak(request):
            query = request.query_string
            return web.Response(status=307, headers={"Location": f"{other.url}/take?{query}&a=1"})

        server.answers["/v1/items"] = leak
        auth = ApiKeyAuth(SecretStr(SECRET), name="api_key", where="query")
        async with client(server, auth=auth) as http:
            await http.get_json("items")
        assert other.seen[0].query == {"a": "1"}


async def test_a_redirect_on_the_same_host_keeps_the_credentials(server):
    server.plan("/v1/items", redirect("/v1/moved", 308))
    server.answers["/v1/moved"] = {"ok": True}
    async with client(server, auth=BearerAuth(SecretStr(SECRET))) as http:
        assert await http.get_json("items") == {"ok": True}
    assert server.asked("/v1/moved")[0].headers["Authorization"] == f"Bearer {SECRET}"


async def test_an_absolute_url_of_another_host_gets_no_credentials_unless_allowed(server):
    with HttpServer() as other:
        other.answers["/page"] = {}
        for allowed in ([], [f"127.0.0.1:{other.port}"]):
            auth = BearerAuth(SecretStr(SECRET))
            async with client(server, auth=auth, allowed_hosts=allowed) as http:
                await http.get_json(f"{other.url}/page")
        assert ["Authorization" in seen.headers for seen in other.seen] == [False, True]


async def test_redirects_in_a_circle_end(server):
    server.plan("/v1/items", *[redirect("/v1/items")] * 10)
    async with client(server) as http:
        with pytest.raises(ConfigurationError, match="more than 5 redirects"):
            await http.get_json("items")
    assert len(server.seen) == 6


async def test_a_body_is_not_carried_to_another_host(server):
    with HttpServer() as other:
        server.plan("/v1/items", redirect(f"{other.url}/take", 307))
        async with client(server) as http:
            with pytest.raises(ConfigurationError, match="allowed_hosts"):
                await http.post_json("items", json={"personal": 1})
        assert other.seen == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, body={"message": f"bad key {SECRET}"}),
        Fault(401, body={"message": "bad key s3cr3t%2Fkey%2Bvalue"}),
        Fault(403, body={"message": f"bad key {SECRET}"}),
        Fault(500, body={"message": f"bad key {SECRET}"}),
        Fault(200, {"Content-Type": "text/plain"}, f"bad key {SECRET}".encode()),
        Fault(how="drop"),
        Fault(body={"a": 1}, how="truncated"),
        redirect("ftp://elsewhere/?k=" + SECRET),
    ],
)
async def test_no_error_shows_a_secret(server, fault):
    server.plan("/v1/items", fault, fault)
    auth = ApiKeyAuth(SecretStr(SECRET), name="api_key", where="query")
    async with client(server, auth=auth, retry_attempts=1) as http:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await http.get_json("items", params={"q": "s"})
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(http)
    assert SECRET not in shown
    assert "s3cr3t%2Fkey" not in shown


async def test_no_more_requests_run_at_once_than_allowed(server):
    server.delay = 0.1
    server.meet(4)
    async with client(server, concurrency=4) as http:
        await asyncio.gather(*[http.get_json("items") for _ in range(16)])
    assert server.most_at_once == 4


async def test_a_cancelled_request_leaves_the_client_usable(server):
    server.plan("/v1/items", Fault(how="hang"))
    async with client(server, concurrency=1) as http:
        hanging = asyncio.create_task(http.get_json("items"))
        await server.arrived("/v1/items")
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert await http.get_json("items") == {"items": [1, 2, 3]}


async def test_a_client_outside_its_context_says_how_to_use_it(server):
    with pytest.raises(ConfigurationError, match="async with"):
        await client(server).get_json("items")
