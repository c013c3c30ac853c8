"""The source ``rest`` against a real server: paging, what is new, resuming, signing in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    QuotaExhausted,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor, DatasetName, Window
from airflow_provider_spotify.core.sources.api.rest import SOURCE, RestConfig, RestSource
from tests.services.http_server import Fault, HttpServer, too_many

ROWS = [{"id": n, "at": f"2026-01-01T00:00:{n:02d}Z"} for n in range(1, 26)]
DAY = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def server() -> Iterator[HttpServer]:
    forget_limits()
    forget_tokens()
    with HttpServer() as server:
        yield server


def source(server: HttpServer, **config: Any) -> RestSource:
    credentials = config.pop("credentials", Credentials(host=server.url))
    tenant = config.pop("tenant", "acme")
    settings = {"path": "items", "batch_size": 1, "retry_attempts": 2, **config}
    return SOURCE(RestConfig.model_validate(settings), credentials=credentials, tenant=tenant)


async def chunks(
    rest: RestSource, since: Cursor | None = None, window: Window | None = None
) -> list[Chunk]:
    return [chunk async for chunk in rest.read(since, window)]


async def rows(
    rest: RestSource, since: Cursor | None = None, window: Window | None = None
) -> list[Any]:
    return [row for chunk in await chunks(rest, since, window) for row in chunk.batch.to_pylist()]


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in found]


# ── an API that pages in every usual way ─────────────────────────────────────────────────────


def pages(request: web.Request) -> web.Response:
    """Serve ROWS in tens, however the page is asked for; never more than ten, whatever is asked."""
    query = request.query
    start = int(query.get("offset", query.get("cursor", 0)) or 0)
    if "page" in query:
        start = (int(query["page"]) - 1) * 10
    size = min(10, int(query.get("limit", 10)))
    found, end = ROWS[start : start + size], start + size
    more = end < len(ROWS)
    body = {
        "data": {"items": found},
        "meta": {"total": len(ROWS), "pages": 3, "cursor": str(end) if more else None},
        "next": f"{request.path}?cursor={end}" if more else None,
        "more": more,
    }
    link = f'</prev>; rel="prev", <{request.path}?cursor={end}>; rel="next"' if more else ""
    return web.json_response(body, headers={"Link": link} if link else {})


PAGINATIONS = [
    {"kind": "page"},
    {"kind": "page", "pages": "meta.pages"},
    {"kind": "page", "total": "meta.total", "size_param": "limit", "size": 100},
    {"kind": "offset", "limit": 10},
    {"kind": "offset", "limit": 100},
    {"kind": "offset", "limit": 10, "total": "meta.total"},
    {"kind": "offset", "limit": 7, "total": "meta.total"},
    {"kind": "cursor", "next": "meta.cursor"},
    {"kind": "cursor", "next": "meta.cursor", "params_once": True},
    {"kind": "cursor", "last": "id", "has_more": "more"},
    {"kind": "link_header"},
    {"kind": "next_url"},
]


@pytest.mark.parametrize("pagination", PAGINATIONS, ids=str)
async def test_every_row_is_read_once_and_in_order_however_the_api_pages(server, pagination):
    server.answers["/items"] = pages
    rest = source(server, records="data.items", pagination=pagination)
    assert ids(await rows(rest)) == [row["id"] for row in ROWS]


@pytest.mark.parametrize("pagination", PAGINATIONS, ids=str)
async def test_reading_resumes_from_any_cursor_it_gave(server, pagination):
    server.answers["/items"] = pages
    rest = source(server, records="data.items", pagination=pagination)
    given = await chunks(rest)
    assert len(given) >= 3
    seen: list[int] = []
    for chunk in given:
        seen += ids(chunk.batch.to_pylist())
        cursor = orjson.loads(orjson.dumps(chunk.cursor))
        assert seen + ids(await rows(rest, cursor)) == [row["id"] for row in ROWS]


async def test_pages_that_are_known_are_read_together(server):
    server.answers["/items"] = pages
    server.delay = 0.2
    pagination = {"kind": "offset", "limit": 5, "total": "meta.total"}
    found = await rows(source(server, records="data.items", pagination=pagination))
    assert server.most_at_once == 4
    assert ids(found) == [row["id"] for row in ROWS]


async def test_a_null_among_the_records_is_no_row_but_keeps_its_place(server):
    """A page by offset with a hole in it neither shifts nor repeats what comes after."""
    holed = [*ROWS[:3], None, *ROWS[4:]]

    def answer(request: web.Request) -> web.Response:
        start, size = int(request.query["offset"]), int(request.query["limit"])
        return web.json_response(holed[start : start + size])

    server.answers["/items"] = answer
    found = await rows(source(server, pagination={"kind": "offset", "limit": 10}))
    assert ids(found) == [row["id"] for row in ROWS if row["id"] != 4]


async def test_a_first_page_cut_short_does_not_make_the_later_ones_overlap(server):
    def answer(request: web.Request) -> web.Response:
        start, size = int(request.query["offset"]), int(request.query["limit"])
        return web.json_response(ROWS[start : start + (size if start else min(size, 7))])

    server.answers["/items"] = answer
    found = await rows(source(server, pagination={"kind": "offset", "limit": 10}))
    assert ids(found) == [row["id"] for row in ROWS]


async def test_a_position_in_another_listing_is_not_resumed(server):
    server.answers["/items"] = pages
    options = {"records": "data.items", "pagination": {"kind": "offset", "limit": 10}}
    cursor = (await chunks(source(server, **options)))[0].cursor
    changed = source(server, **options, params={"other": 1})
    assert len(await rows(changed, cursor)) == len(ROWS)


async def test_stopping_early_leaves_nothing_running(server):
    server.answers["/items"] = pages
    pagination = {"kind": "offset", "limit": 1, "total": "meta.total"}
    rest = source(server, records="data.items", pagination=pagination, concurrency=2)
    async with aclosing(rest.read(None)) as reading:  # type: ignore[type-var]
        first = await anext(reading)
    assert first.batch.num_rows == 1
    assert len(server.seen) < 10


async def test_a_page_that_names_itself_as_next_is_an_error(server):
    server.answers["/items"] = {"items": [{"id": 1}], "next": "/items?cursor=1"}
    rest = source(server, records="items", pagination={"kind": "next_url"})
    with pytest.raises(DataError, match="names itself"):
        await rows(rest)


async def test_a_next_page_on_another_host_is_refused_unless_allowed(server):
    with HttpServer() as other:
        other.answers["/more"] = {"items": [{"id": 2}]}
        server.answers["/items"] = {"items": [{"id": 1}], "next": f"{other.url}/more"}
        options = {"records": "items", "pagination": {"kind": "next_url"}}
        with pytest.raises(ConfigurationError, match="allowed_hosts"):
            await rows(source(server, **options))
        assert other.seen == []
        allowed = [f"127.0.0.1:{other.port}"]
        assert ids(await rows(source(server, **options, allowed_hosts=allowed))) == [1, 2]


async def test_a_page_token_that_ended_meanwhile_starts_the_listing_again(server, caplog):
    server.answers["/items"] = pages
    rest = source(server, records="data.items", pagination={"kind": "next_url"})
    cursor = (await chunks(rest))[0].cursor
    server.plan("/items", Fault(400, body={"message": "token expired"}))
    assert len(await rows(rest, cursor)) == len(ROWS)
    assert "token expired" in caplog.text


async def test_an_error_comes_after_what_was_read_before_it(server):
    server.answers["/items"] = pages
    server.plan("/items", Fault(body={"data": {"items": ROWS[:10]}, "next": "/items?cursor=10"}))
    server.plan("/items", too_many(80_000))
    rest = source(server, records="data.items", pagination={"kind": "next_url"}, batch_size=1000)
    found: list[Chunk] = []

    async def read() -> None:
        async for chunk in rest.read(None):
            found.append(chunk)

    with pytest.raises(QuotaExhausted) as caught:
        await read()
    assert caught.value.retry_after == 80_000
    forget_limits()
    rest_of_it = await rows(rest, found[-1].cursor)
    assert ids(found[0].batch.to_pylist()) + ids(rest_of_it) == [row["id"] for row in ROWS]


# ── what is new ──────────────────────────────────────────────────────────────────────────────


class Feed:
    """An API that answers the rows at or above ``since``, and below ``until``."""

    def __init__(self, server: HttpServer, *, size: int = 10) -> None:
        self.rows: list[dict[str, Any]] = []
        self.size = size
        server.answers["/items"] = self.answer

    def answer(self, request: web.Request) -> web.Response:
        since, until = request.query.get("since", ""), request.query.get("until", "9")
        found = [row for row in self.rows if since <= row["at"] < until]
        start = int(request.query.get("offset", 0))
        return web.json_response(found[start : start + self.size])


INCREMENTAL = {"param": "since", "field": "at", "end_param": "until"}


async def test_the_next_run_reads_only_what_is_new(server):
    feed = Feed(server)
    feed.rows = ROWS[:5]
    rest = source(server, incremental=INCREMENTAL)
    first = await chunks(rest)
    feed.rows = ROWS[:8]
    assert ids(await rows(rest, first[-1].cursor)) == [6, 7, 8]
    assert server.seen[1].query == {"since": "2026-01-01T00:00:05Z"}


async def test_rows_of_the_same_time_that_come_later_are_not_lost_nor_read_twice(server):
    """Two equal rows are two rows: one more of them is told from those that were read."""
    feed = Feed(server)
    at = "2026-01-01T00:00:01Z"
    feed.rows = [{"id": 1, "at": at}, {"id": 2, "at": at}]
    rest = source(server, incremental=INCREMENTAL)
    cursor = (await chunks(rest))[-1].cursor
    feed.rows += [{"id": 2, "at": at}, {"id": 3, "at": at}]
    later = await chunks(rest, cursor)
    assert ids(later[0].batch.to_pylist()) == [2, 3]
    assert await chunks(rest, later[-1].cursor) == []


@pytest.mark.parametrize("order", [1, -1])
async def test_reading_resumes_within_a_pass_whatever_the_order(server, order):
    feed = Feed(server)
    feed.rows = ROWS[::order]
    rest = source(server, incremental=INCREMENTAL, pagination={"kind": "offset", "limit": 10})
    given = await chunks(rest)
    expected = [row["id"] for row in ROWS[::order]]
    seen: list[int] = []
    for chunk in given:
        seen += ids(chunk.batch.to_pylist())
        assert seen + ids(await rows(rest, chunk.cursor)) == expected
    assert given[-1].cursor["after"] == "2026-01-01T00:00:25+00:00"


async def test_an_empty_last_page_still_moves_the_cursor(server):
    feed = Feed(server)
    feed.rows = ROWS[:10]
    rest = source(server, incremental=INCREMENTAL, pagination={"kind": "offset", "limit": 10})
    given = await chunks(rest)
    assert [chunk.batch.num_rows for chunk in given] == [10]
    assert "pass" not in given[-1].cursor


async def test_a_resumed_pass_without_more_rows_still_ends(server):
    """A failure on the empty last page leaves a cursor within the pass; the next run closes it."""
    feed = Feed(server)
    feed.rows = ROWS[:10]
    rest = source(server, incremental=INCREMENTAL, pagination={"kind": "offset", "limit": 10})
    found: list[Chunk] = []

    async def read() -> None:
        async for chunk in rest.read(None):
            found.append(chunk)

    server.answers["/items"] = lambda r: (
        web.Response(status=403) if r.query["offset"] == "10" else feed.answer(r)
    )
    with pytest.raises(ForbiddenError):
        await read()
    assert "pass" in found[-1].cursor
    assert await rest.is_ready(found[-1].cursor)
    server.answers["/items"] = feed.answer
    ended = await chunks(rest, found[-1].cursor)
    assert [chunk.batch.num_rows for chunk in ended] == [0]
    feed.rows = ROWS[:12]
    assert ids(await rows(rest, ended[-1].cursor)) == [11, 12]


async def test_a_window_reads_exactly_its_rows_and_ignores_the_cursor(server):
    feed = Feed(server)
    feed.rows = [
        {"id": 1, "at": "2025-12-31T23:59:59Z"},
        {"id": 2, "at": "2026-01-01T00:00:00Z"},
        {"id": 3, "at": "2026-01-01T23:59:59Z"},
        {"id": 4, "at": "2026-01-02T00:00:00Z"},
    ]
    rest = source(server, incremental=INCREMENTAL)
    cursor = (await chunks(rest))[-1].cursor
    assert ids(await rows(rest, cursor, DAY)) == [2, 3]
    unbounded = source(server, incremental={"param": "nothing", "field": "at"})
    assert ids(await rows(unbounded, None, DAY)) == [2, 3]


@pytest.mark.parametrize(
    ("form", "value", "sent"),
    [
        ("iso", "2026-01-01T10:00:00.5+02:00", "2026-01-01T08:00:00.500000Z"),
        ("date", "2026-01-01T10:00:00Z", "2026-01-01"),
        ("epoch", "2026-01-01T00:00:00.9Z", "1767225600"),
        ("epoch", 1767225600, "1767225600"),
        ("epoch_ms", 1767225600123, "1767225600123"),
        ("epoch_ms", "1767225600123", "1767225600123"),
        ("%Y%m%dT%H", "2026-01-01T10:59:59", "20260101T10"),
        ("iso", "Thu, 01 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00Z"),
        ("value", 41, "41"),
        ("value", "b", "b"),
    ],
)
async def test_the_bound_is_sent_as_the_api_wants_it(server, form, value, sent):
    server.answers["/items"] = [{"id": 1, "at": value}]
    rest = source(server, incremental={"param": "since", "field": "at", "format": form})
    cursor = (await chunks(rest))[-1].cursor
    assert await rows(rest, cursor) == []
    assert server.seen[1].query == {"since": sent}


@pytest.mark.parametrize(("lookback", "late"), [("6s", [4, 6, 7, 8, 9]), ("5s", [6, 7, 8, 9])])
async def test_looking_back_finds_late_rows_and_leaves_out_those_read(server, lookback, late):
    feed = Feed(server)
    feed.rows = [ROWS[0], ROWS[4], ROWS[9]]
    rest = source(server, incremental={**INCREMENTAL, "lookback": lookback})
    cursor = (await chunks(rest))[-1].cursor
    feed.rows = ROWS[:10]
    assert ids(await rows(rest, cursor)) == late


async def test_values_that_cannot_be_compared_are_an_error(server):
    server.answers["/items"] = [{"at": 1}, {"at": "b"}]
    rest = source(server, incremental={"param": "s", "field": "at", "format": "value"})
    with pytest.raises(DataError, match="'at'"):
        await rows(rest)


async def test_a_whole_listing_is_read_again_only_after_refresh(server):
    server.answers["/items"] = [{"id": 1}]
    cursor = (await chunks(source(server)))[-1].cursor
    assert await rows(source(server), cursor) == []
    assert not await source(server).is_ready(cursor)
    assert await rows(source(server, refresh="0s"), cursor) == [{"id": 1}]


async def test_it_is_ready_when_there_is_something_new(server):
    feed = Feed(server)
    rest = source(server, incremental=INCREMENTAL)
    assert not await rest.is_ready(None)
    assert await chunks(rest) == []
    feed.rows = ROWS[:5]
    assert await rest.is_ready(None)
    cursor = (await chunks(rest))[-1].cursor
    assert not await rest.is_ready(cursor)
    feed.rows = ROWS[:6]
    assert await rest.is_ready(cursor)
    assert await rest.is_ready(None, DAY)


# ── paths, parameters, signing in ────────────────────────────────────────────────────────────


async def test_a_list_in_the_path_is_read_value_by_value_in_order(server):
    for user in "cab":
        server.answers[f"/users/{user}/events"] = [{"id": ord(user)}]
    rest = source(
        server,
        path="users/{user}/events",
        params={"user": list("cab"), "x": 1},
        add_params=["user"],
    )
    expected = [{"user": u, "id": ord(u)} for u in "cab"]
    given = await chunks(rest)
    assert [row for chunk in given for row in chunk.batch.to_pylist()] == expected
    assert await rows(rest, given[0].cursor) == expected[1:]
    assert {seen.query["x"] for seen in server.seen} == {"1"}


async def test_partitions_together_read_what_the_whole_reads(server):
    for user in "abcde":
        server.answers[f"/users/{user}"] = [{"id": ord(user)}]
    rest = source(server, path="users/{user}", params={"user": list("abcde")})
    parts = await rest.partitions(3)
    assert len(parts) == 3
    assert [row for part in parts for row in await rows(part)] == await rows(rest)
    alone = source(server)
    assert await alone.partitions(3) == [alone]


async def test_a_value_in_the_path_is_escaped(server):
    server.answers["/users/a/b?c"] = [{"id": 1}]
    assert await rows(source(server, path="users/{user}", params={"user": "a/b?c"})) == [{"id": 1}]


async def test_what_is_missing_is_an_error_or_nothing(server):
    with pytest.raises(ConfigurationError, match="404"):
        await rows(source(server, path="gone"))
    assert await rows(source(server, path="gone", missing_ok=True)) == []


async def test_a_post_that_reads_sends_its_parameters_as_json(server):
    server.answers["/search"] = [{"id": 1}]
    rest = source(server, path="search", method="POST", params={"filter": {"a": [1]}})
    assert await rows(rest) == [{"id": 1}]
    assert orjson.loads(server.seen[0].body) == {"filter": {"a": [1]}}


SECRETS = Credentials(
    login="me",
    password=SecretStr("hush-hush"),
    extra={"refresh_token": "refresh-0"},
)


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (None, "Basic bWU6aHVzaC1odXNo"),
        ({"kind": "basic"}, "Basic bWU6aHVzaC1odXNo"),
        ({"kind": "bearer"}, "Bearer hush-hush"),
        ({"kind": "bearer", "scheme": "Token"}, "Token hush-hush"),
        ({"kind": "none"}, None),
        ({"kind": "api_key", "name": "Authorization"}, "hush-hush"),
        ({"kind": "oauth2_client_credentials"}, "Bearer token-1"),
        ({"kind": "oauth2_refresh_token"}, "Bearer token-1"),
    ],
)
async def test_it_signs_in_as_the_config_says(server, auth, header):
    server.answers["/items"] = [{"id": 1}]
    server.refresh_tokens = {"refresh-0"}
    if auth and auth["kind"].startswith("oauth2"):
        auth = {**auth, "token_url": f"{server.url}/token"}
    rest = source(server, auth=auth, credentials=SECRETS.model_copy(update={"host": server.url}))
    assert await rows(rest) == [{"id": 1}]
    assert server.asked("/items")[0].headers.get("Authorization") == header
    assert "hush" not in repr(rest.config) + repr(rest.credentials)


async def test_a_rotated_refresh_token_is_kept_in_the_store_that_the_connection_names(
    server, tmp_path
):
    """Another process, which only knows the first token, signs in with the one kept."""
    server.answers["/items"] = [{"id": 1}]
    server.refresh_tokens, server.rotate = {"refresh-0"}, True
    extra = {**SECRETS.extra, "token_store": f"file://{tmp_path}/tokens"}
    credentials = SECRETS.model_copy(update={"host": server.url, "extra": extra})
    auth = {"kind": "oauth2_refresh_token", "token_url": f"{server.url}/token"}
    for _ in range(2):
        forget_tokens()
        server.valid.clear()  # the access token has ended meanwhile
        assert await rows(source(server, auth=auth, credentials=credentials)) == [{"id": 1}]


async def test_a_key_that_the_api_repeats_in_its_links_is_not_kept_in_the_cursor(server):
    def answer(request: web.Request) -> web.Response:
        more = "page=2" not in request.query_string
        url = f"{server.url}/items?{request.query_string}&page=2"
        return web.json_response({"items": [{"id": 1}], "next": url if more else None})

    server.answers["/items"] = answer
    rest = source(
        server,
        records="items",
        pagination={"kind": "next_url"},
        auth={"kind": "api_key", "name": "key", "place": "query"},
        credentials=Credentials(host=server.url, password=SecretStr("hush hush")),
    )
    given = await chunks(rest)
    assert "hush" not in orjson.dumps([chunk.cursor for chunk in given]).decode()
    assert [seen.query["key"] for seen in server.seen] == ["hush hush"] * 2


@pytest.mark.parametrize(
    ("auth", "named"),
    [
        ({"kind": "basic"}, "login"),
        ({"kind": "bearer"}, r"extra\['token'\] or password"),
        ({"kind": "api_key"}, r"extra\['api_key'\] or password"),
        ({"kind": "oauth2_client_credentials", "token_url": "https://x/t"}, "client_secret"),
        ({"kind": "oauth2_refresh_token", "token_url": "https://x/t"}, "login"),
        ({"kind": "service_account", "scopes": ["x"]}, "keyfile_dict"),
        ({"kind": "long_lived", "refresh_url": "https://x/t"}, r"extra\['access_token'\]"),
    ],
)
async def test_a_connection_without_the_secret_is_named(server, auth, named):
    with pytest.raises(ConfigurationError, match=named):
        await rows(source(server, auth=auth))


async def test_check_reports_and_does_not_raise(server):
    server.answers["/items"] = [{"id": 1}]
    health = await source(server).check()
    assert health.ok
    assert "1 records" in health.message
    server.plan("/items", Fault(401))
    refused = await source(server).check()
    assert not refused.ok
    assert "credentials" in refused.message
    nowhere = await source(server, credentials=Credentials()).check()
    assert not nowhere.ok
    assert "base_url" in nowhere.message


async def test_bad_credentials_are_an_authentication_error(server):
    server.plan("/items", Fault(401))
    with pytest.raises(AuthenticationError):
        await rows(source(server))


@pytest.mark.parametrize(
    ("credentials", "config", "name"),
    [
        (Credentials(), {"base_url": "https://a.io/v1"}, "https://a.io"),
        (Credentials(host="https://a.io:8443/v1"), {}, "https://a.io:8443"),
        (Credentials(host="a.io", port=8443), {"path": "v1/users/{user}"}, "https://a.io:8443"),
        (Credentials(host="a.io/v1", database="http", port=80), {}, "http://a.io:80"),
    ],
)
def test_its_dataset_is_the_origin_and_the_path_without_ids(credentials, config, name):
    settings = {"path": "users/{user}?x=1", "params": {"user": "secret-id"}, **config}
    rest = SOURCE(RestConfig.model_validate(settings), credentials=credentials)
    assert rest.dataset() == DatasetName(name, "/v1/users/{user}")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"path": "https://a.io/x"}, "base_url"),
        ({"headers": {"X-Api-Key": "hush"}}, "use auth and the connection"),
        ({"path": "users/{user}"}, "params has no user"),
        ({"path": "{a}/{b}", "params": {"a": [1], "b": [2]}}, "only one of a, b"),
        ({"add_params": ["x"]}, "not in the path"),
        ({"pagination": {"kind": "pages"}}, "page"),
        ({"pagination": {"kind": "cursor"}}, "either next or last"),
        ({"incremental": {"param": "a", "field": "b", "format": "sometimes"}}, "strftime"),
        ({"base_url": "https://me:pw@a.io"}, "no credentials"),
        ({"rate_limit": "often"}, "100/30s"),
    ],
)
def test_a_wrong_config_says_what_to_write(config, said):
    with pytest.raises(ValidationError, match=said) as caught:
        RestConfig.model_validate({"path": "items", **config})
    assert "hush" not in str(caught.value.errors()[0]["msg"])


async def test_a_window_needs_a_time_to_select_by(server):
    with pytest.raises(ConfigurationError, match="incremental"):
        await rows(source(server), None, DAY)


def test_importing_the_source_loads_no_library_of_its_own():
    """Neither airflow nor pyarrow nor aiohttp: the registry imports every source."""
    code = (
        "import sys, airflow_provider_spotify.core.sources.api.rest;"
        "unwanted = ('airflow', 'pyarrow', 'aiohttp', 'hishel', 'redis', 'pyrate_limiter');"
        "print([m for m in unwanted if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
