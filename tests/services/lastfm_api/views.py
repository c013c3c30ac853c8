"""The JSON of Last.fm's API, as it makes it of XML: numbers as text, one entry for a list of one.

Shapes: https://lastfm-docs.github.io/api-docs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tests.services.lastfm_api.library import Artist, Track

Json = dict[str, Any]
_IMAGES = ("small", "medium", "large", "extralarge")


def images(name: str) -> list[Json]:
    """Four sizes of a picture."""
    at = "https://lastfm.freetls.fastly.net/i/u"
    return [{"size": size, "#text": f"{at}/{size}/{len(name)}.png"} for size in _IMAGES]


def artist(one: Artist, **more: Any) -> Json:
    """Return an artist in a list."""
    return {"name": one.name, "mbid": one.mbid, "url": one.url, "streamable": "0",
            "image": images(one.name), **more}  # fmt: skip


def short(one: Artist) -> Json:
    """Return an artist inside a track or an album; one without mbid lacks it, at times."""
    found = {"name": one.name, "mbid": one.mbid, "url": one.url}
    return found if one.mbid else {key: found[key] for key in ("name", "url")}


def track(one: Track, **more: Any) -> Json:
    """Return a track in a list."""
    return {"name": one.name, "mbid": one.mbid, "url": one.url, "artist": short(one.artist),
            "duration": str(one.seconds), "streamable": {"#text": "0", "fulltrack": "0"},
            "image": images(one.name), **more}  # fmt: skip


def without(found: Json, *names: str, **more: Any) -> Json:
    """Return an object without some of its fields, and with others: methods differ."""
    return {**{key: value for key, value in found.items() if key not in names}, **more}


def by_text(one: Artist) -> Json:
    """Return an artist as in weekly charts."""
    return {"mbid": one.mbid, "#text": one.name}


def album(by: Artist, title: str, **more: Any) -> Json:
    """Return an album in a list."""
    return {"name": title, "mbid": "", "url": f"{by.url}/{len(title)}", "artist": short(by),
            "image": images(title), **more}  # fmt: skip


def play(one: Track, uts: int | None, *, extended: bool, loved: bool) -> Json:
    """Return a play; ``uts`` None: it is on now, and has no date."""
    by: Json = {"mbid": one.artist.mbid, "#text": one.artist.name}
    if extended:
        by = {"url": one.artist.url, "name": one.artist.name, "image": [], "mbid": one.artist.mbid}
    found = {"artist": by, "name": one.name, "mbid": one.mbid, "url": one.url, "streamable": "0",
             "album": {"mbid": "", "#text": one.album}, "image": images(one.name)}  # fmt: skip
    if extended:
        found["loved"] = str(int(loved))
    if uts is None:
        return {**found, "@attr": {"nowplaying": "true"}}
    return {**found, "date": date(uts)}


def date(uts: int) -> Json:
    """Return a time, as seconds in text and for readers."""
    return {"uts": str(uts), "#text": datetime.fromtimestamp(uts, UTC).strftime("%d %b %Y, %H:%M")}


def some(rows: Sequence[Json]) -> Any:
    """Return a list, or its only entry."""
    return rows[0] if len(rows) == 1 else list(rows)


def ranked(rows: Sequence[Json], *, first: int) -> list[Json]:
    """Rows with their places."""
    return [{**row, "@attr": {"rank": str(first + n)}} for n, row in enumerate(rows)]
