"""The source ``rest`` against a real server: paths, parameters, its config and its name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, DatasetName
from airflow_provider_spotify.core.sources.api.rest import SOURCE, RestConfig
from tests.core.sources.api.rest_sources import chunks, rows, serving, source
from tests.services.http_server import Fault, HttpServer

server = pytest.fixture(serving)


async def test_a_list_in_the_path_is_read_value_by_value_in_order(server: HttpServer) -> None:
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


async def test_partitions_together_read_what_the_whole_reads(server: HttpServer) -> None:
    for user in "abcde":
        server.answers[f"/users/{user}"] = [{"id": ord(user)}]
    rest = source(server, path="users/{user}", params={"user": list("abcde")})
    parts = await rest.partitions(3)
    assert len(parts) == 3
    assert [row for part in parts for row in await rows(part)] == await rows(rest)
    alone = source(server)
    assert await alone.partitions(3) == [alone]


async def test_a_value_in_the_path_is_escaped(server: HttpServer) -> None:
    server.answers["/users/a/b?c"] = [{"id": 1}]
    assert await rows(source(server, path="users/{user}", params={"user": "a/b?c"})) == [{"id": 1}]


async def test_what_is_missing_is_an_error_or_nothing(server: HttpServer) -> None:
    with pytest.raises(ConfigurationError, match="404"):
        await rows(source(server, path="gone"))
    assert await rows(source(server, path="gone", missing_ok=True)) == []


async def test_a_post_that_reads_sends_its_parameters_as_json(server: HttpServer) -> None:
    server.answers["/search"] = [{"id": 1}]
    rest = source(server, path="search", method="POST", params={"filter": {"a": [1]}})
    assert await rows(rest) == [{"id": 1}]
    assert orjson.loads(server.seen[0].body) == {"filter": {"a": [1]}}


async def test_check_reports_and_does_not_raise(server: HttpServer) -> None:
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


@pytest.mark.parametrize(
    ("credentials", "config", "name"),
    [
        (Credentials(), {"base_url": "https://a.io/v1"}, "https://a.io"),
        (Credentials(host="https://a.io:8443/v1"), {}, "https://a.io:8443"),
        (Credentials(host="a.io", port=8443), {"path": "v1/users/{user}"}, "https://a.io:8443"),
        (Credentials(host="a.io/v1", database="http", port=80), {}, "http://a.io:80"),
    ],
)
def test_its_dataset_is_the_origin_and_the_path_without_ids(
    credentials: Credentials, config: dict[str, Any], name: str
) -> None:
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
def test_a_wrong_config_says_what_to_write(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        RestConfig.model_validate({"path": "items", **config})
    assert "hush" not in str(caught.value.errors()[0]["msg"])


def test_importing_the_source_loads_no_library_of_its_own() -> None:
    """Neither airflow nor pyarrow nor aiohttp: the registry imports every source."""
    code = (
        "import sys, airflow_provider_spotify.core.sources.api.rest;"
        "unwanted = ('airflow', 'pyarrow', 'aiohttp', 'hishel', 'redis', 'pyrate_limiter');"
        "print([m for m in unwanted if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
