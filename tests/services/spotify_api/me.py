"""The endpoints that belong to a user, ``/v1/me/…``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from tests.services.spotify_api.catalogue import HOUSE_USER
from tests.services.spotify_api.library import LAST_PLAYS, RANGES, Library
from tests.services.spotify_api.replies import ApiError, integer, reply, tagged
from tests.services.spotify_api.spoken_api import views_of
from tests.services.spotify_api.views import Json
from tests.services.spotify_api.web_api import Call


def _library(call: Call, scope: str) -> Library:
    """Return the caller's library.

    :raises ApiError: 401 without a user, 403 without their consent to this
    """
    user = call.token.user
    if user is None:
        raise ApiError(401, "Valid user authentication required")
    if scope not in call.state.scopes:
        raise ApiError(403, "Insufficient client scope")
    return call.state.library(user)


async def saved(request: web.Request) -> web.Response:
    """GET /me/tracks, albums, shows, episodes, audiobooks: the latest first."""
    call = Call(request)
    kind = request.path.rpartition("/")[2].removesuffix("s")
    listed = _library(call, "user-library-read").saved[kind]
    spoken, known, views = call.state.spoken, call.catalogue, views_of(call)
    make: dict[str, Callable[[str], Json]] = {
        "track": lambda each: call.views.track(known.tracks[each]),
        "album": lambda each: call.views.album(known.albums[each]),
        "show": lambda each: views.simple_show(spoken.shows[each]),
        "episode": lambda each: views.full_episode(*spoken.episodes[each]),
        "audiobook": lambda each: views.audiobook(spoken.audiobooks[each]),
    }

    def entry(position: int) -> Json:
        added, identifier = listed[position]
        return {"added_at": f"{added:%Y-%m-%dT%H:%M:%SZ}", kind: make[kind](identifier)}

    return tagged(request, call.page(len(listed), entry))


async def following(request: web.Request) -> web.Response:
    """GET /me/following?type=artist: pages by the last artist's id."""
    call = Call(request)
    follows = _library(call, "user-follow-read").follows
    if request.query.get("type") != "artist":
        raise ApiError(400, "Missing required field: type")
    limit = integer(request, "limit", 20, low=1, high=50)
    after = request.query.get("after")
    start = follows.index(after) + 1 if after in follows else 0
    found = follows[start : start + limit]
    more = start + limit < len(follows)
    href = f"{call.views.base}/me/following?type=artist&limit={limit}"
    page = {
        "href": href,
        "limit": limit,
        "next": f"{href}&after={found[-1]}" if more else None,
        "cursors": {"after": found[-1] if more else None},
        "total": len(follows),
        "items": [call.views.artist(call.catalogue.artists[each]) for each in found],
    }
    return tagged(request, {"artists": page})


async def top(request: web.Request) -> web.Response:
    """GET /me/top/tracks, artists: of one of three time ranges."""
    call = Call(request)
    kind = request.path.rpartition("/")[2]
    ranked = _library(call, "user-top-read").top[kind]
    chosen = request.query.get("time_range", "medium_term")
    if chosen not in RANGES:
        raise ApiError(400, "Invalid time range")
    things: dict[str, Any] = getattr(call.catalogue, kind)
    make: Callable[[Any], Json] = call.views.track if kind == "tracks" else call.views.artist
    listed = ranked[chosen]
    return tagged(request, call.page(len(listed), lambda n: make(things[listed[n]])))


async def recently_played(request: web.Request) -> web.Response:
    """GET /me/player/recently-played: of the last fifty plays, those after or before a time."""
    call = Call(request)
    library = _library(call, "user-read-recently-played")
    limit = integer(request, "limit", 20, low=1, high=50)
    query = request.query
    if "after" in query and "before" in query:
        raise ApiError(400, "Only one of before and after may be given")
    after = int(query["after"]) if "after" in query else None
    before = int(query["before"]) if "before" in query else None
    told = [
        each
        for each in library.plays[:LAST_PLAYS]
        if (after is None or each.stamp > after) and (before is None or each.stamp < before)
    ]
    found = told[:limit]
    href = f"{call.views.base}/me/player/recently-played?limit={limit}"
    cursors = {"after": str(found[0].stamp), "before": str(found[-1].stamp)} if found else None
    page = {
        "items": [_play(call, each.track, each.album, each.played_at) for each in found],
        "next": f"{href}&before={found[-1].stamp}" if found else None,
        "cursors": cursors,
        "limit": limit,
        "href": href,
    }
    return reply(page)


def _play(call: Call, track: str, album: str | None, moment: Any) -> Json:
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    context = album and {
        "type": "album",
        "uri": f"spotify:album:{album}",
        "href": f"{call.views.base}/albums/{album}",
        "external_urls": {"spotify": f"https://open.spotify.com/album/{album}"},
    }
    found = call.views.track(call.catalogue.tracks[track])
    return {"track": found, "played_at": stamp, "context": context}


async def playlists(request: web.Request) -> web.Response:
    """GET /me/playlists: those that the user owns or works on; editorial ones may be null."""
    call = Call(request)
    _library(call, "playlist-read-private")
    user = call.token.user
    listed: Sequence[Any] = [
        each
        for each in call.catalogue.playlists.values()
        if user in (each.owner, *each.collaborators) or each.owner == HOUSE_USER
    ]

    def shown(position: int) -> Json | None:
        hidden = call.development and listed[position].owner == HOUSE_USER
        return None if hidden else call.views.simple_playlist(listed[position])

    return tagged(request, call.page(len(listed), shown))


ROUTES = [
    *(
        web.get(f"/v1/me/{kind}", saved)
        for kind in ("tracks", "albums", "shows", "episodes", "audiobooks")
    ),
    web.get("/v1/me/following", following),
    web.get("/v1/me/top/tracks", top),
    web.get("/v1/me/top/artists", top),
    web.get("/v1/me/player/recently-played", recently_played),
    web.get("/v1/me/playlists", playlists),
]
