"""What is special to Last.fm: errors in good answers, odd JSON, plays that come late, its weeks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Window
from airflow_provider_spotify.core.sources.audio._lastfm_resources import RESOURCES
from airflow_provider_spotify.core.sources.audio.lastfm import LastfmConfig, LastfmSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.services.lastfm_api.fixtures import keyed, reader
from tests.services.lastfm_api.library import BEGIN
from tests.services.lastfm_api.server import SUSPENDED, LastfmApi
from tests.services.web_api.limits import Limit

DAY = 86_400


@pytest.fixture
def api() -> Iterator[LastfmApi]:
    with LastfmApi(plays=120) as server:
        yield server


def reasons(chunks: list[Chunk]) -> list[str]:
    found = [chunk.rejected for chunk in chunks if chunk.rejected is not None]
    return [reason for batch in found for reason in batch.column("reason").to_pylist()]


def recent(api: LastfmApi, *users: str, **config: Any) -> LastfmSource:
    return reader(api.url, resource="recent_tracks", users=users or ("rj",), **config)


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_resource_gives_rows_of_its_columns(api: LastfmApi, resource: str) -> None:
    """Nothing is rejected, and each column that the server has a value for holds one."""
    track = next(t for t in api.library.tracks if t.mbid and t.artist.mbid and len(t.album) % 4)
    name = track.album if "album" in resource else track.name
    assert len(name) % 4, "the server gives it no tags"
    config = keyed(resource, artist=track.artist.name, name=name)
    if resource.startswith("weekly"):
        config |= {"start": "2026-01-04T12:00:00Z", "end": "2026-01-30T00:00:00Z"}
    chunks = read(reader(api.url, **config))
    assert reasons(chunks) == []
    found = rows(chunks)
    assert found
    unknown = {"wiki_published", "wiki_summary", "tags", "real_name"}
    empty = {c for c in found[0] if all(row[c] is None for row in found)} - unknown
    assert empty == set()
    if "rank" in found[0] and not resource.startswith("weekly"):
        assert [row["rank"] for row in found] == list(range(1, len(found) + 1))


def test_what_is_on_now_is_no_play(api: LastfmApi) -> None:
    """The row without a date, extra on each page, is left out, and no play is lost by it."""
    listener = api.library.users["rj"]
    listener.playing = api.library.tracks[0]
    found = rows(read(recent(api)))
    assert len(found) == 120
    assert all(row["played_at"] is not None for row in found)
    alone = api.library.users["mute"]
    alone.playing = api.library.tracks[0]
    assert read(recent(api, "mute")) == []


def test_a_list_of_one_is_a_list(api: LastfmApi) -> None:
    """A user with one play, given as an object instead of a list, has one row."""
    assert len(rows(read(recent(api, "solo")))) == 1


def test_numbers_in_text_are_numbers(api: LastfmApi) -> None:
    """Counts, ranks and times that come as text have their types."""
    row = rows(read(reader(api.url, resource="top_tracks", users=["RJ"])))[0]
    assert (row["rank"], row["period"], row["user"]) == (1, "overall", "RJ")
    assert isinstance(row["playcount"], int)
    played = rows(read(recent(api)))[0]
    assert played["played_at"] == datetime.fromtimestamp(api.library.users["rj"].plays[0][0], UTC)
    assert played["loved"] in (True, False)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (2, 200, TransientError),
        (4, 200, AuthenticationError),
        (6, 200, ConfigurationError),
        (8, 200, TransientError),
        (9, 403, AuthenticationError),
        (10, 403, AuthenticationError),
        (11, 200, TransientError),
        (16, 503, TransientError),
        (17, 403, ForbiddenError),
        (26, 403, AuthenticationError),
        (29, 200, TransientError),
        (29, 429, TransientError),
        ("new", 200, TransientError),
    ],
)
def test_a_code_is_an_error_whatever_the_status(
    api: LastfmApi, code: int | str, status: int, kind: type[Exception]
) -> None:
    """Each code of the table becomes the error whose remedy is the right one."""
    body = {"error": code, "message": "it was said so"}
    api.fault("error_body", body=body, status=status, times=99)
    with pytest.raises(kind, match="it was said so"):
        read(recent(api, retry_attempts=1))


@pytest.mark.parametrize("status", [200, 429])
def test_a_rate_limit_is_waited_out(api: LastfmApi, status: int) -> None:
    """Error 29, with status 429 or 200, is tried again until the rows come."""
    api.fault("error_body", body={"error": 29, "message": "Rate limit exceeded"}, status=status)
    assert len(rows(read(recent(api)))) == 120


def test_a_server_that_allows_few_calls_is_read_whole(api: LastfmApi) -> None:
    """Against ten calls in a second, every row still comes once."""
    api.limits = [Limit(10, 1.0, message="Rate limit exceeded", refused=lambda room: {})]
    found = rows(read(recent(api, "rj", "mo-1", concurrency=16, retry_attempts=20)))
    assert len(found) == 160


def test_all_keys_share_the_limit_of_an_address(api: LastfmApi) -> None:
    """Last.fm counts by address, so its connections are one group, at five calls a second."""
    settings = recent(api).client().settings
    assert settings.quota_group == "lastfm"
    default = LastfmConfig(resource="chart_top_tags").rate_limit
    assert default is not None
    assert (default.count, default.milliseconds) == (5, 1000)


def test_another_users_rows_are_asked_for_again(api: LastfmApi) -> None:
    """The rare answer about someone else is not taken; one that stays so is an error."""
    api.strangers = 2
    assert {row["user"] for row in rows(read(recent(api)))} == {"rj"}
    assert len(api.asked("/2.0")) == 5 + 2
    api.strangers = 99
    with pytest.raises(TransientError, match="another user"):
        read(recent(api, retry_attempts=2))


def test_a_private_profile_is_rejected_alone(api: LastfmApi) -> None:
    """Other users are read; if all are private, that is the error."""
    chunks = read(recent(api, "hush", "solo"))
    assert len(rows(chunks)) == 1
    assert ["private" in reason for reason in reasons(chunks)] == [True]
    with pytest.raises(ForbiddenError, match="private"):
        read(recent(api, "hush"))


def test_a_name_that_does_not_exist_is_rejected_alone(api: LastfmApi) -> None:
    """Error 6 with ``not found``, at 404 or at 200, is about one name; the others are read."""
    chunks = read(recent(api, "no-one", "solo"))
    assert (len(rows(chunks)), reasons(chunks)) == (1, ["not found"])
    config: dict[str, Any] = {"resource": "artist_info", "artists": ["No One", "Ochre"]}
    chunks = read(reader(api.url, **config))
    assert (len(rows(chunks)), reasons(chunks)) == (1, ["not found"])


def test_a_wrong_parameter_is_an_error(api: LastfmApi) -> None:
    """Error 6 without ``not found`` is the configuration's fault."""
    with pytest.raises(ConfigurationError, match="country param invalid"):
        read(reader(api.url, resource="geo_top_tracks", countries=["Atlantis"]))


