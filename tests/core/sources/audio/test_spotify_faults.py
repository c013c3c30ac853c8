"""The spotify source when the service is slow, broken, refuses or runs out of quota."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ImporterError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.audio.spotify import SOURCE, SpotifyConfig, SpotifySource
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, collect, reader
from tests.services.spotify_api.server import SpotifyServer, running
from tests.services.spotify_api.state import QUOTA_WAIT, App, Fault


def ids_of(chunks: list[Chunk]) -> list[str]:
    return [each for chunk in chunks for each in chunk.batch.column("id").to_pylist()]


async def until_error(source: SpotifySource) -> tuple[list[Chunk], ImporterError | None]:
    """Return the chunks that came before an error, and the error."""
    chunks = []
    try:
        async for chunk in source.read(None):
            chunks.append(chunk)  # the error comes in between
    except ImporterError as error:
        return chunks, error
    return chunks, None


def some(server: SpotifyServer, count: int) -> dict[str, Any]:
    return {"resource": "tracks", "ids": list(server.state.catalogue.tracks)[:count]}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", path="/tracks/", times=3, after=10),
        Fault("error", path="/tracks/", times=2, after=10, status=502),
        Fault("truncate", path="/tracks/", times=3, after=10),
        Fault("drop", path="/tracks/", times=3, after=10),
        Fault("rate", path="/tracks/", times=3, after=10),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_a_passing_fault_costs_no_row(spotify: SpotifyServer, fault: Fault) -> None:
    """Each row arrives once, in order, after the broken requests were tried again."""
    spotify.state.faults.append(fault)
    config = some(spotify, 50)
    chunks = await collect(reader(spotify, DEVELOPMENT_APP, **config))
    assert fault.times == 0
    assert ids_of(chunks) == config["ids"]


async def test_a_lasting_fault_is_transient_and_keeps_what_came_before(
    spotify: SpotifyServer,
) -> None:
    """The chunks before it are given, and the last cursor goes on behind them."""
    spotify.state.faults.append(Fault("error", path="/tracks/", times=99, after=30, status=503))
    config = some(spotify, 60)
    source = reader(spotify, DEVELOPMENT_APP, concurrency=2, retry_attempts=2, **config)
    chunks, error = await until_error(source)
    assert isinstance(error, TransientError)
    assert "503" in str(error)
    assert 20 <= len(ids_of(chunks)) < 60
    spotify.state.faults.clear()
    rest = await collect(source, chunks[-1].cursor)
    assert ids_of(chunks) + ids_of(rest) == config["ids"]


async def test_a_storm_of_429_is_waited_out(spotify: SpotifyServer) -> None:
    """With twenty calls in a second allowed, sixty tracks take a few seconds and none is lost."""
    spotify.state.allowance, spotify.state.window, spotify.state.together = 20, 1.0, 24
    config = some(spotify, 60) | {"app_mode": "development"}
    source = reader(spotify, DEVELOPMENT_APP, concurrency=24, retry_attempts=20, **config)
    began = time.monotonic()
    assert ids_of(await collect(source)) == config["ids"]
    assert 1.5 < time.monotonic() - began < 30
    assert any(call.status == 429 for call in spotify.state.calls)


async def test_apps_of_one_developer_learn_one_limit() -> None:
    """Where connections name a quota group, the second app is not refused: it knows already."""
    apps = [App(f"app-{n}", "a-secret", "development", developer="one") for n in range(2)]
    # Calls that are counted at one moment show the window as it is, however slow the machine.
    with running(*apps, allowance=20, window=3.0, together=24) as server:
        config = some(server, 40) | {"app_mode": "development", "retry_attempts": 9}
        config["concurrency"] = 24
        for app in apps:
            login = {"login": app.client_id, "password": app.secret}
            source = reader(server, app, **config)
            source.credentials = Credentials.model_validate(
                {**login, "extra": {"quota_group": "one"}}
            )
            assert ids_of(await collect(source)) == config["ids"]
        refused = {call.client_id for call in server.state.calls if call.status == 429}
    assert refused == {"app-0"}


async def test_a_rate_limit_of_our_own_avoids_429(spotify: SpotifyServer) -> None:
    """Two of our periods may fall into one of the server's, and what was under way before it."""
    spotify.state.allowance, spotify.state.window = 25, 1.0
    config = some(spotify, 35) | {"app_mode": "development", "concurrency": 4}
    source = reader(spotify, DEVELOPMENT_APP, rate_limit="10/s", **config)
    assert ids_of(await collect(source)) == config["ids"]
    assert {call.status for call in spotify.state.calls} == {200}


@pytest.mark.parametrize("app", [DEVELOPMENT_APP, EXTENDED_APP], ids=lambda app: app.mode)
async def test_a_used_up_quota_is_told_at_once_and_reading_goes_on_later(
    spotify: SpotifyServer, app: Any
) -> None:
    """The chunks so far come first, then QuotaExhausted with the wait; the rest follows later."""
    spotify.state.quota = 31
    config = some(spotify, 400) | {"batch_size": 10, "concurrency": 4}
    source = reader(spotify, app, **config)
    chunks, error = await until_error(source)
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after == pytest.approx(QUOTA_WAIT, abs=60)
    assert source.usage.waited == 0
    # In development mode one of the calls was the probe, refused or not.
    read = 30 if app.mode == "development" else 300
    assert read - 4 * 10 <= len(ids_of(chunks)) <= read + 10
    spotify.state.quota = None
    forget_limits()
    rest = await collect(source, chunks[-1].cursor)
    assert ids_of(chunks) + ids_of(rest) == config["ids"]


