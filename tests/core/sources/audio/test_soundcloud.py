"""What is special to SoundCloud: single-use tokens, linked partitions, URNs, access, its times."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk
from airflow_provider_spotify.core.sources.audio._soundcloud_resources import RESOURCES
from airflow_provider_spotify.core.sources.audio.soundcloud import SoundcloudConfig
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.services.soundcloud_api.catalogue import BEGIN
from tests.services.soundcloud_api.fixtures import reader
from tests.services.soundcloud_api.server import CLIENT, REFRESH, SoundcloudApi
from tests.services.web_api import openapi
from tests.services.web_api.server import Exchange

UNDESCRIBED = ("cursor", "offset", "page_size", "created_at[from]", "created_at[to]")
"""Parameters of ``next_href``, and two that the description writes as one object."""


@pytest.fixture
def api() -> Iterator[SoundcloudApi]:
    forget_tokens()
    with SoundcloudApi() as server:
        yield server


def reasons(chunks: list[Chunk]) -> list[str]:
    found = [chunk.rejected for chunk in chunks if chunk.rejected is not None]
    return [reason for batch in found for reason in batch.column("reason").to_pylist()]


def keyed(api: SoundcloudApi, resource: str) -> dict[str, Any]:
    known = api.catalogue
    some = {
        "users": known.names[:2],
        "tracks": list(known.tracks)[:2],
        "playlists": list(known.playlists)[:3],
        "queries": ["e"],
    }
    key = RESOURCES[resource].key
    return {"resource": resource, key: some[key]} if key else {"resource": resource}


def described(exchange: Exchange) -> Exchange:
    """Leave nulls out: the description's schemas have none, but its examples do."""

    def some(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: some(v) for k, v in value.items() if v is not None}
        return [some(each) for each in value] if isinstance(value, list) else value

    return replace(exchange, body=json.dumps(some(json.loads(exchange.body))).encode())


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_resource_is_read_as_described(api: SoundcloudApi, resource: str) -> None:
    """Nothing is rejected, and each request and answer is one of SoundCloud's own OpenAPI file."""
    api.recording = True
    chunks = read(reader(api, user=resource.startswith("my_"), **keyed(api, resource)))
    assert reasons(chunks) == []
    found = rows(chunks)
    assert found
    assert len({row["urn"] for row in found}) > 1
    exchanges = [described(e) for e in api.exchanges if not e.call.path.startswith("/oauth")]
    assert openapi.check("soundcloud", exchanges, parameters=UNDESCRIBED) == []


def test_rows_have_their_types(api: SoundcloudApi) -> None:
    """Times with slashes are times, a nested user is two columns, a hidden count is null."""
    found = rows(read(reader(api, **keyed(api, "user_tracks"))))
    first = found[0]
    assert first["created_at"] == datetime(2026, 1, 3, 16, tzinfo=UTC)
    assert first["user_urn"] == api.user
    assert first["urn"].startswith("soundcloud:tracks:")
    assert {type(row["playback_count"]) for row in found} == {int, type(None)}
    comment = rows(read(reader(api, **keyed(api, "comments"))))
    assert {comment[0]["at_ms"], comment[1]["at_ms"]} == {None, 100}


def test_a_playlist_knows_the_order_of_its_tracks(api: SoundcloudApi) -> None:
    """The order is a column of the playlist; its tracks are rows of another resource."""
    urn, known = next(iter(api.catalogue.playlists.items()))
    row = rows(read(reader(api, resource="playlists", playlists=[urn])))[0]
    assert row["track_urns"] == known["tracks"]
    tracks = rows(read(reader(api, resource="playlist_tracks", playlists=[urn])))
    assert [track["urn"] for track in tracks] == known["tracks"]


def test_short_and_empty_pages_are_not_the_last(api: SoundcloudApi) -> None:
    """Pages lose what ``access`` leaves out, perhaps all of it; only a missing address ends."""
    for urn in api.catalogue.uploads[api.user][25:75]:
        api.catalogue.tracks[urn]["access"] = "blocked"
    found = rows(read(reader(api, access=["playable"], **keyed(api, "user_tracks"))))
    wanted = [t for t in api.catalogue.tracks.values() if t["access"] == "playable"]
    assert len(found) == len(wanted)
    assert {row["access"] for row in found} == {"playable"}


