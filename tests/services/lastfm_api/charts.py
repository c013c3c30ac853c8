"""The rankings of all music: chart.*, geo.*, tag.* and artist.getTop*; errors come with 200.

https://lastfm-docs.github.io/api-docs/chart/getTopArtists and its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tests.services.lastfm_api import views
from tests.services.lastfm_api.library import Artist, Track
from tests.services.lastfm_api.views import Json
from tests.services.web_api.params import Query

if TYPE_CHECKING:
    from tests.services.lastfm_api.server import LastfmApi

Method = Callable[["LastfmApi", Query], Json]
COUNTRIES = ("sweden", "canada", "japan")


def named_artist(api: LastfmApi, query: Query, *, status: int = 200) -> Artist:
    """Return the artist that is asked about; ``autocorrect`` forgives the case of letters.

    :param status: of the refusal; most methods say 200
    """
    name, corrected = query.needed("artist"), query.choice("autocorrect", ("0", "1"), "0") == "1"
    for artist in api.library.artists.values():
        if artist.name == name or (corrected and artist.name.lower() == name.lower()):
            return artist
    raise api.error(
        status, "The artist you supplied could not be found", links=[] if status != 200 else None
    )


def _artists(api: LastfmApi, query: Query) -> tuple[list[Artist], Json]:
    return sorted(api.library.artists.values(), key=lambda a: -a.playcount), {}


def _tracks(api: LastfmApi, query: Query) -> tuple[list[Track], Json]:
    return sorted(api.library.tracks, key=lambda t: (-t.playcount, t.url)), {}


def _country(api: LastfmApi, query: Query) -> Json:
    country = query.text("country")
    if country is None:
        raise api.error(200, "country param required")
    if country.lower() not in COUNTRIES:
        raise api.error(200, "country param invalid")
    return {"country": country}


def chart_artists(api: LastfmApi, query: Query) -> Json:
    """chart.getTopArtists: without ranks."""
    rows, told, _ = api.page(query, _artists(api, query)[0])
    shown = [views.artist(a, playcount=str(a.playcount), listeners=str(a.listeners)) for a in rows]
    return api.listing("artists", "artist", shown, told)


def chart_tracks(api: LastfmApi, query: Query) -> Json:
    """chart.getTopTracks: without ranks."""
    rows, told, _ = api.page(query, _tracks(api, query)[0])
    shown = [views.track(t, playcount=str(t.playcount), listeners="7") for t in rows]
    return api.listing("tracks", "track", shown, told)


def chart_tags(api: LastfmApi, query: Query) -> Json:
    """chart.getTopTags."""
    rows, told, _ = api.page(query, sorted(api.library.tags.items(), key=lambda t: -t[1]))
    shown = [
        {"name": name, "url": f"https://www.last.fm/tag/{len(name)}", "reach": str(count // 9),
         "taggings": str(count), "streamable": "1", "wiki": {}}
        for name, count in rows
    ]  # fmt: skip
    return api.listing("tags", "tag", shown, told)


def geo_artists(api: LastfmApi, query: Query) -> Json:
    """geo.getTopArtists: without ranks; ``listeners`` are the world's."""
    country = _country(api, query)
    rows, told, _ = api.page(query, _artists(api, query)[0])
    shown = [views.artist(a, listeners=str(a.listeners)) for a in rows]
    return api.listing("topartists", "artist", shown, {**country, **told})


def geo_tracks(api: LastfmApi, query: Query) -> Json:
    """geo.getTopTracks: its ranks begin at 0 on each page."""
    country = _country(api, query)
    rows, told, _ = api.page(query, _tracks(api, query)[0])
    shown = views.ranked([views.track(t, listeners="7") for t in rows], first=0)
    return api.listing("tracks", "track", shown, {**country, **told})


def _tagged(root: str, one: str, of: Callable[[LastfmApi, Query], tuple[Sequence[Any], Json]],
            view: Callable[[Any], Json]) -> Method:  # fmt: skip
    def method(api: LastfmApi, query: Query) -> Json:
        """tag.getTop…: a tag that does not exist has an empty list."""
        tag = query.needed("tag")
        known = of(api, query)[0] if tag.lower() in api.library.tags else []
        rows, told, first = api.page(query, known)
        shown = views.ranked([view(each) for each in rows], first=first)
        return api.listing(root, one, shown, {"tag": tag, **told})

    return method


def _albums(api: LastfmApi, query: Query) -> tuple[list[Any], Json]:
    found = {(track.artist, track.album) for track in api.library.tracks if track.album}
    return sorted(found, key=str), {}


def artist_tracks(api: LastfmApi, query: Query) -> Json:
    """artist.getTopTracks."""
    artist = named_artist(api, query)
    known = [track for track in _tracks(api, query)[0] if track.artist == artist]
    rows, told, first = api.page(query, known)
    shown = [
        views.without(views.track(t), "duration", "streamable", streamable="0",
                      playcount=str(t.playcount), listeners="7")
        for t in rows
    ]  # fmt: skip
    told = {"artist": artist.name, **told}
    return api.listing("toptracks", "track", views.ranked(shown, first=first), told)


def artist_albums(api: LastfmApi, query: Query) -> Json:
    """artist.getTopAlbums: counts are numbers here, and there are no ranks."""
    artist = named_artist(api, query)
    known = [each for each in _albums(api, query)[0] if each[0] == artist]
    rows, told, _ = api.page(query, known)
    shown = [views.album(*each, playcount=100 * n) for n, each in enumerate(rows)]
    return api.listing("topalbums", "album", shown, {"artist": artist.name, **told})


METHODS: dict[str, Method] = {
    "chart.gettopartists": chart_artists,
    "chart.gettoptracks": chart_tracks,
    "chart.gettoptags": chart_tags,
    "geo.gettopartists": geo_artists,
    "geo.gettoptracks": geo_tracks,
    "tag.gettopartists": _tagged("topartists", "artist", _artists, views.artist),
    "tag.gettoptracks": _tagged("tracks", "track", _tracks, views.track),
    "tag.gettopalbums": _tagged("albums", "album", _albums, lambda a: views.album(*a)),
    "artist.gettoptracks": artist_tracks,
    "artist.gettopalbums": artist_albums,
}
