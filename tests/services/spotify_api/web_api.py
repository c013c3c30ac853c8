"""The endpoints of the Web API, ``/v1/…``, over the synthetic catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from tests.services.spotify_api import views
from tests.services.spotify_api.catalogue import HOUSE_USER, MARKETS, Catalogue, Playlist, Track
from tests.services.spotify_api.replies import ApiError, integer, pick, tagged
from tests.services.spotify_api.state import STATE, TOKEN, State, Token
from tests.services.spotify_api.views import Json, Views

BATCH = {
    "tracks": 50, "artists": 50, "albums": 20, "audio-features": 100, "shows": 50, "episodes": 50,
    "audiobooks": 50, "chapters": 50,
}  # fmt: skip
"""How many ids one request may name (extended mode only)."""
SEARCH_TYPES = ("album", "artist", "playlist", "track")
SEARCH_DEPTH = 1000
"""A search shows no more than its first thousand results."""


class Call:
    """One authorised request and what answering it needs."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.state: State = request.app[STATE]
        self.token: Token = request[TOKEN]
        self.catalogue: Catalogue = self.state.catalogue
        self.development = self.token.app.mode == "development"
        self.market = _market(request)
        base = f"{request.scheme}://{request.host}/v1"
        self.views = Views(base, development=self.development, market=self.market)

    @property
    def id(self) -> str:
        """The id in the path.

        :raises ApiError: 400 if it does not look like one
        """
        return _id(self.request.match_info["id"])

    def extended_only(self) -> None:
        """Refuse development-mode apps, as since February 2026."""
        if self.development:
            raise ApiError(403, "Forbidden")

    def page(
        self, total: int, make: Callable[[int], Any], *, default: int = 20, high: int = 50
    ) -> Json:
        """Return the page that the query asks for of ``total`` things made by position."""
        limit = integer(self.request, "limit", default, low=1, high=high)
        offset = integer(self.request, "offset", 0, low=0, high=100_000)
        items = [make(n) for n in range(offset, min(offset + limit, total))]
        kept = "&".join(
            f"{k}={v}" for k, v in self.request.query.items() if k not in ("limit", "offset")
        )
        href = f"{self.views.base.removesuffix('/v1')}{self.request.path}"
        return self.views.page(
            f"{href}?{kept}" if kept else href, items, total=total, limit=limit, offset=offset
        )


def _market(request: web.Request) -> str | None:
    market = request.query.get("market")
    if market is not None and market not in MARKETS:
        raise ApiError(400, "Invalid market code")
    return market


def _id(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z]{22}", text):
        raise ApiError(400, "Invalid base62 id")
    return text


def ids_of(call: Call, kind: str) -> Sequence[str]:
    """Return the ids that a batch names.

    :raises ApiError: 403 in development mode, 400 for none or too many
    """
    call.extended_only()
    ids = [each for each in call.request.query.get("ids", "").split(",") if each]
    if not ids:
        raise ApiError(400, "Missing ids")
    if len(ids) > BATCH[kind]:
        raise ApiError(400, "Too many ids requested")
    return [_id(each) for each in ids]


def _found(things: dict[str, Any], identifier: str) -> Any:
    try:
        return things[identifier]
    except KeyError:
        raise ApiError(404, "Resource not found") from None


def _track(call: Call, track: Track) -> Json:
    shown = track
    if not call.development:
        shown = views.relinked(call.catalogue, track, call.market)
    return call.views.track(shown, asked=track.id)


async def track(request: web.Request) -> web.Response:
    """GET /tracks/{id}."""
    call = Call(request)
    return tagged(request, _track(call, _found(call.catalogue.tracks, call.id)))


async def tracks(request: web.Request) -> web.Response:
    """GET /tracks?ids= (extended mode)."""
    call = Call(request)
    found = [call.catalogue.tracks.get(each) for each in ids_of(call, "tracks")]
    return tagged(request, {"tracks": [_track(call, each) if each else None for each in found]})


async def album(request: web.Request) -> web.Response:
    """GET /albums/{id}."""
    call = Call(request)
    return tagged(request, call.views.album(_found(call.catalogue.albums, call.id)))


async def albums(request: web.Request) -> web.Response:
    """GET /albums?ids= (extended mode)."""
    call = Call(request)
    found = [call.catalogue.albums.get(each) for each in ids_of(call, "albums")]
    return tagged(request, {"albums": [call.views.album(each) if each else None for each in found]})


async def album_tracks(request: web.Request) -> web.Response:
    """GET /albums/{id}/tracks."""
    call = Call(request)
    listed = _found(call.catalogue.albums, call.id).tracks
    return tagged(request, call.page(len(listed), lambda n: call.views.simple_track(listed[n])))


async def artist(request: web.Request) -> web.Response:
    """GET /artists/{id}."""
    call = Call(request)
    return tagged(request, call.views.artist(_found(call.catalogue.artists, call.id)))


async def artists(request: web.Request) -> web.Response:
    """GET /artists?ids= (extended mode)."""
    call = Call(request)
    found = [call.catalogue.artists.get(each) for each in ids_of(call, "artists")]
    return tagged(
        request, {"artists": [call.views.artist(each) if each else None for each in found]}
    )


