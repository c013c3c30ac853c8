"""The contract server keeps what is known of users' endpoints and of the spoken word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, spotify
from tests.services.spotify_api.library import Library
from tests.services.spotify_api.server import SpotifyServer
from tests.services.spotify_api.state import App
from tests.services.web_api.openapi import check, exchange_of

__all__ = ["spotify"]


@pytest.fixture(params=[DEVELOPMENT_APP, EXTENDED_APP], ids=lambda app: app.mode)
def app(request: pytest.FixtureRequest) -> App:
    found: App = request.param
    return found


@pytest.fixture
def client(spotify: SpotifyServer, app: App) -> Iterator[httpx.Client]:
    """Act for a user of an app."""
    token = spotify.state.grant(app, user=app.user)
    with httpx.Client(base_url=f"{spotify.url}/v1/") as found:
        found.headers["Authorization"] = f"Bearer {token}"
        yield found


def get(client: httpx.Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def library(server: SpotifyServer, app: App) -> Library:
    return server.state.library(app.user)


def test_every_endpoint_answers_as_published(
    spotify: SpotifyServer, client: httpx.Client, app: App
) -> None:
    """Fields, types and parameters are those of the OpenAPI description.

    Since February 2026 apps in development mode get fewer fields:
    https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide.
    ``primary_color`` (null) is in the service's answers and in no document. A chapter's audiobook
    is in the service's answers to ``/chapters``.
    """
    spoken = spotify.state.spoken
    show, episode, book, chapter = (
        next(iter(each))
        for each in (spoken.shows, spoken.episodes, spoken.audiobooks, spoken.chapters)
    )
    paths = [
        *(f"me/{kind}?limit=3" for kind in ("tracks", "albums", "shows", "episodes", "audiobooks")),
        "me/following?type=artist&limit=5", "me/top/tracks?time_range=short_term&limit=3",
        "me/top/artists?limit=3", "me/player/recently-played?limit=3", "me/playlists?limit=3",
        f"shows/{show}", f"episodes/{episode}", f"audiobooks/{book}", f"chapters/{chapter}",
        f"shows/{show}/episodes?limit=2", f"audiobooks/{book}/chapters?limit=2", "markets",
        f"shows?ids={show}", f"episodes?ids={episode}", f"audiobooks?ids={book}",
    ]  # fmt: skip
    exchanges = [exchange_of(client.get(path)) for path in paths]
    gone = {"available_markets", "label", "popularity", "album_group", "publisher"}
    assert check("spotify", exchanges, known={"primary_color"}, absent=gone) == []


@pytest.mark.parametrize(
    "path", ["me/tracks?limit=51", "me/following", "me/top/tracks?time_range=year",
             "me/player/recently-played?limit=51", "me/player/recently-played?after=1&before=2"],
)  # fmt: skip
def test_what_is_not_allowed_is_a_bad_request(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 400


def test_no_more_than_fifty_plays_are_ever_told(
    spotify: SpotifyServer, client: httpx.Client, app: App
) -> None:
    """``after`` leaves out its own moment, ``before`` pages back within the fifty, then no more."""
    plays = library(spotify, app).plays
    assert len(plays) == 80
    page = get(client, "me/player/recently-played?limit=30")
    assert page["cursors"] == {"after": str(plays[0].stamp), "before": str(plays[29].stamp)}
    older = get(client, f"me/player/recently-played?limit=50&before={page['cursors']['before']}")
    assert len(older["items"]) == 20
    path = f"me/player/recently-played?limit=50&before={older['cursors']['before']}"
    assert get(client, path)["items"] == []
    newer = get(client, f"me/player/recently-played?limit=50&after={plays[3].stamp}")
    assert len(newer["items"]) == 3


def test_followed_artists_are_paged_by_the_last_id(
    spotify: SpotifyServer, client: httpx.Client, app: App
) -> None:
    found: list[str] = []
    after = ""
    while True:
        page = get(client, f"me/following?type=artist&limit=50{after}")["artists"]
        found += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['cursors']['after']}"
    assert found == library(spotify, app).follows


def test_a_user_and_their_consent_are_needed(
    spotify: SpotifyServer, client: httpx.Client, app: App
) -> None:
    """Without a user 401, without the scope 403."""
    spotify.state.scopes.discard("user-top-read")
    assert client.get("me/top/artists").json()["error"]["message"] == "Insufficient client scope"
    client.headers["Authorization"] = f"Bearer {spotify.state.grant(app, user=None)}"
    assert client.get("me/tracks").status_code == 401


def test_the_spoken_word_needs_a_country(
    spotify: SpotifyServer, client: httpx.Client, app: App
) -> None:
    """A user's country counts; without one it must be named, and audiobooks are not sold in all."""
    show, book = next(iter(spotify.state.spoken.shows)), next(iter(spotify.state.spoken.audiobooks))
    assert client.get(f"shows/{show}").status_code == 200
    client.headers["Authorization"] = f"Bearer {spotify.state.grant(app, user=None)}"
    assert client.get(f"shows/{show}").status_code == 404
    assert client.get(f"shows/{show}?market=SE").status_code == 200
    assert client.get(f"audiobooks/{book}?market=SE").status_code == 404
    assert client.get(f"audiobooks/{book}?market=GB").status_code == 200


def test_development_mode_lost_batches_markets_and_publishers(
    spotify: SpotifyServer, client: httpx.Client, app: App
) -> None:
    show = next(iter(spotify.state.spoken.shows))
    development = app.mode == "development"
    for path in ("markets", f"shows?ids={show}"):
        assert client.get(path).status_code == (403 if development else 200)
    assert ("publisher" in get(client, f"shows/{show}")) != development
