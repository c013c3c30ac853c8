"""The spotify source against a real local server: what it reads, in either mode."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, ForbiddenError
from airflow_provider_spotify.core.model import Chunk, Window
from airflow_provider_spotify.core.sources.audio._spotify_resources import RESOURCES
from airflow_provider_spotify.core.sources.audio.spotify import SOURCE, SpotifyConfig
from airflow_provider_spotify.core.sources.web.rows import Record, rows, schema
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, collect, reader
from tests.services.spotify_api.server import SpotifyServer
from tests.services.spotify_api.state import Fault


def listed(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def refused(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks if chunk.rejected for row in chunk.rejected.to_pylist()]


async def test_tracks_are_typed_rows_with_isrc_and_artists(spotify: SpotifyServer) -> None:
    """A track row equals the catalogue's track, in its declared Arrow types."""
    tracks = list(spotify.state.catalogue.tracks.values())[:60]
    source = reader(spotify, EXTENDED_APP, resource="tracks", ids=[t.id for t in tracks])
    chunks = await collect(source)
    assert chunks[0].batch.schema == schema(RESOURCES["tracks"].columns)
    found = listed(chunks)
    assert [row["id"] for row in found] == [t.id for t in tracks]
    first, wanted = found[0], tracks[0]
    assert first["isrc"] == wanted.isrc
    assert first["duration_ms"] == wanted.duration_ms
    assert first["artists"] == [{"id": a.id, "name": a.name} for a in wanted.artists]
    assert first["popularity"] == wanted.popularity
    assert first["album_id"] == wanted.album.id


async def test_development_mode_reads_one_by_one_and_lost_fields_are_null(
    spotify: SpotifyServer,
) -> None:
    """After one probe there is no batch, and columns that vanished in 2026 are null."""
    ids = list(spotify.state.catalogue.tracks)[:30]
    found = listed(await collect(reader(spotify, DEVELOPMENT_APP, resource="tracks", ids=ids)))
    assert [row["id"] for row in found] == ids
    assert {row["popularity"] for row in found} == {None}
    assert {row["available_markets"] is None for row in found} == {True}
    assert None not in {row["isrc"] for row in found}
    assert [call.status for call in spotify.state.calls if "ids=" in call.query] == [403]
    assert len(spotify.state.paths("/v1/tracks/")) == 30


