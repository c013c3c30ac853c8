"""Ids of the spotify source that many workers read, and the one cursor that is left of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.audio.spotify import SpotifySource
from tests.services.spotify_api.fixtures import EXTENDED_APP, collect, reader
from tests.services.spotify_api.server import SpotifyServer


def rows(chunks: list[Chunk]) -> list[str]:
    return [
        json.dumps(row, default=str, sort_keys=True)
        for chunk in chunks
        for row in chunk.batch.to_pylist()
    ]


async def in_parts(
    source: SpotifySource, n: int, since: Cursor | None
) -> tuple[list[str], Cursor | None]:
    """Read every part, through its options as JSON; return all rows and the whole's cursor."""
    found, cursors = [], []
    for part in await source.partitions(n, since):
        options = part.config.model_dump(mode="json", exclude_defaults=True)
        chunks = await collect(source.narrowed(**json.loads(json.dumps(options))), since)
        found += rows(chunks)
        cursors.append(chunks[-1].cursor if chunks else None)
    return found, source.joined(cursors)


@pytest.mark.parametrize("resource", ["tracks", "album_tracks", "playlist_items"])
async def test_parts_begin_where_the_whole_was_cut_and_leave_its_cursor(
    spotify: SpotifyServer, resource: str
) -> None:
    """From any cursor parts give exactly the rest, once, even within the pages of an id."""
    known = spotify.state.catalogue
    pools: dict[str, list[str]] = {
        "tracks": list(known.tracks)[:70],
        "album_tracks": list(known.albums)[:12],
        "playlist_items": [p.id for p in known.playlists.values() if len(p.entries) > 90][:5],
    }
    config: dict[str, Any] = {"resource": resource, "ids": pools[resource], "batch_size": 10}
    source = reader(spotify, EXTENDED_APP, **config)
    source.chunk_rows = 5
    chunks = await collect(source)
    for number in (None, 0, len(chunks) // 2, len(chunks) - 2):
        since = None if number is None else json.loads(json.dumps(chunks[number].cursor))
        found, cursor = await in_parts(source, 3, since)
        rest = chunks if number is None else chunks[number + 1 :]
        assert sorted(found) == sorted(rows(rest))
        assert await collect(source, cursor) == []
        assert not await source.is_ready(cursor)


async def test_ids_that_came_after_the_split_are_read_next_time(spotify: SpotifyServer) -> None:
    """The cursor of the parts is good for a list that has grown meanwhile."""
    ids = list(spotify.state.catalogue.tracks)[:60]
    _, cursor = await in_parts(reader(spotify, EXTENDED_APP, resource="tracks", ids=ids), 4, None)
    more = list(spotify.state.catalogue.tracks)[60:65]
    longer = reader(spotify, EXTENDED_APP, resource="tracks", ids=[*ids, *more])
    found = [row["id"] for c in await collect(longer, cursor) for row in c.batch.to_pylist()]
    assert found == more


async def test_playlists_of_a_part_without_changes_stay_known(spotify: SpotifyServer) -> None:
    """Only the changed playlist is read, and no version of another part is forgotten."""
    ids = [p.id for p in spotify.state.catalogue.playlists.values() if p.entries][:9]
    source = reader(spotify, EXTENDED_APP, resource="playlist_items", ids=ids)
    _, cursor = await in_parts(source, 3, None)
    assert cursor is not None
    changed = spotify.state.catalogue.playlists[ids[4]]
    changed.add(next(iter(spotify.state.catalogue.tracks.values())))
    found, after = await in_parts(source, 3, cursor)
    assert {json.loads(row)["playlist_id"] for row in found} == {ids[4]}
    assert after is not None
    assert set(after["snapshots"]) == set(ids)
    assert await collect(source, after) == []


async def test_a_part_that_stopped_early_stops_the_cursor_there(spotify: SpotifyServer) -> None:
    """Where a budget ended one part the whole goes on, and reads the later parts again."""
    ids = list(spotify.state.catalogue.tracks)[:60]
    source = reader(spotify, EXTENDED_APP, resource="tracks", ids=ids, batch_size=10)
    parts = await source.partitions(3)
    for part in parts:
        part.chunk_rows = 10
    read = [await collect(part) for part in parts]
    cursor = source.joined([read[0][-1].cursor, read[1][0].cursor, read[2][-1].cursor])
    found = [row["id"] for c in await collect(source, cursor) for row in c.batch.to_pylist()]
    assert found == ids[30:]