async def test_a_token_that_ends_in_the_middle_is_renewed_once(spotify: SpotifyServer) -> None:
    """Every row arrives, and the requests under way share one renewal."""
    config = some(spotify, 100)
    source = reader(spotify, DEVELOPMENT_APP, **config)
    found: list[Chunk] = []
    async for chunk in source.read(None):
        found.append(chunk)
        if len(found) == 2:
            spotify.state.expire_tokens()
    assert ids_of(found) == config["ids"]
    assert any(call.status == 401 for call in spotify.state.calls)
    assert len(spotify.state.paths("/api/token")) == 2


async def test_a_refresh_token_that_rotates_serves_the_next_renewal(
    spotify: SpotifyServer,
) -> None:
    spotify.state.rotate = True
    config = some(spotify, 100)
    found: list[Chunk] = []
    async for chunk in reader(spotify, DEVELOPMENT_APP, user=True, **config).read(None):
        found.append(chunk)
        spotify.state.expire_tokens()
    assert ids_of(found) == config["ids"]
    assert len(spotify.state.paths("/api/token")) >= 3
    assert DEVELOPMENT_APP.refresh_token not in spotify.state.consents


async def test_a_wrong_client_secret_is_an_authentication_error_that_hides_it(
    spotify: SpotifyServer,
) -> None:
    """The message names the token endpoint and what to check, not the secret."""
    secret = "very-wrong-secret-5d1f"
    source = reader(spotify, DEVELOPMENT_APP, secret=secret, **some(spotify, 3))
    with pytest.raises(AuthenticationError, match="invalid_client") as raised:
        await collect(source)
    health = await source.check()
    assert not health.ok
    for text in (str(raised.value), health.message, repr(source.credentials), repr(source.config)):
        assert secret not in text
        assert DEVELOPMENT_APP.secret not in text


async def test_a_dead_refresh_token_asks_to_authorise_again(spotify: SpotifyServer) -> None:
    spotify.state.consents.clear()
    source = reader(spotify, DEVELOPMENT_APP, user=True, **some(spotify, 3))
    with pytest.raises(AuthenticationError, match="re-authorise"):
        await collect(source)


async def test_a_connection_without_secret_says_where_it_belongs() -> None:
    source = SOURCE(
        SpotifyConfig(resource="tracks", ids=["0" * 22]), credentials=Credentials(login="app")
    )
    with pytest.raises(ConfigurationError, match="client secret as password"):
        await collect(source)
    assert not (await source.check()).ok


async def test_the_check_makes_one_call(spotify: SpotifyServer) -> None:
    """A good connection is healthy after one token and one call, in either mode."""
    for app in (DEVELOPMENT_APP, EXTENDED_APP):
        spotify.state.calls.clear()
        health = await reader(spotify, app, **some(spotify, 1)).check()
        assert health.ok, health.message
        assert spotify.state.paths() == ["/api/token", "/v1/search"]


async def test_a_cache_saves_calls_but_never_hides_a_change_or_an_outage(
    spotify: SpotifyServer,
) -> None:
    """Tracks come from the cache; playlists and the check always ask."""
    config = some(spotify, 20) | {"cache_ttl": "1h", "app_mode": "development"}
    source = reader(spotify, DEVELOPMENT_APP, **config)
    first = ids_of(await collect(source))
    spotify.state.calls.clear()
    assert ids_of(await collect(source)) == first
    assert spotify.state.calls == []
    assert (await source.check()).ok
    assert (await source.check()).ok
    assert spotify.state.paths() == ["/v1/search", "/v1/search"]
    playlist = max(spotify.state.catalogue.playlists.values(), key=lambda p: len(p.entries))
    items: dict[str, Any] = {"resource": "playlist_items", "ids": [playlist.id], "cache_ttl": "1h"}
    source = reader(spotify, EXTENDED_APP, **items)
    before = await collect(source)
    track = next(iter(spotify.state.catalogue.tracks.values()))
    playlist.add(track)
    assert ids_of(await collect(source, before[-1].cursor))[-1] == track.id


@pytest.mark.parametrize("name", ["api_url", "token_url"])
async def test_secrets_are_not_sent_unencrypted_over_a_network(name: str) -> None:
    """A plain http address in the configuration or the connection is refused before any call."""
    address = {name: "http://api.example.com/v1"}
    login = {"login": "app", "password": "secret"}
    for config, extra in ((address, {}), ({}, address)):
        source = SOURCE(
            SpotifyConfig.model_validate({"resource": "tracks", "ids": ["0" * 22], **config}),
            credentials=Credentials.model_validate({**login, "extra": extra}),
        )
        with pytest.raises(ConfigurationError, match="https"):
            await collect(source)


async def test_a_wrong_address_is_no_list_of_missing_ids(spotify: SpotifyServer) -> None:
    """An address without /v1 fails with that hint instead of rejecting every id."""
    source = reader(spotify, DEVELOPMENT_APP, **some(spotify, 3) | {"api_url": spotify.url})
    with pytest.raises(ConfigurationError, match="api_url"):
        await collect(source)


async def test_a_page_that_is_no_json_says_so(spotify: SpotifyServer) -> None:
    spotify.state.faults.append(Fault("not_json", path="/tracks/", times=9))
    source = reader(spotify, DEVELOPMENT_APP, **some(spotify, 3))
    with pytest.raises(DataError, match="instead of JSON"):
        await collect(source)


async def test_leaving_early_stops_the_requests(spotify: SpotifyServer) -> None:
    """Closing the iterator after one chunk leaves most ids unasked."""
    source = reader(spotify, DEVELOPMENT_APP, concurrency=4, **some(spotify, 400))
    reading = source.read(None)
    await anext(reading)
    await reading.aclose()  # type: ignore[attr-defined]
    assert len(spotify.state.paths("/v1/tracks/")) < 60