def test_an_address_that_forgets_parameters_loses_no_track(api: SoundcloudApi) -> None:
    """``access`` is sent with each page, whatever next_href says."""
    api.forgetful = True
    found = rows(read(reader(api, **keyed(api, "user_tracks"))))
    assert len(found) == 130 + 40


def test_an_address_on_another_host_is_asked_of_the_api(api: SoundcloudApi) -> None:
    """Where next_href names an internal host, its query still leads to the next page."""
    api.internal = True
    assert len(rows(read(reader(api, **keyed(api, "user_tracks"))))) == 130 + 40


def test_a_page_that_names_itself_is_an_error(api: SoundcloudApi) -> None:
    """It does not go round for ever."""
    body = {"collection": [], "next_href": "https://api.soundcloud.com/x?cursor=1&page_size=9"}
    api.fault("error_body", "/users/", body=body, status=200, times=99)
    with pytest.raises(DataError, match="names itself"):
        read(reader(api, **keyed(api, "liked_tracks")))


def test_a_cursor_holds_neither_users_nor_searches(api: SoundcloudApi) -> None:
    """Keys are digests, and what is kept of an address is where the page is."""
    for resource in ("liked_tracks", "search_users"):
        config = keyed(api, resource) | ({"queries": ["glas"]} if "search" in resource else {})
        for chunk in read(reader(api, **config, batch_size=5)):
            text = json.dumps(chunk.cursor)
            assert "soundcloud:users" not in text
            assert "glas" not in text


def test_tracks_uploaded_later_come_alone_in_a_search(api: SoundcloudApi) -> None:
    """The next run asks for what was uploaded since, and drops what it has had."""
    with api.lock:
        for urn in list(api.catalogue.tracks)[:40]:
            api.catalogue.tracks[urn]["title"] = "Needle"
    config: dict[str, Any] = {"resource": "search_tracks", "queries": ["needle"]}
    before = read(reader(api, **config))
    assert len(rows(before)) == 40
    with api.lock:
        urn = api.catalogue.upload(api.user, at=datetime.now(UTC) - timedelta(seconds=5))
        api.catalogue.tracks[urn]["title"] = "Another needle"
    later = read(reader(api, **config), before[-1].cursor)
    assert [row["urn"] for row in rows(later)] == [urn]
    asked = api.asked("/tracks")[-1].query
    newest = max(row["created_at"] for row in rows(before))
    assert asked["created_at[from]"] == f"{newest - timedelta(days=14):%Y-%m-%d %H:%M:%S}"


def test_tracks_made_public_later_are_found(api: SoundcloudApi) -> None:
    """One that was uploaded within the lookback comes, and one whose counts changed, no other."""
    newest = api.catalogue.uploads[api.user][0]
    before = read(reader(api, **keyed(api, "user_tracks")))
    with api.lock:
        changed = {**api.catalogue.tracks[newest], "favoritings_count": 77}
        api.catalogue.tracks[newest] = changed
        public = api.catalogue.upload(api.user, at=BEGIN + timedelta(hours=60))
        api.catalogue.uploads[api.user].sort(key=lambda u: api.catalogue.tracks[u]["created_at"])
        api.catalogue.uploads[api.user].reverse()
    later = rows(read(reader(api, **keyed(api, "user_tracks")), before[-1].cursor))
    assert {row["urn"] for row in later} == {newest, public}
    none = reader(api, lookback="0s", **keyed(api, "user_tracks"))
    assert none.rereads() is None
    assert reader(api, **keyed(api, "user_tracks")).rereads()


def test_what_is_gone_is_rejected_alone(api: SoundcloudApi) -> None:
    """A deleted track, or user, does not keep the others from being read."""
    tracks = [*list(api.catalogue.tracks)[:2], "soundcloud:tracks:1"]
    chunks = read(reader(api, resource="tracks", tracks=tracks))
    assert (len(rows(chunks)), reasons(chunks)) == (2, ["not found"])
    chunks = read(reader(api, resource="followings", users=[api.user, "2"]))
    assert (len(rows(chunks)), reasons(chunks)) == (69, ["not found"])


def test_another_body_is_not_the_end(api: SoundcloudApi) -> None:
    """An answer without ``collection`` is an error, never an empty list."""
    api.fault("object", "/users/", times=99)
    with pytest.raises(DataError, match="collection"):
        read(reader(api, **keyed(api, "liked_tracks")))
    api.fault("object", "/tracks/", times=99)
    with pytest.raises(DataError, match="urn"):
        read(reader(api, **keyed(api, "tracks")))


