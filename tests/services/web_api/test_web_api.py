"""The kit for contract servers does what its servers promise, shown by the example."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.services.web_api.example import CLIENT, SECRET, PlaysApi
from tests.services.web_api.limits import Limit

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def api() -> Iterator[PlaysApi]:
    with PlaysApi() as server:
        yield server


@pytest.fixture
def client(api: PlaysApi) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, auth=None) as client:
        form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
        token = client.post("/oauth/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def ids(client: httpx.Client, url: str = "/v1/plays?limit=20") -> list[str]:
    """Follow every page."""
    found = []
    while url:
        body = client.get(url).json()
        found += [each["id"] for each in body["items"]]
        url = body["next"]
    return found


def test_pages_give_every_record_once(api: PlaysApi, client: httpx.Client) -> None:
    """Following the links from the first page gives each play once, newest first."""
    assert ids(client) == [f"p{n:05d}" for n in reversed(range(95))]


def test_data_are_the_same_at_each_start() -> None:
    """Two servers of one seed hold the same plays, another seed's are others."""
    assert PlaysApi().plays == PlaysApi().plays != PlaysApi(seed=8).plays


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/plays?limit=51", 400),
        ("/v1/plays?limit=ten", 400),
        ("/v1/plays?offset=3", 400),
        ("/v1/plays?since=yesterday", 400),
        ("/v1/plays?page_token=bm9uZQ", 400),
        ("/v1/songs", 404),
    ],
)
def test_what_the_contract_does_not_know_is_refused(
    client: httpx.Client, path: str, status: int
) -> None:
    """Unknown parameters, wrong types and unknown paths get the API's error shape."""
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.json()["code"] == status


def test_tokens_are_needed_and_end(api: PlaysApi, client: httpx.Client) -> None:
    """Without a token, with a wrong one and with one that has ended the answer is 401."""
    assert client.get("/v1/plays").status_code == 200
    assert client.get("/v1/plays", headers={"Authorization": ""}).status_code == 401
    assert client.get("/v1/plays", headers={"Authorization": "Bearer x"}).status_code == 401
    api.expire_tokens()
    answer = client.get("/v1/plays")
    assert (answer.status_code, answer.json()["message"]) == (401, "The access token expired")
    wrong = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": "no"}
    assert client.post("/oauth/token", data=wrong).json() == {"error": "invalid_client"}


def test_limits_are_kept_and_told(api: PlaysApi, client: httpx.Client) -> None:
    """The third of two allowed calls is a 429 with Retry-After; the others tell what is left."""
    with api.lock:
        api.limits[0].count, api.limits[0].per = 2, 3600.0
    left = [client.get("/v1/plays").headers["X-RateLimit-Remaining"] for _ in range(2)]
    refused = client.get("/v1/plays")
    assert left == ["1", "0"]
    assert (refused.status_code, refused.json()["code"]) == (429, 429)
    assert 3500 <= int(refused.headers["Retry-After"]) <= 3600


def test_limits_count_each_key_apart(api: PlaysApi, client: httpx.Client) -> None:
    """What one key has used up another one still has."""
    api.limits = [Limit(1, 3600.0, key=lambda request: request.query.get("limit", ""))]
    codes = [client.get(f"/v1/plays?limit={n}").status_code for n in (1, 1, 2)]
    assert codes == [200, 429, 200]


def test_added_plays_come_alone_by_time(api: PlaysApi, client: httpx.Client) -> None:
    """Asking since a time gives the plays that were added after it."""
    last = api.plays[0]["played_at"]
    api.add(3)
    assert ids(client, f"/v1/plays?since={last}") == ["p00097", "p00096", "p00095", "p00094"]


def test_calls_hold_no_secret(api: PlaysApi, client: httpx.Client) -> None:
    """What is remembered of a request hides its token, in headers and in the query."""
    client.get("/v1/plays", params={"api_key": "k-123456"})
    assert "k-123456" not in repr(api.calls)
    assert client.headers["Authorization"] not in repr(api.calls)
    assert [call.status for call in api.asked("/v1/plays")] == [400]


def test_a_fault_breaks_the_answers_it_was_planned_for(api: PlaysApi, client: httpx.Client) -> None:
    """The second call is answered 503, those around it are not."""
    api.fault("unavailable", "/plays", after=1)
    assert [client.get("/v1/plays").status_code for _ in range(3)] == [200, 503, 200]


_LEFT = """
import gc, threading
import httpx, psutil
from tests.services.web_api.example import PlaysApi

def once():
    with PlaysApi() as api, httpx.Client() as client:
        client.get(f"{api.url}/v1/plays")
    gc.collect()
    return threading.active_count(), psutil.Process().num_fds()

before = once()
assert [once() for _ in range(3)] == [before] * 3, before
"""


def test_nothing_is_left_behind() -> None:
    """Servers that were used and left hold no thread, no open file and no port.

    In a process of its own: what other tests left in this one may end at any time.
    """
    command = [sys.executable, "-c", _LEFT]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
