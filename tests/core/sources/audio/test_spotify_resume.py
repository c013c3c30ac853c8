"""The spotify source's cursors: no row is lost or given twice, wherever reading was cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_spotify.core.model import Chunk
from airflow_provider_spotify.core.sources.audio.spotify import SpotifySource
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, collect, reader
from tests.services.spotify_api.server import SpotifyServer

RESOURCES = (
    "tracks",
    "albums",
    "artists",
    "audio_features",
    "playlists",
    "playlist_items",
    "album_tracks",
    "artist_albums",
    "search",
    "new_releases",
)


def everything(chunks: list[Chunk]) -> list[Any]:
    """Return rows and rejected records, in order."""
    rows = [row for chunk in chunks for row in chunk.batch.to_pylist()]
    lost = [row for chunk in chunks if chunk.rejected for row in chunk.rejected.to_pylist()]
    return [rows, lost]


def source_of(server: SpotifyServer, resource: str, **config: Any) -> SpotifySource:
    """Return a source of some 100 rows, with ids among them that give none."""
    catalogue = server.state.catalogue
    pools: dict[str, list[str]] = {
        "tracks": list(catalogue.tracks)[:90],
        "albums": list(catalogue.albums)[:90],
        "artists": list(catalogue.artists)[:90],
        "audio_features": list(catalogue.tracks)[:90],
        "playlists": list(catalogue.playlists)[:90],
        "playlist_items": list(catalogue.playlists)[:6],
        "album_tracks": list(catalogue.albums)[:15],
        "artist_albums": list(catalogue.artists)[:50],
    }
    if resource in pools:
        pool = pools[resource]
        config |= {"ids": [*pool[:3], "0" * 22, *pool[3:], "nonsense"]}
    if resource == "search":
        config |= {"query": "ka", "search_types": ["artist", "album", "playlist"]}
    return reader(server, EXTENDED_APP, resource=resource, batch_size=9, **config)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_reading_resumes_from_every_cursor(spotify: SpotifyServer, resource: str) -> None:
    """What follows any cursor, sent through JSON, is exactly what followed it the first time."""
    source = source_of(spotify, resource)
    chunks = await collect(source)
    assert len(chunks) >= 3
    for number, chunk in enumerate(chunks, 1):
        cursor = json.loads(json.dumps(chunk.cursor))
        assert everything(await collect(source, cursor)) == everything(chunks[number:])


@pytest.mark.parametrize("resource", RESOURCES)
async def test_readiness_agrees_with_reading(spotify: SpotifyServer, resource: str) -> None:
    """There is something to read at the start and in the middle, and nothing after the end."""
    source = source_of(spotify, resource)
    chunks = await collect(source)
    assert await source.is_ready(None)
    assert await source.is_ready(chunks[0].cursor)
    assert not await source.is_ready(chunks[-1].cursor)
    assert await collect(source, chunks[-1].cursor) == []


async def test_only_changed_playlists_are_read_again(spotify: SpotifyServer) -> None:
    """One short request finds a playlist unchanged; its items are not asked for."""
    source = source_of(spotify, "playlist_items")
    cursor = (await collect(source))[-1].cursor
    changed = list(spotify.state.catalogue.playlists.values())[4]
    changed.add(next(iter(spotify.state.catalogue.tracks.values())))
    spotify.state.calls.clear()
    assert await source.is_ready(cursor)
    chunks = await collect(source, cursor)
    rows, lost = everything(chunks)
    assert {row["playlist_id"] for row in rows} == {changed.id}
    assert len(rows) + len(lost) == len(changed.entries)
    assert {p for p in spotify.state.paths() if "/items" in p} == {
        f"/v1/playlists/{changed.id}/items"
    }
    assert not await source.is_ready(chunks[-1].cursor)


async def test_a_playlist_that_changed_since_it_was_cut_is_read_from_its_start(
    spotify: SpotifyServer,
) -> None:
    """Offsets of an older version mean nothing; the rows then carry the new version."""
    playlist = max(spotify.state.catalogue.playlists.values(), key=lambda p: len(p.entries))
    source = reader(
        spotify, EXTENDED_APP, resource="playlist_items", ids=[playlist.id], batch_size=10
    )
    first, *_ = await collect(source)
    assert first.cursor["partial"]
    playlist.remove(0)
    rows, lost = everything(await collect(source, first.cursor))
    assert len(rows) + len(lost) == len(playlist.entries)
    assert {row["snapshot_id"] for row in rows} == {playlist.snapshot_id}


async def test_two_playlists_cut_in_the_middle_both_go_on(spotify: SpotifyServer) -> None:
    """A playlist begun is not forgotten when one before it changes and is begun again."""
    long = [p for p in spotify.state.catalogue.playlists.values() if len(p.entries) >= 100][:2]
    source = reader(
        spotify,
        EXTENDED_APP,
        resource="playlist_items",
        ids=[p.id for p in long],
        batch_size=10,
    )
    cut = next(c for c in await collect(source) if long[1].id in c.cursor.get("partial", {}))
    long[0].add(next(iter(spotify.state.catalogue.tracks.values())))
    again = (await collect(source, cut.cursor))[0]
    assert set(again.cursor["partial"]) == {p.id for p in long}
    rows, _ = everything(await collect(source, again.cursor))
    second = [r for r in rows if r["playlist_id"] == long[1].id]
    after = int(again.cursor["partial"][long[1].id][1])
    assert min(row["position"] for row in second) >= after


async def test_a_missing_playlist_is_reported_once_and_read_when_it_appears(
    spotify: SpotifyServer,
) -> None:
    catalogue = spotify.state.catalogue
    hidden = catalogue.playlists.pop(next(k for k, p in catalogue.playlists.items() if p.entries))
    source = reader(spotify, EXTENDED_APP, resource="playlist_items", ids=[hidden.id])
    chunks = await collect(source)
    assert "not found" in everything(chunks)[1][0]["reason"]
    assert not await source.is_ready(chunks[-1].cursor)
    assert await collect(source, chunks[-1].cursor) == []
    catalogue.playlists[hidden.id] = hidden
    assert await source.is_ready(chunks[-1].cursor)
    rows, lost = everything(await collect(source, chunks[-1].cursor))
    assert len(rows) + len(lost) == len(hidden.entries)


async def test_new_ids_at_the_end_are_read_alone(spotify: SpotifyServer) -> None:
    """A longer list goes on where the shorter one ended; another order starts anew."""
    ids = list(spotify.state.catalogue.tracks)[:50]
    config: dict[str, Any] = {"resource": "tracks", "app_mode": "extended"}
    done = (await collect(reader(spotify, EXTENDED_APP, ids=ids[:40], **config)))[-1].cursor
    longer = reader(spotify, EXTENDED_APP, ids=ids, **config)
    assert await longer.is_ready(done)
    rows, _ = everything(await collect(longer, done))
    assert [row["id"] for row in rows] == ids[40:]
    turned = reader(spotify, EXTENDED_APP, ids=ids[::-1], **config)
    rows, _ = everything(await collect(turned, done))
    assert [row["id"] for row in rows] == ids[::-1]


@pytest.mark.parametrize(("resource", "refresh"), [("tracks", "1d"), ("search", None)])
async def test_a_whole_read_is_due_again_when_it_is_old(
    spotify: SpotifyServer, resource: str, refresh: str | None
) -> None:
    """A finished read of two days ago starts anew; one of a minute ago does not."""
    source = source_of(spotify, resource, refresh=refresh)
    chunks = await collect(source)
    old = {**chunks[-1].cursor, "finished": "2026-01-01T00:00:00+00:00"}
    assert await source.is_ready(old)
    assert everything(await collect(source, old)) == everything(chunks)
    assert not await source.is_ready(chunks[-1].cursor)


async def test_an_empty_playlist_is_remembered_as_read(spotify: SpotifyServer) -> None:
    """It has no row, yet its version is in the cursor, so it is not asked for again."""
    empty = next(p for p in spotify.state.catalogue.playlists.values() if not p.entries)
    source = reader(spotify, EXTENDED_APP, resource="playlist_items", ids=[empty.id])
    (chunk,) = await collect(source)
    assert (chunk.batch.num_rows, chunk.rejected) == (0, None)
    assert chunk.cursor == {"snapshots": {empty.id: empty.snapshot_id}}
    assert not await source.is_ready(chunk.cursor)


async def test_ids_without_an_answer_do_not_stop_the_cursor(spotify: SpotifyServer) -> None:
    """Development mode reads one id at a time, and each chunk's cursor counts the missing ones."""
    ids = [f"{n:022d}" for n in range(45)]
    source = reader(spotify, DEVELOPMENT_APP, resource="tracks", ids=ids)
    chunks = await collect(source)
    assert [chunk.cursor["position"] for chunk in chunks] == [20, 40, 45]
    assert sum(chunk.rejected.num_rows for chunk in chunks if chunk.rejected) == 45