@pytest.mark.parametrize(("kind", "size"), [("tracks", 50), ("albums", 20), ("artists", 50)])
async def test_extended_mode_reads_batches_as_large_as_the_api_allows(
    spotify: SpotifyServer, kind: str, size: int
) -> None:
    ids = list(getattr(spotify.state.catalogue, kind))[:105]
    source = reader(spotify, EXTENDED_APP, app_mode="extended", resource=kind, ids=ids)
    assert [row["id"] for row in listed(await collect(source))] == ids
    batches = [c.query.count(",") + 1 for c in spotify.state.calls if "ids=" in c.query]
    assert sorted(batches, reverse=True)[0] == size
    assert len(batches) == -(-105 // size)


async def test_the_mode_is_found_out_once_for_a_credential(spotify: SpotifyServer) -> None:
    """Two sources of the same app make one probe between them."""
    ids = list(spotify.state.catalogue.tracks)[:2]
    for _ in range(2):
        await collect(reader(spotify, DEVELOPMENT_APP, resource="tracks", ids=ids))
    assert len([call for call in spotify.state.calls if "ids=" in call.query]) == 1


async def test_ids_that_do_not_exist_or_are_none_become_rejected_records(
    spotify: SpotifyServer,
) -> None:
    """The good ids around them are read."""
    good = list(spotify.state.catalogue.tracks)[:2]
    ids = [good[0], "0" * 22, "not an id", good[1]]
    for app in (DEVELOPMENT_APP, EXTENDED_APP):
        chunks = await collect(reader(spotify, app, resource="tracks", ids=ids))
        assert [row["id"] for row in listed(chunks)] == good
        missing, malformed = refused(chunks)
        assert missing["reason"] == "not found"
        assert missing["location"] == f"tracks {'0' * 22}"
        assert "not a Spotify id" in malformed["reason"]
        assert malformed["record"] == '{"id":"not an id"}'


async def test_uris_and_links_are_ids_and_repeated_ones_are_read_once(
    spotify: SpotifyServer,
) -> None:
    key = next(iter(spotify.state.catalogue.albums))
    link = f"https://open.spotify.com/intl-de/album/{key}?si=1"
    ids = [f"spotify:album:{key}", link, key, f"spotify:track:{key}"]
    chunks = await collect(reader(spotify, EXTENDED_APP, resource="albums", ids=ids))
    assert [row["id"] for row in listed(chunks)] == [key]
    assert [row["location"] for row in refused(chunks)] == [f"albums spotify:track:{key}"]


async def test_playlist_items_carry_their_place_and_version(spotify: SpotifyServer) -> None:
    """Each entry of a playlist is a row with its position, or a rejected record that says where."""
    playlist = next(p for p in spotify.state.catalogue.playlists.values() if len(p.entries) == 130)
    source = reader(spotify, EXTENDED_APP, resource="playlist_items", ids=[playlist.id])
    chunks = await collect(source)
    found, lost = listed(chunks), refused(chunks)
    places = [n for n, e in enumerate(playlist.entries) if e.kind in ("track", "episode")]
    assert [row["position"] for row in found] == places
    assert {(row["playlist_id"], row["snapshot_id"]) for row in found} == {
        (playlist.id, playlist.snapshot_id)
    }
    assert found[0]["added_at"] == datetime.fromisoformat(playlist.entries[places[0]].added_at)
    gone = [n for n, e in enumerate(playlist.entries) if e.kind in ("removed", "local")]
    assert [row["location"] for row in lost] == [
        f"playlist {playlist.id} position {n}" for n in gone
    ]
    assert {row["reason"] for row in lost} == {"removed or local track without data"}
    assert {row["stage"] for row in lost} == {"source"}


async def test_in_development_mode_the_users_own_playlists_are_open(
    spotify: SpotifyServer,
) -> None:
    """With a refresh token its user's playlists are read; a foreign one is a rejected record."""
    catalogue = spotify.state.catalogue
    mine = [p.id for p in catalogue.owned_by("listener_1") if p.entries][:3]
    foreign = next(p.id for p in catalogue.owned_by("listener_4") if not p.collaborators)
    source = reader(
        spotify, DEVELOPMENT_APP, user=True, resource="playlist_items", ids=[foreign, *mine]
    )
    chunks = await collect(source)
    assert {row["playlist_id"] for row in listed(chunks)} == set(mine)
    closed = next(row for row in refused(chunks) if row["location"] == f"playlist {foreign}")
    assert "403" in closed["reason"]
    assert not [path for path in spotify.state.paths() if path.endswith("/tracks")]


async def test_an_app_to_which_every_playlist_is_closed_fails_and_says_what_to_do(
    spotify: SpotifyServer,
) -> None:
    ids = [p.id for p in spotify.state.catalogue.owned_by("listener_2")[:3]]
    source = reader(spotify, DEVELOPMENT_APP, resource="playlist_items", ids=ids)
    with pytest.raises(ForbiddenError, match="refresh_token"):
        await collect(source)


async def test_playlists_are_read_without_their_items(spotify: SpotifyServer) -> None:
    """Rows of either mode have the version and the owner; the items were not even sent."""
    playlists = spotify.state.catalogue.owned_by("listener_1")[:5]
    ids = [p.id for p in playlists]
    for app, user in ((EXTENDED_APP, False), (DEVELOPMENT_APP, True)):
        source = reader(spotify, app, user=user, resource="playlists", ids=ids)
        found = listed(await collect(source))
        assert [row["snapshot_id"] for row in found] == [p.snapshot_id for p in playlists]
        assert {row["owner_id"] for row in found} == {"listener_1"}
        assert [row["items_total"] for row in found] == [len(p.entries) for p in playlists]


@pytest.mark.parametrize(
    ("resource", "parent"), [("album_tracks", "albums"), ("artist_albums", "artists")]
)
async def test_pages_below_an_id_are_all_read(
    spotify: SpotifyServer, resource: str, parent: str
) -> None:
    """Small pages give the same rows as the catalogue, in order, with position from 0."""
    catalogue = spotify.state.catalogue
    ids = list(getattr(catalogue, parent))[:12]
    source = reader(spotify, DEVELOPMENT_APP, resource=resource, ids=ids, batch_size=3)
    wanted = [
        (key, n, each.id)
        for key in ids
        for n, each in enumerate(
            catalogue.albums[key].tracks if parent == "albums" else catalogue.discography[key]
        )
    ]
    name = "album_id" if parent == "albums" else "artist_id"
    found = [(row[name], row["position"], row["id"]) for row in listed(await collect(source))]
    assert found == wanted


@pytest.mark.parametrize(("app", "most"), [(DEVELOPMENT_APP, 10), (EXTENDED_APP, 50)])
async def test_a_search_asks_for_pages_no_larger_than_the_mode_allows(
    spotify: SpotifyServer, app: Any, most: int
) -> None:
    kinds = ["artist", "playlist"]
    source = reader(spotify, app, resource="search", query="ka", search_types=kinds)
    chunks = await collect(source)
    wanted = [a.id for a in spotify.state.catalogue.artists.values() if "ka" in a.name.casefold()]
    assert [row["id"] for row in listed(chunks) if row["type"] == "artist"] == wanted
    asked = [dict(parse_qsl(c.query)) for c in spotify.state.calls if c.path == "/v1/search"]
    assert {query["limit"] for query in asked} == {str(most)}


async def test_new_releases_and_audio_features_need_an_app_that_still_may(
    spotify: SpotifyServer,
) -> None:
    """Extended apps get rows; development-mode apps a reason, before any call is wasted."""
    ids = list(spotify.state.catalogue.tracks)[:3]
    for config in ({"resource": "new_releases"}, {"resource": "audio_features", "ids": ids}):
        assert listed(await collect(reader(spotify, EXTENDED_APP, **config)))
        with pytest.raises(ForbiddenError, match="development mode"):
            await collect(reader(spotify, DEVELOPMENT_APP, **config))


async def test_a_429_without_a_time_to_wait_is_named_as_forbidden(spotify: SpotifyServer) -> None:
    spotify.state.faults.append(Fault("closed", path="/audio-features", times=9))
    ids = list(spotify.state.catalogue.tracks)[:3]
    with pytest.raises(ForbiddenError, match="audio features"):
        await collect(reader(spotify, EXTENDED_APP, resource="audio_features", ids=ids))


async def test_a_market_decides_what_is_playable(spotify: SpotifyServer) -> None:
    """The asked id stays in requested_id where the market gives another track."""
    tracks = spotify.state.catalogue.tracks.values()
    absent = [t for t in tracks if "SE" not in t.markets][:20]
    source = reader(
        spotify, EXTENDED_APP, resource="tracks", ids=[t.id for t in absent], market="SE"
    )
    found = listed(await collect(source))
    assert [row["requested_id"] for row in found] == [t.id for t in absent]
    linked = [row for row in found if row["linked_from_id"]]
    assert linked
    assert all(row["linked_from_id"] == row["requested_id"] != row["id"] for row in linked)


async def test_a_window_selects_items_by_when_they_were_added(spotify: SpotifyServer) -> None:
    """Two windows that meet give every row of their span once; others have no time."""
    ids = [p.id for p in spotify.state.catalogue.owned_by("listener_1")]
    source = reader(spotify, EXTENDED_APP, resource="playlist_items", ids=ids)
    rows_ = listed(await collect(source))
    everything = {(row["playlist_id"], row["position"]): row["added_at"] for row in rows_}
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2021, 2022)]
    for start, end in pairwise(years):
        found = listed(await collect(source, None, Window(start=start, end=end)))
        wanted = [place for place, added in everything.items() if start <= added < end]
        assert [(r["playlist_id"], r["position"]) for r in found] == wanted
    with pytest.raises(ConfigurationError, match="no time"):
        await collect(
            reader(spotify, EXTENDED_APP, resource="tracks", ids=["0" * 22]),
            None,
            Window(start=years[0], end=years[1]),
        )