def test_a_suspended_key_says_so(api: LastfmApi) -> None:
    """Error 26 is no matter of trying again, and the message does not hold the key."""
    with pytest.raises(AuthenticationError, match="Suspended API key") as raised:
        read(reader(api.url, key=SUSPENDED, resource="chart_top_tags"))
    assert SUSPENDED not in str(raised.value)
    assert len(api.calls) == 1


def test_another_body_is_not_the_end(api: LastfmApi) -> None:
    """An answer without the method's list is an error, never an empty list."""
    api.fault("object", times=99)
    with pytest.raises(DataError, match="recenttracks"):
        read(recent(api))


def test_an_empty_list_may_be_missing(api: LastfmApi) -> None:
    """An object without its list, as XML without rows becomes it, is an empty list."""
    api.fault("error_body", body={"toptags": {"#text": "\n"}}, status=200, times=99)
    assert read(reader(api.url, resource="artist_top_tags", artists=["Ochre"])) == []


def test_a_window_holds_its_first_second_and_not_its_last(api: LastfmApi) -> None:
    """``from`` is inclusive and ``to`` exclusive, so windows side by side share no play."""
    plays = [uts for uts, _ in api.library.users["rj"].plays]
    low, high = (datetime.fromtimestamp(uts, UTC) for uts in (plays[50], plays[20]))

    async def within() -> list[Chunk]:
        return [c async for c in recent(api).read(None, Window(start=low, end=high))]

    found = [row["played_at"].timestamp() for row in rows(asyncio.run(within()))]
    assert sorted(found) == sorted(uts for uts in plays if plays[50] <= uts < plays[20])


