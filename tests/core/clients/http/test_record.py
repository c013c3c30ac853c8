"""Recording and replaying: the same answers without network, and no secret in any file."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.cli import main
from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.rest import SOURCE, RestConfig
from airflow_provider_spotify.core.testing.exchanges import NotRecorded, recorded, replayed
from tests.core.config.tenants import yaml
from tests.services.http_server import Fault, HttpServer
from tests.services.raw_http import RawHttp, cut, whole

SECRET, REFRESH = "client-s3cr3t", "refresh-0"
LINES = b"".join(b'{"id":%d,"$email":"user%d@example.com"}\n' % (n, n) for n in range(20_000))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep answers apart from those that other tests, and the user, keep under the same names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        server.refresh_tokens = {REFRESH}
        yield server


def client(url: str, *, auth: Auth | None = None, **settings: Any) -> HttpClient:
    given = {"base_url": url, "retry_attempts": 2, "timeout": "60s", **settings}
    return HttpClient(HttpSettings.model_validate(given), auth=auth)


def oauth(url: str) -> OAuth2:
    return OAuth2(
        f"{url}/token",
        client_id="app",
        client_secret=SecretStr(SECRET),
        refresh_token=SecretStr(REFRESH),
    )


def written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.iterdir()))


def pages(request: web.Request) -> web.Response:
    """Serve thirty people in three pages, whose links repeat the caller's token."""
    at = int(request.query.get("cursor", 0))
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    rows = [{"id": n, "email": f"user{n % 5}@example.com", "at": 1.50} for n in range(at, at + 10)]
    link = f"{request.url.origin()}/items?cursor={at + 10}&access_token={token}"
    return web.json_response(
        {"items": rows, "next": link if at < 20 else None}, headers={"Set-Cookie": "sid=c00kie"}
    )


async def imported(server: HttpServer) -> list[dict[str, Any]]:
    config = {
        "path": "items",
        "records": "items",
        "pagination": {"kind": "next_url"},
        "auth": {
            "kind": "oauth2_client_credentials",
            "token_url": f"{server.url}/token",
        },
        "cache_ttl": "1h",
    }
    credentials = Credentials(host=server.url, login="app", password=SecretStr(SECRET))
    rest = SOURCE(RestConfig.model_validate(config), credentials=credentials, tenant="acme")
    return [row async for chunk in rest.read(None) for row in chunk.batch.to_pylist()]


async def test_an_import_is_replayed_without_its_server_and_without_its_secrets(tmp_path):
    with HttpServer() as server:
        server.answers["/items"] = pages
        server.protected.add("/items")
        plain = await imported(server)
        with recorded(tmp_path / "it"):
            first = await imported(server)
        tokens = list(server.tokens)
    with replayed(tmp_path / "it"):
        second = await imported(server)
    assert plain == first
    assert [row["id"] for row in second] == list(range(30))
    assert [row["at"] for row in second] == [1.5] * 30
    people = [row["email"] for row in second]
    assert people[:5] == people[5:10], "the same person has the same stand-in"
    assert len(set(people)) == 5
    files = written(tmp_path / "it")
    assert tokens
    for secret in (SECRET, *tokens, "c00kie", "@example.com"):
        assert secret.encode() not in files


async def test_with_nothing_to_scrub_the_rows_are_the_same(tmp_path):
    with HttpServer() as server:
        server.answers["/items"] = pages
        with recorded(tmp_path / "it", personal=()):
            first = await imported(server)
    with replayed(tmp_path / "it"):
        assert await imported(server) == first


