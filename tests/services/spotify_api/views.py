"""The JSON of each object, as an app of either mode sees it."""

from __future__ import annotations

from typing import Any

from tests.services.spotify_api.catalogue import (
    MARKETS,
    Album,
    Artist,
    Catalogue,
    Entry,
    Playlist,
    Track,
    make_id,
)

Json = dict[str, Any]


class Views:
    """Builds objects for one request.

    :param base: the address of the Web API, for ``href``
    :param development: leave out the fields that development-mode apps lost in February 2026
    :param market: the country the request asked for, if it did
    """

    def __init__(self, base: str, *, development: bool, market: str | None) -> None:
        self.base = base
        self.development = development
        self.market = market

    def named(self, kind: str, identifier: str, name: str) -> Json:
        """Return what every object has."""
        return {
            "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{identifier}"},
            "href": f"{self.base}/{kind}s/{identifier}",
            "id": identifier,
            "name": name,
            "type": kind,
            "uri": f"spotify:{kind}:{identifier}",
        }

    def images(self, identifier: str) -> list[Json]:
        """Return the cover in its three sizes."""
        return [
            {"url": f"https://i.scdn.co/image/{identifier}{n}", "height": n, "width": n}
            for n in (640, 300, 64)
        ]

    def simple_artist(self, artist: Artist) -> Json:
        """Return an artist as it stands inside other objects."""
        return self.named("artist", artist.id, artist.name)

    def artist(self, artist: Artist) -> Json:
        """Return a full artist."""
        extended = {
            "followers": {"href": None, "total": artist.followers},
            "popularity": artist.popularity,
        }
        return {
            **self.simple_artist(artist),
            "genres": list(artist.genres),
            "images": self.images(artist.id),
            **({} if self.development else extended),
        }

    def simple_album(self, album: Album, *, group: str | None = None) -> Json:
        """Return an album without its tracks; ``group`` only in an artist's albums."""
        found = {
            **self.named("album", album.id, album.name),
            "album_type": album.album_type,
            "artists": [self.simple_artist(artist) for artist in album.artists],
            "images": self.images(album.id),
            "release_date": album.release_date,
            "release_date_precision": album.precision,
            "total_tracks": len(album.tracks),
        }
        if not self.development:
            if self.market is None:
                found["available_markets"] = list(MARKETS)
            if group is not None:
                found["album_group"] = group
        return found

    def album(self, album: Album) -> Json:
        """Return a full album with the first page of its tracks."""
        extended = {"label": album.label, "popularity": album.popularity}
        return {
            **self.simple_album(album),
            "copyrights": [{"text": f"2026 {album.label}", "type": "P"}],
            "external_ids": {"upc": album.upc},
            "genres": [],
            "tracks": self.page(
                f"{self.base}/albums/{album.id}/tracks",
                [self.simple_track(track) for track in album.tracks[:50]],
                total=len(album.tracks),
                limit=50,
                offset=0,
            ),
            **({} if self.development else extended),
        }

    def simple_track(self, track: Track) -> Json:
        """Return a track as it stands in an album: no album, no ISRC."""
        found = {
            **self.named("track", track.id, track.name),
            "artists": [self.simple_artist(artist) for artist in track.artists],
            "disc_number": track.disc_number,
            "duration_ms": track.duration_ms,
            "explicit": track.explicit,
            "is_local": False,
            "preview_url": None,
            "track_number": track.track_number,
        }
        if self.market is not None:
            found["is_playable"] = self.market in track.markets
            if not found["is_playable"]:
                found["restrictions"] = {"reason": "market"}
        elif not self.development:
            found["available_markets"] = list(track.markets)
        return found

    def track(self, track: Track, *, asked: str | None = None) -> Json:
        """Return a full track; ``asked`` is the id that was asked for where it was relinked."""
        found = {
            **self.simple_track(track),
            "album": self.simple_album(track.album),
            "external_ids": {"isrc": track.isrc},
        }
        if not self.development:
            found["popularity"] = track.popularity
            if asked is not None and asked != track.id:
                found["linked_from"] = self.named("track", asked, "")
        return found

    def episode(self, entry: Entry) -> Json:
        """Return the invented episode behind a spoken entry of a playlist."""
        identifier = make_id("episode", sum(entry.added_at.encode()))
        return {
            **self.named("episode", identifier, "An hour of talk"),
            "duration_ms": 3_600_000,
            "explicit": False,
            "release_date": entry.added_at[:10],
            "release_date_precision": "day",
            "is_playable": True,
        }

    def local(self) -> Json:
        """Return a file from somebody's own disk: it has a name but no id."""
        return {
            "id": None,
            "name": "demo_take_3.mp3",
            "type": "track",
            "uri": "spotify:local:::demo_take_3.mp3:181",
            "duration_ms": 181_000,
            "explicit": False,
            "is_local": True,
            "artists": [],
            "album": None,
            "external_ids": {},
        }

    def entry(self, entry: Entry, *, old_name: bool) -> Json:
        """Return one position of a playlist, under ``track`` (old) or ``item`` (since 2026-02)."""
        if entry.track is not None:
            content: Json | None = self.track(entry.track)
        else:
            content = {"local": self.local, "episode": lambda: self.episode(entry)}.get(
                entry.kind, lambda: None
            )()
        found = {
            "added_at": entry.added_at,
            "added_by": {"id": entry.added_by, "type": "user"},
            "is_local": entry.kind == "local",
            "primary_color": None,
        }
        if old_name or not self.development:
            found["track"] = content
        if not old_name:
            found["item"] = content
        return found

    def simple_playlist(self, playlist: Playlist) -> Json:
        """Return a playlist without its items."""
        name = "items" if self.development else "tracks"
        return {
            **self.named("playlist", playlist.id, playlist.name),
            "collaborative": bool(playlist.collaborators),
            "description": playlist.description,
            "images": self.images(playlist.id),
            "owner": {"id": playlist.owner, "display_name": playlist.owner.title(), "type": "user"},
            "primary_color": None,
            "public": playlist.public,
            "snapshot_id": playlist.snapshot_id,
            name: {
                "href": f"{self.base}/playlists/{playlist.id}/{name}",
                "total": len(playlist.entries),
            },
        }

    def playlist(self, playlist: Playlist, *, contents: bool) -> Json:
        """Return a full playlist; without ``contents`` its items are left out altogether."""
        found = self.simple_playlist(playlist)
        found["followers"] = {"href": None, "total": playlist.followers}
        name = "items" if self.development else "tracks"
        if not contents:
            del found[name]
            return found
        found[name] = self.page(
            f"{self.base}/playlists/{playlist.id}/{name}",
            [self.entry(e, old_name=not self.development) for e in playlist.entries[:50]],
            total=len(playlist.entries),
            limit=50,
            offset=0,
        )
        return found

    def features(self, track: Track) -> Json:
        """Return audio features: numbers made from the ISRC, the same each time."""
        n = int(track.isrc[-5:])
        ratios = ("acousticness", "danceability", "energy", "instrumentalness", "liveness")
        return {
            **{name: round((n * (k + 3) % 997) / 997, 3) for k, name in enumerate(ratios)},
            "speechiness": round((n % 89) / 997, 3),
            "valence": round((n % 541) / 541, 3),
            "loudness": -round((n % 233) / 10, 3),
            "tempo": 60 + round((n % 1200) / 10, 3),
            "key": n % 12,
            "mode": n % 2,
            "time_signature": 3 + n % 3,
            "duration_ms": track.duration_ms,
            "id": track.id,
            "type": "audio_features",
            "uri": f"spotify:track:{track.id}",
            "track_href": f"{self.base}/tracks/{track.id}",
            "analysis_url": f"{self.base}/audio-analysis/{track.id}",
        }

    @staticmethod
    def page(href: str, items: list[Any], *, total: int, limit: int, offset: int) -> Json:
        """Return a paging object around one page of items."""
        joint = "&" if "?" in href else "?"

        def link(at: int) -> str:
            return f"{href}{joint}offset={at}&limit={limit}"

        return {
            "href": link(offset),
            "items": items,
            "limit": limit,
            "next": link(offset + limit) if offset + limit < total else None,
            "offset": offset,
            "previous": link(max(0, offset - limit)) if offset else None,
            "total": total,
        }


def relinked(catalogue: Catalogue, track: Track, market: str | None) -> Track:
    """Return the track that stands in for one not available in a market, if its album has one."""
    if market is None or market in track.markets:
        return track
    return next((other for other in track.album.tracks if market in other.markets), track)