def test_plays_that_come_late_are_read_once(api: LastfmApi) -> None:
    """Within the lookback a play of an offline player is found; what was read does not come."""
    newest = api.library.users["rj"].plays[0][0]
    last = [read(recent(api, lookback=back))[-1].cursor for back in ("0s", "1d", "14d")]
    api.scrobble(uts=newest - DAY // 2)
    api.scrobble(uts=newest - 3 * DAY)
    assert read(recent(api, lookback="0s"), last[0]) == []
    late = read(recent(api), last[1])
    assert [row["played_at"].timestamp() for row in rows(late)] == [newest - DAY // 2]
    assert len(rows(read(recent(api, lookback="14d"), last[2]))) == 2
    assert read(recent(api), late[-1].cursor) == []
    assert recent(api).rereads()
    assert recent(api, lookback="0s").rereads() is None


def test_a_cursor_holds_no_names(api: LastfmApi) -> None:
    """Users are known by digest, and the key of the API is not in it."""
    for chunk in read(recent(api, "RJ", "Mo-1", batch_size=10)):
        text = json.dumps(chunk.cursor).lower()
        assert "rj" not in text
        assert "mo-1" not in text
        assert "key-" not in text


def test_charts_end_where_they_should(api: LastfmApi) -> None:
    """``most`` rows are read, to a whole page, and the later pages are not asked for."""
    chart = {"resource": "chart_top_tracks"}
    assert len(rows(read(reader(api.url, **chart)))) == 108
    api.calls.clear()
    assert len(rows(read(reader(api.url, most=10, **chart)))) == 10
    assert [(c.query["limit"], c.query["page"]) for c in api.asked("/2.0")] == [("10", "1")]
    assert len(rows(read(reader(api.url, most=40, **chart)))) == 50


def test_weeks_begin_on_sunday_at_noon(api: LastfmApi) -> None:
    """A week is asked for once it has ended, by Last.fm's own bounds, and once again after it."""
    config: dict[str, Any] = {"resource": "weekly_tracks", "users": ["rj"]}
    config["start"] = "2026-01-07T00:00:00Z"
    end = datetime.fromtimestamp(BEGIN, UTC) + timedelta(days=24)
    found = rows(read(reader(api.url, end=end.isoformat(), **config)))
    weeks = sorted({row["week_start"] for row in found})
    assert weeks[0].timestamp() == BEGIN
    assert all((week.weekday(), week.hour) == (6, 12) for week in weeks)
    bounds = sorted((int(c.query["from"]), int(c.query["to"])) for c in api.asked("/2.0"))
    assert bounds == [(BEGIN + n * 7 * DAY, BEGIN + (n + 1) * 7 * DAY) for n in range(3)]


def test_tracks_are_known_by_artist_and_name(api: LastfmApi) -> None:
    """A slash, an ampersand or a plus in a name survives, as YAML and as a key's text."""
    known = {t.artist.name: t for t in api.library.tracks}
    chosen = [known[name] for name in ("AC/Sea", "Nils & the Fjord", "R+R", "Vera / Viola")]
    tracks = [{"artist": t.artist.name, "name": t.name} for t in chosen]
    source = reader(api.url, resource="track_info", tracks=tracks)
    assert [(r["of_artist"], r["of_track"]) for r in rows(read(source))] == [
        (t.artist.name, t.name) for t in chosen
    ]
    assert list(LastfmConfig(resource="track_info", tracks=source.keys).tracks) == list(
        source.config.tracks
    )
    assert source.keys[0].startswith("AC%2FSea/_/")


def test_misspelled_names_are_corrected_if_asked(api: LastfmApi) -> None:
    """``autocorrect`` is sent, and the row says both names."""
    config: dict[str, Any] = {"resource": "artist_info", "artists": ["ochre"]}
    assert reasons(read(reader(api.url, **config))) == ["not found"]
    row = rows(read(reader(api.url, autocorrect=True, **config)))[0]
    assert (row["of_artist"], row["name"]) == ("ochre", "Ochre")


def test_artists_may_come_from_another_table(api: LastfmApi) -> None:
    """Keys that another import has put into the destination are read as if they were given."""
    place = {"table": "plays", "column": "artist"}
    source = reader(api.url, resource="artist_info", artists_from=place)
    with pytest.raises(ConfigurationError, match="plays"):
        read(source)
    given = source.given(["Ochre", "Ñandú", None, "Ochre"])
    assert [row["name"] for row in rows(read(given))] == ["Ochre", "Ñandú"]
    parts = asyncio.run(given.partitions(2))
    assert [row["name"] for part in parts for row in rows(read(part))] == ["Ochre", "Ñandú"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"resource": "recent_tracks"}, "needs users"),
        ({"resource": "chart_top_tags", "users": ["rj"]}, "not read by users"),
        ({"resource": "similar_tracks", "artists": ["Ochre"]}, "not read by artists"),
        ({"resource": "recent_tracks", "users": ["rj", " "]}, "empty name"),
        ({"resource": "weekly_tracks", "users": ["rj"]}, "needs start"),
        (
            {
                "resource": "artist_info",
                "artists": ["Ochre"],
                "artists_from": {"table": "plays", "column": "artist"},
            },
            "not both",
        ),
        ({"resource": "track_info", "tracks": ["Believe"]}, "tracks"),
        ({"resource": "top_tracks", "users": ["rj"], "period": "2day"}, "period"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(config: dict[str, Any], said: str) -> None:
    """The message says which key is missing, too much or wrong."""
    with pytest.raises(ValidationError, match=said):
        LastfmConfig.model_validate(config)


def test_each_method_is_a_dataset_of_its_own() -> None:
    """The path is the same for all, so the method names it."""
    source = LastfmSource(LastfmConfig(resource="chart_top_tags"))
    assert str(source.dataset().name) == "chart.gettoptags"
    with pytest.raises(ConfigurationError, match="API key as password"):
        read(source)