async def artist_albums(request: web.Request) -> web.Response:
    """GET /artists/{id}/albums."""
    call = Call(request)
    _found(call.catalogue.artists, call.id)
    groups = request.query.get("include_groups", "album,single,appears_on,compilation").split(",")
    listed = [a for a in call.catalogue.discography[call.id] if a.album_type in groups]
    return tagged(
        request,
        call.page(
            len(listed), lambda n: call.views.simple_album(listed[n], group=listed[n].album_type)
        ),
    )


def _playlist(call: Call) -> Playlist:
    playlist: Playlist = _found(call.catalogue.playlists, call.id)
    if call.development and playlist.owner == HOUSE_USER:
        raise ApiError(404, "Resource not found")
    return playlist


def _open(call: Call, playlist: Playlist) -> bool:
    user = call.token.user
    theirs = user is not None and user in (playlist.owner, *playlist.collaborators)
    return theirs or not call.development


async def playlist(request: web.Request) -> web.Response:
    """GET /playlists/{id}; its items only where they are open to the caller."""
    call = Call(request)
    found = _playlist(call)
    body = call.views.playlist(found, contents=_open(call, found))
    return tagged(request, pick(body, request.query.get("fields")))


async def playlist_items(request: web.Request) -> web.Response:
    """GET /playlists/{id}/items, and the old /tracks, closed to development-mode apps."""
    call = Call(request)
    old_name = request.path.endswith("/tracks")
    if old_name:
        call.extended_only()
    found = _playlist(call)
    if not _open(call, found):
        raise ApiError(403, "Forbidden")
    page = call.page(
        len(found.entries), lambda n: call.views.entry(found.entries[n], old_name=old_name)
    )
    return tagged(request, pick(page, request.query.get("fields")))


async def new_releases(request: web.Request) -> web.Response:
    """GET /browse/new-releases (extended mode): the hundred youngest albums."""
    call = Call(request)
    call.extended_only()
    listed = sorted(call.catalogue.albums.values(), key=lambda a: (a.release_date, a.id))[-100:]
    page = call.page(len(listed), lambda n: call.views.simple_album(listed[-1 - n]))
    return tagged(request, {"albums": page})


async def audio_features(request: web.Request) -> web.Response:
    """GET /audio-features?ids=: only for apps of extended mode from before 2024-11-27."""
    call = Call(request)
    if call.development or not call.token.app.grandfathered:
        raise ApiError(403, "Forbidden")
    found = [call.catalogue.tracks.get(each) for each in ids_of(call, "audio-features")]
    body = [call.views.features(each) if each else None for each in found]
    return tagged(request, {"audio_features": body})


async def audio_feature(request: web.Request) -> web.Response:
    """GET /audio-features/{id}, under the same conditions."""
    call = Call(request)
    if call.development or not call.token.app.grandfathered:
        raise ApiError(403, "Forbidden")
    return tagged(request, call.views.features(_found(call.catalogue.tracks, call.id)))


async def search(request: web.Request) -> web.Response:
    """GET /search: ten results a page in development mode, fifty in extended."""
    call = Call(request)
    types = request.query.get("type", "").split(",")
    if not request.query.get("q"):
        raise ApiError(400, "No search query")
    if any(each not in SEARCH_TYPES for each in types):
        raise ApiError(400, f"Bad search type field {request.query.get('type', '')}")
    default, high = (5, 10) if call.development else (20, 50)
    integer(request, "offset", 0, low=0, high=SEARCH_DEPTH - 1)
    body = {f"{kind}s": _results(call, kind, default=default, high=high) for kind in types}
    return tagged(request, body)


def _results(call: Call, kind: str, *, default: int, high: int) -> Json:
    hits = _hits(call, kind)[:SEARCH_DEPTH]
    make: dict[str, Callable[[Any], Json | None]] = {
        "track": call.views.track,
        "album": call.views.simple_album,
        "artist": call.views.artist,
        "playlist": partial(_searched_playlist, call),
    }
    return call.page(len(hits), lambda n: make[kind](hits[n]), default=default, high=high)


def _searched_playlist(call: Call, playlist: Playlist) -> Json | None:
    """Editorial playlists stand as null in the results of development-mode apps."""
    hidden = call.development and playlist.owner == HOUSE_USER
    return None if hidden else call.views.simple_playlist(playlist)


def _hits(call: Call, kind: str) -> list[Any]:
    query = call.request.query["q"].casefold()
    if kind == "track" and query.startswith("isrc:"):
        hit = call.catalogue.by_isrc.get(query.removeprefix("isrc:").upper())
        return [hit] if hit else []
    things: dict[str, Any] = getattr(call.catalogue, f"{kind}s")
    return [each for each in things.values() if query in each.name.casefold()]


ROUTES = [
    web.get("/v1/tracks", tracks),
    web.get("/v1/tracks/{id}", track),
    web.get("/v1/albums", albums),
    web.get("/v1/albums/{id}", album),
    web.get("/v1/albums/{id}/tracks", album_tracks),
    web.get("/v1/artists", artists),
    web.get("/v1/artists/{id}", artist),
    web.get("/v1/artists/{id}/albums", artist_albums),
    web.get("/v1/playlists/{id}", playlist),
    web.get("/v1/playlists/{id}/items", playlist_items),
    web.get("/v1/playlists/{id}/tracks", playlist_items),
    web.get("/v1/browse/new-releases", new_releases),
    web.get("/v1/audio-features", audio_features),
    web.get("/v1/audio-features/{id}", audio_feature),
    web.get("/v1/search", search),
]
