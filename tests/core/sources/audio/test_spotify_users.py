"""What is special to users' libraries, plays and favourites, and to the spoken word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    BudgetSpent,
    ConfigurationError,
    ForbiddenError,
)
from airflow_provider_spotify.core.model import Chunk, Window
from airflow_provider_spotify.core.sources.audio.spotify import SpotifySource
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.core.chunks import rows
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, collect, reader
from tests.services.spotify_api.library import Library
from tests.services.spotify_api.server import SpotifyServer


def mine(server: SpotifyServer, resource: str, **config: Any) -> SpotifySource:
    """Return a source that acts for a user of an app in development mode."""
    return reader(server, DEVELOPMENT_APP, user=True, resource=resource, **config)


def library(server: SpotifyServer) -> Library:
    return server.state.library(DEVELOPMENT_APP.user)


def lost(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks if chunk.rejected for row in chunk.rejected.to_pylist()]


async def test_plays_come_once_each_and_only_new_ones(spotify: SpotifyServer) -> None:
    """The last fifty come first, then what was played since, and then nothing."""
    first = await collect(mine(spotify, "recently_played"))
    assert len(rows(first)) == 50
    assert lost(first) == []
    known = list(spotify.state.catalogue.tracks)
    album = next(iter(spotify.state.catalogue.albums))
    library(spotify).play(*known[:49], album=album)
    source = mine(spotify, "recently_played")
    assert await source.is_ready(first[-1].cursor)
    new = await collect(source, first[-1].cursor)
    assert [row["id"] for row in rows(new)] == known[:49][::-1]
    assert lost(new) == []
    assert rows(new)[0]["context_uri"] == f"spotify:album:{album}"
    assert rows(new)[0]["played_at"] == library(spotify).plays[0].played_at
    assert not await source.is_ready(new[-1].cursor)
    assert await collect(source, new[-1].cursor) == []


async def test_a_full_window_of_unknown_plays_is_reported_as_a_gap(spotify: SpotifyServer) -> None:
    """Of sixty new plays fifty come, with a rejected record that says what may be missing."""
    source = mine(spotify, "recently_played")
    first = await collect(source)
    library(spotify).play(*list(spotify.state.catalogue.tracks)[:60])
    new = await collect(source, first[-1].cursor)
    assert len(rows(new)) == 50
    (gap,) = lost(new)
    assert gap["stage"] == "source"
    assert "gap: all of the last 50 plays are new" in gap["reason"]
    assert "25 minutes" in gap["reason"]
    newest_known = library(spotify).plays[60].played_at
    assert newest_known.isoformat()[:23] in gap["record"]
    assert await collect(source, new[-1].cursor) == []


async def test_a_window_of_plays_says_what_is_too_old_to_be_told(spotify: SpotifyServer) -> None:
    """The plays of a span of time come whole, or with the gap at its beginning."""
    plays = library(spotify).plays
    inside = Window(start=plays[20].played_at, end=plays[5].played_at)
    chunks = await collect(mine(spotify, "recently_played"), window=inside)
    assert [row["played_at"] for row in rows(chunks)] == [p.played_at for p in plays[6:21]]
    assert lost(chunks) == []
    long = Window(start=plays[70].played_at, end=plays[40].played_at)
    chunks = await collect(mine(spotify, "recently_played"), window=long)
    assert len(rows(chunks)) == 9
    assert "gap" in lost(chunks)[0]["reason"]


async def test_things_saved_at_one_second_are_parted_exactly(spotify: SpotifyServer) -> None:
    """What is saved at the very second that was read last comes, and nothing comes twice."""
    source = mine(spotify, "saved_tracks", batch_size=50)
    cursor = (await collect(source))[-1].cursor
    new = [t for t in spotify.state.catalogue.tracks
           if t not in {each for _, each in library(spotify).saved["track"]}][:2]  # fmt: skip
    library(spotify).save("track", new[0], seconds=0)
    library(spotify).save("track", new[1], seconds=1)
    assert [row["id"] for row in rows(await collect(source, cursor))] == new[::-1]


async def test_looking_for_new_things_costs_two_requests(spotify: SpotifyServer) -> None:
    """A library of many pages is not read ahead once its latest things are known."""
    source = mine(spotify, "saved_tracks", batch_size=20)
    cursor = (await collect(source))[-1].cursor
    spotify.state.calls.clear()
    assert await collect(source, cursor) == []
    assert len(spotify.state.paths("/v1/me/tracks")) <= 2


async def test_a_library_that_grows_while_it_is_read_loses_nothing(spotify: SpotifyServer) -> None:
    """What is saved meanwhile shifts the pages; what was there comes once, the rest next time."""
    before = [each for _, each in library(spotify).saved["track"]]
    source = mine(spotify, "saved_tracks", batch_size=20, concurrency=2)
    new = [t for t in spotify.state.catalogue.tracks if t not in before][:3]
    found: list[Chunk] = []
    async for chunk in source.read(None):
        if not found:
            library(spotify).save("track", *new)
        found.append(chunk)
    ids = [row["id"] for row in rows(found)]
    assert sorted(i for i in ids if i not in new) == sorted(before)
    later = [row["id"] for row in rows(await collect(source, found[-1].cursor))]
    assert sorted([i for i in ids if i in new] + later) == sorted(new)


@pytest.mark.parametrize(
    ("resource", "count", "column"),
    [
        ("saved_albums", 70, "album_type"),
        ("saved_shows", 55, "total_episodes"),
        ("saved_episodes", 60, "show_id"),
        ("saved_audiobooks", 12, "authors"),
        ("followed_artists", 120, "name"),
        ("user_playlists", None, "snapshot_id"),
    ],
)
async def test_every_part_of_a_library_is_read(
    spotify: SpotifyServer, resource: str, count: int | None, column: str
) -> None:
    """Each has its own columns, and fields that development mode lost are null."""
    source = mine(spotify, resource)
    found = rows(await collect(source))
    assert count is None or len(found) == count
    assert found
    assert all(row["id"] and row[column] is not None for row in found)
    lacking = {"publisher", "available_markets", "popularity", "label"} & set(found[0])
    assert all(row[name] is None for row in found for name in lacking)
    assert (source.rereads() is None) == resource.startswith("saved_")


async def test_playlists_hidden_from_the_app_are_rejected_records(spotify: SpotifyServer) -> None:
    """Places of a list that hold null are told, not left out."""
    chunks = await collect(mine(spotify, "user_playlists"))
    assert {row["reason"] for row in lost(chunks)} == {"not shown to this app (null)"}


async def test_rankings_tell_their_range_and_place(spotify: SpotifyServer) -> None:
    """Each range of time is ranked from 1, over its pages; a day later all is read again."""
    config = {"time_ranges": ["short_term", "medium_term"], "batch_size": 50}
    source = mine(spotify, "top_tracks", **config)
    chunks = await collect(source)
    for name in ("short_term", "medium_term"):
        ranked = [row for row in rows(chunks) if row["time_range"] == name]
        assert [row["rank"] for row in ranked] == list(range(1, 121))
        assert [row["id"] for row in ranked] == library(spotify).top["tracks"][name]
    assert await collect(source, chunks[-1].cursor) == []
    assert "whole" in str(source.rereads())
    longer = mine(spotify, "top_tracks", **{**config, "refresh": "1s"})
    marks = chunks[-1].cursor["marks"]
    old = {k: {"read": (datetime.now(UTC) - timedelta(2)).isoformat()} for k in marks}
    assert len(rows(await collect(longer, {"marks": old}))) == 240


@pytest.mark.parametrize("name", ["api_url", "token_url"])
async def test_a_user_s_secrets_are_not_sent_unencrypted(spotify: SpotifyServer, name: str) -> None:
    """A plain http address over a network is refused before any call."""
    source = mine(spotify, "saved_tracks", **{name: "http://api.example.com/v1"})
    with pytest.raises(ConfigurationError, match="https"):
        await collect(source)
    assert spotify.state.calls == []


async def test_an_app_without_a_user_is_told_to_ask_one(spotify: SpotifyServer) -> None:
    """Before any request the message names the scope and the command."""
    source = reader(spotify, DEVELOPMENT_APP, resource="saved_tracks")
    with pytest.raises(ConfigurationError, match=r"authorize spotify.*user-library-read"):
        await collect(source)
    assert spotify.state.calls == []
    assert not (await source.check()).ok


async def test_a_consent_without_the_scope_is_forbidden_with_its_name(
    spotify: SpotifyServer,
) -> None:
    spotify.state.scopes.discard("user-top-read")
    with pytest.raises(ForbiddenError, match=r"Insufficient client scope.*user-top-read"):
        await collect(mine(spotify, "top_artists"))


async def test_a_consent_that_has_ended_is_not_tried_again(spotify: SpotifyServer) -> None:
    """One token request, and the message says that consents end after six months."""
    spotify.state.consents.clear()
    with pytest.raises(AuthenticationError, match="six months"):
        await collect(mine(spotify, "saved_tracks"))
    assert len(spotify.state.calls) == 1


async def test_markets_are_open_to_extended_mode_only(spotify: SpotifyServer) -> None:
    source = reader(spotify, EXTENDED_APP, resource="markets")
    assert "SE" in {row["market"] for row in rows(await collect(source))}
    with pytest.raises(ForbiddenError, match="closed to apps in development mode"):
        await collect(reader(spotify, DEVELOPMENT_APP, resource="markets"))


@pytest.mark.parametrize("app", [DEVELOPMENT_APP, EXTENDED_APP], ids=lambda app: app.mode)
@pytest.mark.parametrize("resource", ["shows", "episodes", "audiobooks"])
async def test_the_spoken_word_is_read_by_ids_in_a_market(
    spotify: SpotifyServer, app: Any, resource: str
) -> None:
    """One by one or in batches; without a country there is nothing, and the reason says so."""
    ids = list(getattr(spotify.state.spoken, resource))[:30]
    source = reader(spotify, app, resource=resource, ids=ids, market="US")
    found = rows(await collect(source))
    assert [row["id"] for row in found] == ids
    if resource != "episodes":
        assert (found[0]["publisher"] is None) == (app.mode == "development")
    nothing = await collect(reader(spotify, app, resource=resource, ids=ids[:2]))
    assert rows(nothing) == []
    assert all("market" in row["reason"] for row in lost(nothing))


async def test_chapters_come_in_order_below_their_audiobook(spotify: SpotifyServer) -> None:
    books = [b for b in spotify.state.spoken.audiobooks.values() if len(b.episodes) == 60][:2]
    ids = [book.id for book in books]
    source = reader(
        spotify, EXTENDED_APP, resource="audiobook_chapters", ids=ids, market="GB", batch_size=25
    )
    found = rows(await collect(source))
    assert [row["id"] for row in found] == [e.id for book in books for e in book.episodes]
    assert [row["chapter_number"] for row in found] == [*range(60), *range(60)]


async def test_the_estimate_follows_the_mode(spotify: SpotifyServer) -> None:
    """A request for each id in development mode, for each fifty in extended mode."""
    ids = list(spotify.state.catalogue.tracks)[:120]
    for app, requests in ((DEVELOPMENT_APP, 120), (EXTENDED_APP, 3)):
        source = reader(spotify, app, resource="tracks", ids=ids)
        told = await source.estimate(None)
        assert told is not None
        assert (told.requests, told.records) == (requests, 120)
        done = (await collect(source))[-1].cursor
        rest = await source.estimate(done)
        assert rest is not None
        assert rest.requests == 0
    plays = await mine(spotify, "recently_played").estimate(None)
    assert plays is not None
    assert (plays.requests, plays.records) == (1, 50)


@pytest.mark.parametrize("resource", ["tracks", "saved_tracks"])
async def test_a_budget_stops_reading_and_the_next_run_goes_on(
    spotify: SpotifyServer, resource: str
) -> None:
    """What came before the budget's end is given, with a cursor that goes on behind it."""
    ids = {"ids": list(spotify.state.catalogue.tracks)[:90]} if resource == "tracks" else {}
    whole = rows(await collect(mine(spotify, resource, batch_size=20, **ids)))
    source = mine(spotify, resource, batch_size=20, **ids)
    source.usage = Usage(budget=Budget(records=50))
    found: list[Chunk] = []
    with pytest.raises(BudgetSpent, match="50 records"):
        async for chunk in source.read(None):
            found.append(chunk)
    assert 50 <= len(rows(found)) < 70
    assert source.usage.records == len(rows(found))
    rest = await collect(mine(spotify, resource, batch_size=20, **ids), found[-1].cursor)
    assert rows(found) + rows(rest) == whole
