"""The contract server keeps what is known of the real service; its users may rely on it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import aiohttp
import pytest

from tests.services.spotify_api.catalogue import build
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, spotify
from tests.services.spotify_api.server import SpotifyServer
from tests.services.spotify_api.state import App

__all__ = ["spotify"]

CATALOGUE = build()
TRACK = next(iter(CATALOGUE.tracks))
MINE = CATALOGUE.owned_by("listener_1")[0].id
FOREIGN = next(p.id for p in CATALOGUE.owned_by("listener_2") if not p.collaborators)


async def call(
    server: SpotifyServer, app: App, path: str, *, user: bool = False, known: str = ""
) -> tuple[int, Any, dict[str, str]]:
    """Get a path with a fresh token and return status, body and headers."""
    token = server.state.grant(app, user=app.user if user else None)
    headers = {"Authorization": f"Bearer {token}", "If-None-Match": known}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/v1{path}", headers=headers) as answer,
    ):
        body = await answer.json(content_type=None) if answer.status != 304 else None
        return answer.status, body, {k.lower(): v for k, v in answer.headers.items()}


@pytest.mark.parametrize(
    ("path", "development", "extended"),
    [
        (f"/tracks/{TRACK}", 200, 200),
        (f"/tracks?ids={TRACK}", 403, 200),
        (f"/tracks?ids={','.join([TRACK] * 51)}", 403, 400),
        ("/search?q=a&type=track&limit=10", 200, 200),
        ("/search?q=a&type=track&limit=11", 400, 200),
        ("/search?q=a&type=track&limit=51", 400, 400),
        ("/browse/new-releases", 403, 200),
        (f"/audio-features?ids={TRACK}", 403, 200),
        (f"/playlists/{MINE}/items", 200, 200),
        (f"/playlists/{MINE}/tracks", 403, 200),
        (f"/playlists/{FOREIGN}/items", 403, 200),
        (f"/playlists/{MINE}/items?limit=51", 400, 400),
        (f"/tracks/{'0' * 22}", 404, 404),
        ("/tracks/short", 400, 400),
        ("/markets", 403, 200),
        ("/songs", 404, 404),
    ],
)
async def test_each_mode_may_what_it_may_since_2026(
    spotify: SpotifyServer, path: str, development: int, extended: int
) -> None:
    """The statuses of both modes, with a token that a user gave; errors have the error object."""
    for app, expected in ((DEVELOPMENT_APP, development), (EXTENDED_APP, extended)):
        status, body, _ = await call(spotify, app, path, user=True)
        assert status == expected
        if status >= 400:
            assert body["error"]["status"] == status
            assert body["error"]["message"]


async def test_fields_that_development_apps_lost_are_gone(spotify: SpotifyServer) -> None:
    """Popularity and markets are absent, not null; the ISRC stays; items were renamed."""
    _, track, _ = await call(spotify, DEVELOPMENT_APP, f"/tracks/{TRACK}")
    assert not {"popularity", "available_markets", "linked_from"} & set(track)
    assert track["external_ids"]["isrc"]
    _, page, _ = await call(spotify, DEVELOPMENT_APP, f"/playlists/{MINE}/items", user=True)
    assert set(page) == {"href", "items", "limit", "next", "offset", "previous", "total"}
    assert "track" not in page["items"][0]
    assert "item" in page["items"][0]
    _, old, _ = await call(spotify, EXTENDED_APP, f"/playlists/{MINE}/tracks")
    assert "track" in old["items"][0]
    _, closed, _ = await call(spotify, DEVELOPMENT_APP, f"/playlists/{FOREIGN}", user=True)
    assert not {"items", "tracks"} & set(closed)


async def test_an_unchanged_answer_is_confirmed_by_its_tag(spotify: SpotifyServer) -> None:
    _, _, headers = await call(spotify, EXTENDED_APP, f"/tracks/{TRACK}")
    path, known = f"/tracks/{TRACK}", headers["etag"]
    assert (await call(spotify, EXTENDED_APP, path, known=known))[0] == 304


async def test_limits_count_for_a_developer_and_say_how_long_to_wait(
    spotify: SpotifyServer,
) -> None:
    """A full window is a plain 429; a used-up quota has a reason and nearly a day to wait."""
    apps = [App(f"dev-{n}", "s", "development", developer="one person") for n in range(2)]
    spotify.state.allowance = 1
    statuses = [(await call(spotify, app, f"/tracks/{TRACK}"))[0] for app in apps]
    assert statuses == [200, 429]
    _, body, headers = await call(spotify, apps[0], f"/tracks/{TRACK}")
    assert 1 <= int(headers["retry-after"]) <= 30
    assert body == {"error": {"status": 429, "message": "API rate limit exceeded"}}
    spotify.state.quota = 0
    _, body, headers = await call(spotify, apps[0], f"/tracks/{TRACK}")
    assert headers["retry-after"] == "80000"
    assert body["error"]["reason"] == "QUOTA_EXCEEDED"


async def test_an_ended_token_is_refused(spotify: SpotifyServer) -> None:
    spotify.state.token_seconds = 0.0
    status, body, _ = await call(spotify, EXTENDED_APP, f"/tracks/{TRACK}")
    assert (status, body["error"]["message"]) == (401, "The access token expired")


def test_the_catalogue_is_the_same_for_the_same_seed() -> None:
    """Ids, names and snapshots come from the seed; it holds removed, local and spoken entries."""
    again = build()
    assert list(again.tracks) == list(CATALOGUE.tracks)
    assert [p.snapshot_id for p in again.playlists.values()] == [
        p.snapshot_id for p in CATALOGUE.playlists.values()
    ]
    assert list(build(seed=8).tracks) != list(CATALOGUE.tracks)
    kinds = {e.kind for p in CATALOGUE.playlists.values() for e in p.entries}
    assert kinds == {"track", "removed", "local", "episode"}


def test_the_command_prints_its_address_and_stops_when_told() -> None:
    command = [sys.executable, "-m", "tests.services.spotify_api", "--port", "0", "--list", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        assert process.stdout.readline().strip() == MINE
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
