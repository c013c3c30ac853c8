"""What is known of one artist, track or album: getInfo, getSimilar, getTopTags; errors with 200.

https://lastfm-docs.github.io/api-docs/track/getInfo and its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tests.services.lastfm_api import views
from tests.services.lastfm_api.charts import named_artist
from tests.services.lastfm_api.library import Artist, Track
from tests.services.lastfm_api.views import Json, some
from tests.services.web_api.params import Query

if TYPE_CHECKING:
    from tests.services.lastfm_api.server import LastfmApi

_WIKI = {"published": "06 Oct 2008, 13:22", "summary": "An invented text.", "content": "Longer."}


def _track(api: LastfmApi, query: Query) -> Track:
    artist, name = named_artist(api, query), query.needed("track")
    for track in api.library.tracks:
        if track.artist == artist and track.name == name:
            return track
    raise api.error(200, "Track not found")


def _album(api: LastfmApi, query: Query) -> tuple[Artist, str]:
    artist, name = named_artist(api, query), query.needed("album")
    if not any(t.artist == artist and t.album == name for t in api.library.tracks):
        raise api.error(200, "Album not found")
    return artist, name


def _tags(api: LastfmApi, name: str) -> list[Json]:
    """Return the tags of a thing: none for some, one for others."""
    known = sorted(api.library.tags)
    chosen = known[: len(name) % 4]
    return [{"name": tag, "url": f"https://www.last.fm/tag/{tag}"} for tag in chosen]


def _some_tags(api: LastfmApi, name: str) -> Any:
    """Return the tags inside an info: text where there are none, for XML has an empty element."""
    found = _tags(api, name)
    return {"tag": some(found)} if found else ""


def _top_tags(api: LastfmApi, query: Query, name: str, told: Json) -> Json:
    query.done()
    tags = [{**tag, "count": 100 - 7 * n} for n, tag in enumerate(_tags(api, name))]
    return api.listing("toptags", "tag", tags, told)


def artist_tags(api: LastfmApi, query: Query) -> Json:
    """artist.getTopTags."""
    artist = named_artist(api, query)
    return _top_tags(api, query, artist.name, {"artist": artist.name})


def track_tags(api: LastfmApi, query: Query) -> Json:
    """track.getTopTags."""
    track = _track(api, query)
    return _top_tags(api, query, track.name, {"artist": track.artist.name, "track": track.name})


def album_tags(api: LastfmApi, query: Query) -> Json:
    """album.getTopTags."""
    artist, name = _album(api, query)
    return _top_tags(api, query, name, {"artist": artist.name, "album": name})


def _matched(rows: Sequence[Json], query: Query, default: int) -> list[Json]:
    limit = query.integer("limit", default, low=1, high=1000)
    query.done()
    return [{**row, "match": round(1 / (n + 1), 6)} for n, row in enumerate(rows[:limit])]


def similar_artists(api: LastfmApi, query: Query) -> Json:
    """artist.getSimilar: ``match`` is text."""
    artist = named_artist(api, query)
    others = [views.artist(a) for a in api.library.artists.values() if a != artist]
    rows = [{**row, "match": str(row["match"])} for row in _matched(others, query, 30)]
    return api.listing("similarartists", "artist", rows, {"artist": artist.name})


def similar_tracks(api: LastfmApi, query: Query) -> Json:
    """track.getSimilar: ``match``, ``playcount`` and ``duration`` are numbers."""
    track = _track(api, query)
    others = [t for t in api.library.tracks if t.name[:2] == track.name[:2] and t != track]
    rows = [views.track(t, playcount=t.playcount, duration=t.seconds) for t in others]
    return api.listing("similartracks", "track", _matched(rows, query, 100),
                       {"artist": track.artist.name})  # fmt: skip


def artist_info(api: LastfmApi, query: Query) -> Json:
    """artist.getInfo."""
    artist = named_artist(api, query, status=404)
    query.done()
    stats = {"listeners": str(artist.listeners), "playcount": str(artist.playcount)}
    similar = [{"name": a.name, "url": a.url} for a in list(api.library.artists.values())[:5]]
    bio = {"links": {"link": {"#text": "", "rel": "original", "href": artist.url}}, **_WIKI}
    return {"artist": views.artist(artist, ontour="0", stats=stats, similar={"artist": similar},
                                   tags=_some_tags(api, artist.name), bio=bio)}  # fmt: skip


def track_info(api: LastfmApi, query: Query) -> Json:
    """track.getInfo: the length is in milliseconds here; many tracks have no album, no wiki."""
    track = _track(api, query)
    query.done()
    found = views.without(views.track(track), "image", duration=str(track.seconds * 1000),
                          listeners="31", playcount=str(track.playcount),
                          toptags={"tag": some(_tags(api, track.name))})  # fmt: skip
    if track.album:
        found["album"] = {"artist": track.artist.name, "title": track.album, "mbid": "",
                          "url": track.url, "@attr": {"position": "1"}}  # fmt: skip
        found["wiki"] = _WIKI
    return {"track": found}


def album_info(api: LastfmApi, query: Query) -> Json:
    """album.getInfo: the artist is text, and a track of a single stands alone."""
    artist, name = _album(api, query)
    query.done()
    tracks = [
        {"name": t.name, "url": t.url, "duration": str(t.seconds) if t.seconds else None,
         "artist": views.short(t.artist), "@attr": {"rank": str(n + 1)}}
        for n, t in enumerate(t for t in api.library.tracks if t.artist == artist
                              and t.album == name)
    ]  # fmt: skip
    return {"album": {"name": name, "artist": artist.name, "mbid": "", "url": artist.url,
                      "image": views.images(name), "listeners": "11", "playcount": "47",
                      "tags": _some_tags(api, name), "tracks": {"track": some(tracks)},
                      "wiki": _WIKI}}  # fmt: skip


METHODS: dict[str, Callable[[LastfmApi, Query], Json]] = {
    "artist.getinfo": artist_info,
    "artist.getsimilar": similar_artists,
    "artist.gettoptags": artist_tags,
    "track.getinfo": track_info,
    "track.getsimilar": similar_tracks,
    "track.gettoptags": track_tags,
    "album.getinfo": album_info,
    "album.gettoptags": album_tags,
}
