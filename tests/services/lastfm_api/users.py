"""The methods about users: https://www.last.fm/api/show/user.getRecentTracks and its neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.services.lastfm_api import views
from tests.services.lastfm_api.views import Json
from tests.services.web_api.params import Query

if TYPE_CHECKING:
    from tests.services.lastfm_api.server import LastfmApi

_DAYS = {"overall": 99_999, "7day": 7, "1month": 30, "3month": 90, "6month": 180, "12month": 365}


def recent_tracks(api: LastfmApi, query: Query) -> Json:
    """user.getRecentTracks: ``from`` inclusive, ``to`` exclusive, the track that is on extra."""
    low, high = query.integer("from", 0), query.integer("to", int(time.time()) + 1)
    extended = query.choice("extended", ("0", "1"), "0") == "1"
    listener = api.listener(query)
    found = [each for each in listener.plays if low <= each[0] < high]
    rows, told, _ = api.page(query, found)
    loved = {track for _, track in listener.loved}
    shown = [views.play(track, uts, extended=extended, loved=track in loved) for uts, track in rows]
    if listener.playing:
        shown.insert(0, views.play(listener.playing, None, extended=extended, loved=False))
    return api.listing("recenttracks", "track", shown, {"user": listener.name, **told})


def loved_tracks(api: LastfmApi, query: Query) -> Json:
    """user.getLovedTracks, the latest first."""
    listener = api.listener(query)
    rows, told, _ = api.page(query, listener.loved)
    shown = [
        views.without(views.track(track), "duration", date=views.date(uts)) for uts, track in rows
    ]
    return api.listing("lovedtracks", "track", shown, {"user": listener.name, **told})


def _top(what: str) -> Callable[[LastfmApi, Query], Json]:
    def method(api: LastfmApi, query: Query) -> Json:
        """user.getTopTracks, getTopArtists, getTopAlbums."""
        listener = api.listener(query)
        period = query.choice("period", tuple(_DAYS), "overall") or "overall"
        newest = listener.plays[0][0] if listener.plays else 0
        plays = [each for each in listener.plays if each[0] > newest - _DAYS[period] * 86_400]
        rows, told, first = api.page(query, _counted(api, plays, what))
        shown = views.ranked([_row(one, count, what) for one, count in rows], first=first)
        return api.listing(f"top{what}s", what, shown, {"user": listener.name, **told})

    return method


def _weekly(what: str) -> Callable[[LastfmApi, Query], Json]:
    def method(api: LastfmApi, query: Query) -> Json:
        """user.getWeeklyTrackChart and its like; both bounds, or the week that ended last."""
        listener = api.listener(query)
        low, high = query.integer("from", 0), query.integer("to", 0)
        limit = query.integer("limit", 1000, low=1, high=1000)
        query.done()
        if not (low and high):
            high = int(time.time()) // 43_200 * 43_200
            low = high - 7 * 86_400
        plays = [each for each in listener.plays if low <= each[0] < high]
        rows = [_weekly_row(one, count, what) for one, count in _counted(api, plays, what)]
        told = {"user": listener.name, "from": str(low), "to": str(high)}
        return api.listing(f"weekly{what}chart", what, views.ranked(rows[:limit], first=1), told)

    return method


def _counted(api: LastfmApi, plays: list[Any], what: str) -> list[tuple[Any, int]]:
    found = api.library.counted(plays)
    return list(found) if what == "track" else api.library.by(found, what)


def _row(one: Any, count: int, what: str) -> Json:
    if what == "track":
        return views.track(one, playcount=str(count))
    if what == "artist":
        return views.artist(one, playcount=str(count))
    return views.album(*one, playcount=str(count))


def _weekly_row(one: Any, count: int, what: str) -> Json:
    """Return a row with less in it than those of the top lists; its artist's name is ``#text``."""
    found = _row(one, count, what)
    gone = ["duration", "streamable", *(["image"] if what != "track" else [])]
    by = (
        {}
        if what == "artist"
        else {"artist": views.by_text(one[0] if what == "album" else one.artist)}
    )
    return views.without(found, *gone, **by)


def info(api: LastfmApi, query: Query) -> Json:
    """user.getInfo."""
    listener = api.listener(query)
    query.done()
    artists = {track.artist for _, track in listener.plays}
    return {
        "user": {
            "name": listener.name, "realname": "", "country": "None", "age": "0", "gender": "n",
            "playcount": str(len(listener.plays)), "artist_count": str(len(artists)),
            "track_count": str(len({track for _, track in listener.plays})), "album_count": "0",
            "subscriber": "0", "type": "user", "image": views.images(listener.name),
            "url": f"https://www.last.fm/user/{listener.name}",
            "registered": {"unixtime": "1037793040", "#text": 1037793040},
        }
    }  # fmt: skip


METHODS: dict[str, Callable[[LastfmApi, Query], Json]] = {
    "user.getrecenttracks": recent_tracks,
    "user.getlovedtracks": loved_tracks,
    "user.getinfo": info,
    **{f"user.gettop{what}s": _top(what) for what in ("track", "artist", "album")},
    **{f"user.getweekly{what}chart": _weekly(what) for what in ("track", "artist", "album")},
}
