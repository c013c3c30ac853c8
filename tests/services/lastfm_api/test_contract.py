"""The Last.fm server answers with the fields, types and refusals of published examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.lastfm_api.library import BEGIN
from tests.services.lastfm_api.server import KEY, LastfmApi

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text())
SHAPES: dict[str, dict[str, str]] = PUBLISHED["shapes"]
LATER = {"user.artist_count", "user.track_count", "user.album_count"}
"""Fields that user.getInfo has today and the examples, which are older, have not."""
ODD = {
    "artist.tags": "string",  # no tags: XML has an empty element
    "album.tags": "string",
    "album.tracks.track.duration": "null",  # of a track whose length is unknown
}
"""What the examples do not show, and clients have met."""


@pytest.fixture(scope="module")
def api() -> Iterator[LastfmApi]:
    with LastfmApi(plays=60) as server:
        server.library.users["rj"].playing = server.library.tracks[0]
        yield server


def ask(api: LastfmApi, method: str, **params: Any) -> httpx.Response:
    given = {"method": method, "api_key": KEY, "format": "json", **params}
    return httpx.get(f"{api.url}/2.0/", params=given)


def params(api: LastfmApi, method: str) -> Iterator[dict[str, Any]]:
    """Give things to ask about: several, since they have different gaps."""
    family, _, name = method.partition(".")
    if family in ("user", "chart"):
        user = {"user": "rj"} if family == "user" else {}
        week = {"from": BEGIN, "to": BEGIN + 7 * 86_400} if "weekly" in name else {}
        yield {**user, **week}
        if "recent" in name:
            yield {**user, "extended": 1}
    elif family in ("geo", "tag"):
        yield {"country": "Canada"} if family == "geo" else {"tag": "ember"}
    else:
        for track in api.library.tracks[1:60:4]:
            thing = {"track": track.name} if family == "track" else {}
            yield {"artist": track.artist.name, **thing, **_album(family, track.album)}


def _album(family: str, title: str) -> dict[str, str]:
    return {"album": title or "none"} if family == "album" else {}


def shape(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the type of each value; a list is as its entries."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from shape(below, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for each in value:
            yield from shape(each, at)
    else:
        kinds = {str: "string", bool: "boolean", type(None): "null"}
        yield at, kinds.get(type(value), "number")


@pytest.mark.parametrize("method", SHAPES)
def test_answers_have_the_published_fields(api: LastfmApi, method: str) -> None:
    """Each field is one of the examples', of the type that it has there, and most are given."""
    published, given = SHAPES[method], set[tuple[str, str]]()
    for each in params(api, method):
        body = ask(api, method, **each).json()
        if "error" not in body:
            given |= set(shape(body))
    fields = {path for path, _ in given}
    wrong = {
        f"{path}: {kind}"
        for path, kind in given
        if kind not in published.get(path, "").split("|") and ODD.get(path) != kind
    }
    assert {each for each in wrong if each.partition(":")[0] not in LATER} == set()
    told = {path for path in published if "streamable" not in path and "error" not in path}
    missing = {path for path in told - fields if path.partition(".")[2] in ("@attr", "")}
    assert missing == set()
    assert len(fields & told) >= 0.75 * len(told), sorted(told - fields)


@pytest.mark.parametrize(
    ("method", "status", "code", "message", "links"),
    [each for each in PUBLISHED["errors"] if each[0] in SHAPES],
)
def test_refusals_are_the_published_ones(
    api: LastfmApi, method: str, status: int, code: int, message: str, links: bool
) -> None:
    """Status, code and message of what is wrong or closed, however misleading the status."""
    wrong = {
        "User not found": {"user": "no-one"},
        "Login: User required to be logged in": {"user": "hush"},
        "country param invalid": {"country": "Atlantis"},
        "country param required": {},
        "The artist you supplied could not be found": {"artist": "No One"},
        "Album not found": {"artist": "Ochre", "album": "No Album"},
    }
    answer = ask(api, method, **wrong[message])
    body = {"error": code, "message": message, **({"links": []} if links else {})}
    assert (answer.status_code, answer.json()) == (status, body)