def test_an_app_renews_its_token_by_the_refresh_token(api: SoundcloudApi) -> None:
    """One token is asked for by secret, for these are few; the next by the single-use token."""
    source = reader(api, **keyed(api, "user_tracks"))
    first = read(source, limit=1)
    api.expire_tokens()
    rest = read(source, first[-1].cursor)
    assert len(rows(first)) + len(rows(rest)) == 170
    assert api.most_tokens == 49
    assert {call.headers["Authorization"] for call in api.asked("/users/")} == {"***"}


def test_too_many_tokens_is_no_wrong_secret(api: SoundcloudApi) -> None:
    """Fifty tokens in twelve hours: above them the endpoint refuses, and later it gives again."""
    api.most_tokens = 0
    with pytest.raises(TransientError):
        read(reader(api, retry_attempts=1, **keyed(api, "user_tracks")))


def test_a_users_refresh_token_is_kept_for_the_next_worker(
    api: SoundcloudApi, tmp_path: Path
) -> None:
    """The one of the connection works once; another process takes its successor from the store."""
    extra = {"token_store": f"file://{tmp_path}/tokens"}
    config = keyed(api, "my_tracks")
    assert len(rows(read(reader(api, user=True, extra=extra, **config)))) == 130
    assert REFRESH not in api.tokens.refresh
    for _ in range(2):
        forget_tokens()
        api.expire_tokens()
        assert len(rows(read(reader(api, user=True, extra=extra, **config)))) == 130
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and b"rt-" in f.read_bytes()]


def test_a_used_up_refresh_token_asks_to_authorise_again(api: SoundcloudApi) -> None:
    """No retry follows, and the message says what to run."""
    api.tokens.refresh.clear()
    with pytest.raises(AuthenticationError, match="authorize soundcloud"):
        read(reader(api, user=True, **keyed(api, "my_liked_tracks")))
    assert len(api.asked("/oauth/token")) == 1


def test_what_is_mine_needs_a_user(api: SoundcloudApi) -> None:
    """An app of its own is nobody: the message names the field of the connection."""
    with pytest.raises(ConfigurationError, match="refresh_token in extra"):
        read(reader(api, **keyed(api, "my_tracks")))
    assert api.calls == []


def test_the_check_makes_one_small_call(api: SoundcloudApi) -> None:
    """A token and one search of one track say that the connection is well."""
    health = asyncio.run(reader(api, **keyed(api, "users")).check())
    assert health.ok, health.message
    assert [call.path for call in api.calls] == ["/oauth/token", "/tracks"]
    assert CLIENT not in health.message


def test_tracks_may_come_from_another_table(api: SoundcloudApi) -> None:
    """URNs that another import has put into the destination are read as if they were given."""
    source = reader(api, resource="tracks", tracks_from={"table": "uploads", "column": "urn"})
    wanted = source.wants()
    assert wanted is not None
    assert (wanted.table, wanted.column) == ("uploads", "urn")
    urns = list(api.catalogue.tracks)[:3]
    assert [row["urn"] for row in rows(read(source.given(urns)))] == urns


def test_numbers_become_urns() -> None:
    """A deprecated numeric id is written as the URN that it stands for."""
    config = SoundcloudConfig(resource="tracks", tracks=("123", "soundcloud:tracks:4"))
    assert config.tracks == ("soundcloud:tracks:123", "soundcloud:tracks:4")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"resource": "user_tracks"}, "needs users"),
        ({"resource": "user_tracks", "tracks": ["1"]}, "not read by tracks|needs users"),
        ({"resource": "my_tracks", "users": ["1"]}, "not read by users"),
        ({"resource": "tracks", "tracks": ["soundcloud:users:1"]}, "soundcloud:tracks:123"),
        ({"resource": "users", "users": ["https://soundcloud.com/x"]}, "/resolve"),
        ({"resource": "search_users", "queries": [" "]}, "empty text"),
        ({"resource": "user_tracks", "users": ["1"], "access": []}, "access"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(config: dict[str, Any], said: str) -> None:
    """The message says which key is missing, too much or wrong."""
    with pytest.raises(ValidationError, match=said):
        SoundcloudConfig.model_validate(config)