async def test_partitions_together_read_the_same_rows(spotify: SpotifyServer) -> None:
    ids = list(spotify.state.catalogue.tracks)[:77]
    source = reader(spotify, EXTENDED_APP, resource="tracks", ids=ids)
    parts = await source.partitions(4)
    assert len(parts) == 4
    assert [row["id"] for part in parts for row in listed(await collect(part))] == ids


@pytest.mark.parametrize("concurrency", [1, 16])
async def test_order_does_not_depend_on_concurrency(
    spotify: SpotifyServer, concurrency: int
) -> None:
    """As many requests are under way at once as asked for, and the rows are those of one by one."""
    spotify.state.together = concurrency
    ids = list(spotify.state.catalogue.tracks)[:48]
    config: dict[str, Any] = {"resource": "tracks", "ids": ids, "app_mode": "development"}
    source = reader(spotify, DEVELOPMENT_APP, concurrency=concurrency, **config)
    assert [row["id"] for row in listed(await collect(source))] == ids
    assert spotify.state.most_at_once == concurrency


def test_a_value_of_the_wrong_type_rejects_its_record_only() -> None:
    """The reason names the column and the type; the others become rows."""
    columns = RESOURCES["artists"].columns
    bodies: list[dict[str, Any]] = [
        {"id": "a", "name": "A", "followers": {"total": 3}},
        {"id": "b", "name": "B", "followers": {"total": "many"}},
        {"id": "c", "name": "C", "genres": None, "followers": None},
    ]
    records = [Record({}, body, f"artists {body['id']}") for body in bodies]
    batch, misfits = rows(columns, records)
    assert batch.column("id").to_pylist() == ["a", "c"]
    assert [(m.location, m.reason) for m in misfits] == [("artists b", "followers is not a bigint")]


def test_every_column_is_documented_and_named_once() -> None:
    for resource in RESOURCES.values():
        names = [column.name for column in resource.columns]
        assert len(names) == len(set(names))
        assert all(column.doc for column in resource.columns)


def test_the_dataset_is_named_without_a_connection() -> None:
    source = SOURCE(SpotifyConfig(resource="playlist_items", ids=["x"]))
    assert source.dataset() == ("https://api.spotify.com", "/v1/playlists/{id}/items")


def test_importing_the_source_loads_no_heavy_library() -> None:
    """Airflow parses DAG files often, so the module loads no Arrow, no HTTP library, no Airflow."""
    code = (
        "import sys; import airflow_provider_spotify.core.sources.audio.spotify;"
        "print(*{'airflow', 'pyarrow', 'aiohttp', 'fsspec', 'hishel'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