async def test_a_token_that_ended_meanwhile_is_renewed_in_the_replay_too(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    server.protected.add("/items")
    server.rotate = True

    async def twice() -> list[Any]:
        async with client(server.url, auth=oauth(server.url)) as http:
            first = await http.get_json("items")
            server.expire_tokens()
            return [first, await http.get_json("items")]

    with recorded(tmp_path / "it"):
        assert await twice() == [{"n": 1}] * 2
    before = len(server.seen)
    with replayed(tmp_path / "it"):
        assert await twice() == [{"n": 1}] * 2
    assert len(server.seen) == before
    statuses = [
        json.loads(path.read_text())["response"]["status"]
        for path in sorted((tmp_path / "it").glob("0*.json"))
    ]
    assert statuses == [200, 200, 401, 200, 200]
    files = written(tmp_path / "it")
    for secret in (SECRET, *server.tokens, REFRESH, "refresh-1", "refresh-2"):
        assert secret.encode() not in files


async def test_a_replay_leaves_no_token_behind(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    server.protected.add("/items")
    auth = {"auth": oauth(server.url)}
    with recorded(tmp_path / "it"):
        async with client(server.url, **auth) as http:
            await http.get_json("items")
    with replayed(tmp_path / "it"):
        async with client(server.url, auth=oauth(server.url)) as http:
            await http.get_json("items")
    async with client(server.url, auth=oauth(server.url)) as http:
        assert await http.get_json("items") == {"n": 1}


async def test_a_token_from_before_the_recording_needs_no_exchange_in_it(tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "recording.json").write_text('{"version": 1, "scrubbed": []}')
    (tmp_path / "it" / "0001-GET-items.json").write_text(
        '{"request": {"method": "GET", "url": "http://x.invalid/items", "headers": {}, "body": '
        'null}, "response": {"status": 200, "headers": {}, "body": {"json": [1]}}}'
    )
    with replayed(tmp_path / "it"):
        async with client("http://x.invalid", auth=oauth("http://x.invalid")) as http:
            assert await http.get_json("items") == [1]


@pytest.mark.parametrize(
    "auth",
    [
        ApiKeyAuth(SecretStr("k3y-of-mine"), name="api_key", where="query"),
        ApiKeyAuth(SecretStr("k3y-of-mine"), name="q", where="query"),
        ApiKeyAuth(SecretStr("k3y-of-mine"), name="X-Thing"),
        BasicAuth("me", SecretStr("k3y-of-mine")),
        BearerAuth(SecretStr("k3y-of-mine")),
    ],
    ids=lambda auth: auth.kind,
)
async def test_whatever_carries_the_credential_it_is_not_written(server, tmp_path, auth):
    def echo(request: web.Request) -> web.Response:
        return web.json_response({"you": str(request.url), "head": dict(request.headers)})

    server.answers["/items"] = echo
    with recorded(tmp_path / "it"):
        async with client(server.url, auth=auth) as http:
            await http.get_json("items", params={"n": 1})
    assert b"k3y-of-mine" not in written(tmp_path / "it")
    assert b"n=1" in written(tmp_path / "it")
    with replayed(tmp_path / "it"):
        async with client(server.url, auth=auth) as http:
            assert (await http.get_json("items", params={"n": 1}))["head"]


async def test_a_request_that_was_not_recorded_is_named_with_what_is_near(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    with recorded(tmp_path / "it"):
        async with client(server.url) as http:
            await http.get_json("items", params={"from": "2026-01-01", "page": 1})
            await http.post_json("items", json={"q": 1})
    with replayed(tmp_path / "it"):
        async with client(server.url) as http:
            with pytest.raises(NotRecorded, match="from=2026-01-01 instead of 2026-02-01"):
                await http.get_json("items", params={"from": "2026-02-01", "page": 1})
            with pytest.raises(NotRecorded, match=r"nearest is GET .*/items"):
                await http.get_json("itemz")
            with pytest.raises(NotRecorded, match="with another body"):
                await http.post_json("items", json={"q": 2})
            await http.post_json("items", json={"q": 1})
            with pytest.raises(NotRecorded, match=r"recorded 1 times.*once more"):
                await http.post_json("items", json={"q": 1})
    with replayed(tmp_path / "it", ignore=["from"]):
        async with client(server.url) as http:
            assert await http.get_json("items", params={"from": "later", "page": 1}) == {"n": 1}


async def test_failures_are_replayed_as_they_came(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    drop = Fault(how="drop")
    server.plan("/items", drop, drop, Fault(500))  # the pool asks again once by itself
    usages = []

    async def asked() -> Any:
        async with client(server.url, retry_attempts=4) as http:
            usages.append(http.usage)
            return await http.get_json("items")

    with recorded(tmp_path / "it"):
        assert await asked() == {"n": 1}
    with replayed(tmp_path / "it"):
        assert await asked() == {"n": 1}
    assert [usage.retries for usage in usages] == [2, 2]


async def test_streams_and_downloads_are_replayed_line_by_line_scrubbed(tmp_path):
    async def both(url: str) -> tuple[bytes, bytes]:
        async with client(url) as http:
            await http.download("export", to=tmp_path / "file")
            async with http.stream("GET", "export") as body:
                streamed = b"".join([block async for block in body.blocks()])
        return (tmp_path / "file").read_bytes(), streamed

    script = whole(gzip.compress(LINES), "Content-Encoding: gzip")
    with RawHttp(script) as server, recorded(tmp_path / "it"):
        assert await both(server.url) == (LINES, LINES)
    with replayed(tmp_path / "it"):
        got = await both(server.url)
    assert got[0] == got[1]
    ids = [json.loads(line)["id"] for line in got[0].splitlines()]
    assert ids == list(range(20_000))
    assert b"@example.com" not in written(tmp_path / "it")
    assert sorted(path.suffix for path in (tmp_path / "it").iterdir()) == [
        *[".body"] * 2,
        *[".json"] * 3,
    ]


async def test_a_stream_that_broke_off_breaks_off_again(tmp_path):
    async def read(url: str) -> None:
        async with client(url) as http, http.stream("GET", "export") as body:
            async for _ in body.blocks():
                pass

    broken = pytest.raises(TransientError, match="ended early")
    with RawHttp(cut(LINES, 300_000)) as server, recorded(tmp_path / "it"), broken:
        await read(server.url)
    with replayed(tmp_path / "it"), pytest.raises(TransientError, match="ended early"):
        await read(server.url)


async def test_a_download_that_was_cut_is_recorded_from_its_start_and_replayed(tmp_path):
    async def read(url: str) -> bytes:
        async with client(url) as http:
            await http.download("export", to=tmp_path / "file")
        return (tmp_path / "file").read_bytes()

    strong = ('ETag: "v1"', "Accept-Ranges: bytes")
    scripts = (cut(LINES, 300_000, *strong), whole(LINES, *strong))
    with RawHttp(*scripts) as server, recorded(tmp_path / "it"):
        assert await read(server.url) == LINES
    assert "range" not in server.seen[1]
    with replayed(tmp_path / "it"):
        assert (await read(server.url)).count(b"\n") == 20_000


async def test_a_body_that_is_no_text_is_kept_and_warned_of(server, tmp_path, caplog):
    zipped = gzip.compress(LINES)
    server.answers["/zip"] = lambda request: web.Response(body=zipped)
    with recorded(tmp_path / "it"), caplog.at_level(logging.WARNING):
        async with client(server.url) as http:
            assert (await http.request("GET", "zip")).body == zipped
            await http.download("zip", to=tmp_path / "file")
    assert len([r for r in caplog.records if "no text" in r.message]) == 2
    with replayed(tmp_path / "it"):
        async with client(server.url) as http:
            assert (await http.request("GET", "zip")).body == zipped
            await http.download("zip", to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == zipped


async def test_files_are_their_owners_alone(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    with recorded(tmp_path / "it"):
        async with client(server.url) as http:
            await http.download("items", to=tmp_path / "file")
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "it").iterdir()] == [0, 0, 0]
    assert (tmp_path / "it").stat().st_mode & 0o077 == 0


def test_a_recording_goes_to_a_folder_of_its_own_and_comes_from_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="not empty"), recorded(tmp_path):
        pass
    with pytest.raises(ConfigurationError, match="no recording"), replayed(tmp_path):
        pass
    twice = pytest.raises(ConfigurationError, match="already")
    with twice, recorded(tmp_path / "a"), recorded(tmp_path / "b"):
        pass


# the command line


def test_run_records_and_replays(server, tmp_path, monkeypatch, capsys):
    imports = (
        "  people:\n    source: {type: rest, connection: acme__api, path: items, records: items,\n"
        "      pagination: {kind: next_url}}\n"
    )
    (tmp_path / "acme.yaml").write_text(yaml(imports))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_ACME__API", json.dumps({"host": server.url}))
    server.answers["/items"] = pages
    run = ["run", "acme", "people", "--folder", ".", "--format", "json"]
    assert main([*run, "--record", "it"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["rows"] == 30
    assert "3 exchanges recorded in it" in said.err
    before = len(server.seen)
    assert main([*run, "--full-refresh", "--replay", "it"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 30
    assert len(server.seen) == before
    assert main([*run, "--record", "a", "--replay", "it"]) != 0
    assert "exclude each other" in capsys.readouterr().err
    check = ["check", "acme", "people", "--folder", "."]
    assert main([*check, "--record", "checked"]) == 0
    assert main([*check, "--replay", "checked"]) == 0
    assert main([*check, "--replay", "it", "--format", "json"]) in (0, 2)
