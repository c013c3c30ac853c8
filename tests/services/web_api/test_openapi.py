"""The check against published descriptions finds drift, and the Spotify stand-in has none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from tests.services.spotify_api.server import DEVELOPMENT_APP, EXTENDED_APP, running
from tests.services.web_api.contracts.cut import SOURCES
from tests.services.web_api.openapi import check, exchange_of, load
from tests.services.web_api.server import Call, Exchange


def answered(path: str, body: Any, **query: str) -> Exchange:
    """Return a good exchange."""
    return Exchange(Call("GET", path, query, 200, {}), b"", "application/json", orjson.dumps(body))


COMMENT = {"kind": "comment", "body": "fine", "timestamp": "12"}
COMMENTS = "/tracks/soundcloud:tracks:1/comments"


def test_what_is_as_published_passes() -> None:
    """A page of comments with the fields and types of the description has no difference."""
    page = {"collection": [COMMENT], "next_href": "https://api.soundcloud.com/x"}
    assert check("soundcloud", [answered(COMMENTS, page, limit="50")]) == []


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (answered(COMMENTS, {"collection": [COMMENT], "total": 1}), ".total is not"),
        (answered(COMMENTS, {"collection": [{**COMMENT, "mood": 1}]}), ".collection[].mood"),
        (answered(COMMENTS, {"collection": [{**COMMENT, "body": 7}]}), "body 7 is not of type"),
        (answered(COMMENTS, {"collection": {}}), "collection {} is not of type"),
        (answered(COMMENTS, {"collection": []}, limit="many"), "parameter limit"),
        (answered(COMMENTS, {"collection": []}, page="2"), "unknown parameter page"),
        (answered("/songs", []), "not in the description"),
        (
            Exchange(Call("GET", COMMENTS, {}, 207, {}), b"", "application/json", b"{}"),
            "answered 207",
        ),
        (replace(answered(COMMENTS, {}), body=b"<html>"), "no JSON"),
    ],
)
def test_drift_is_found(exchange: Exchange, said: str) -> None:
    """A field, type, parameter, path or status that is not published is named."""
    found = check("soundcloud", [exchange])
    assert len(found) == 1
    assert said in found[0]


def test_what_the_description_lacks_may_be_told() -> None:
    """A field documented elsewhere passes once the test names it."""
    page = {"collection": [{**COMMENT, "mood": 1}]}
    assert check("soundcloud", [answered(COMMENTS, page)], known={"mood"}) == []


def test_bodies_of_requests_are_checked_too() -> None:
    """A report that asks for a field unknown to Google's description is found."""
    call = Call("POST", "/v1beta/properties/123:runReport", {}, 200, {})
    sent = {"dimensions": [{"name": "country"}], "limits": 5}
    body = {"rows": [{"dimensionValues": [{"value": "SE"}]}], "rowCount": 1}
    exchange = Exchange(call, orjson.dumps(sent), "application/json", orjson.dumps(body))
    found = check("google_analytics", [exchange])
    assert len(found) == 1
    assert ".limits" in found[0]


@pytest.mark.parametrize("system", sorted(SOURCES))
def test_descriptions_hold_facts_with_their_source(system: str) -> None:
    """Each names its source and licence, holds no words of the publisher, and is complete."""
    document = load(system)
    assert document["info"]["x-source"].startswith("https://")
    assert document["info"]["x-licence"]
    assert set(document["paths"]) == set(SOURCES[system][2])
    names = set(document["components"]["schemas"])
    text = orjson.dumps(document).decode()
    wanted = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert wanted <= names


@pytest.fixture(params=[DEVELOPMENT_APP, EXTENDED_APP], ids=lambda app: app.mode)
def asked(request: pytest.FixtureRequest) -> Iterator[list[Exchange]]:
    """Ask the Spotify stand-in for one of everything."""
    app = request.param
    with running() as server, httpx.Client(base_url=server.url) as client:
        form = {"grant_type": "client_credentials"}
        token = client.post("/api/token", data=form, auth=(app.client_id, app.secret)).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        known = server.state.catalogue
        track, album, artist = (next(iter(each)) for each in
                                (known.tracks, known.albums, known.artists))  # fmt: skip
        playlist = next(p.id for p in known.playlists.values() if p.entries)
        paths = [
            f"tracks/{track}", f"tracks?ids={track}", f"albums/{album}", f"albums?ids={album}",
            f"albums/{album}/tracks?limit=5", f"artists/{artist}", f"artists?ids={artist}",
            f"artists/{artist}/albums", f"playlists/{playlist}", "browse/new-releases",
            f"playlists/{playlist}/items?limit=3", f"audio-features/{track}",
            "search?q=a&type=track,album,artist&limit=5", f"tracks/{'0' * 22}",
        ]  # fmt: skip
        yield [exchange_of(client.get(f"/v1/{path}")) for path in paths]


def test_the_spotify_stand_in_answers_as_published(asked: list[Exchange]) -> None:
    """Objects, batches, pages and searches have the published fields and types.

    Since February 2026 apps in development mode get fewer fields:
    https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide.
    ``primary_color`` (null) is in the service's answers and in no document.
    """
    gone = {"available_markets", "label", "popularity", "album_group"}
    assert check("spotify", asked, known={"primary_color"}, absent=gone) == []
