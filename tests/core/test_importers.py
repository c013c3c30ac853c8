"""Importers work without Airflow and without YAML: one, many, and their health."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import LoadReport, Run
from airflow_provider_spotify.core.sinks.base import LoadSpec
from airflow_provider_spotify.importers import (
    Importer,
    ImporterHealthCheck,
    get_importer,
    orchestrate_import_pipeline,
)

ENVIRONMENT = (
    "POSTGRES_URL",
    "MONGODB_URL",
    "REDIS_URL",
    "SPOTIFY_CLIENT_ID",
    "SPOTIFY_CLIENT_SECRET",
    "LASTFM_API_KEY",
    "SOUNDCLOUD_CLIENT_ID",
    "SOUNDCLOUD_CLIENT_SECRET",
    "TWITTER_BEARER_TOKEN",
    "KAFKA_BROKERS",
    "PULSAR_URL",
    "ENCRYPTION_KEY",
    "JWT_SECRET",
)
SPOTIFY = {"resource": "tracks", "ids": ["37i9dQZF1DXcBWIGoYBM5M"]}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let relative paths start from the test's folder, and no variable of this machine count."""
    monkeypatch.setenv("SPOTIFY_IMPORTS_ROOT", str(tmp_path))
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "plays.csv").write_text("id,email\n1,a@example.com\n2,b@example.com\n")
    return tmp_path


def csv(**options: Any) -> Importer:
    return get_importer("csv", "acme", {"path": "plays.csv", **options})


# ── one importer ─────────────────────────────────────────────────────────────────────────────


async def test_an_import_lands_in_the_tenants_own_file_and_goes_on_from_there(root: Path) -> None:
    importer = csv(path="*.csv")
    assert importer.name == "acme__csv"
    report = await importer.import_data()
    assert (report.rows, report.table) == (2, "csv")
    assert (root / "warehouse" / "acme.duckdb").exists()
    (root / "more.csv").write_text("id,email\n3,c@example.com\n")
    assert (await importer.import_data()).rows == 1
    assert importer.sink.query("SELECT count(*) AS n FROM csv").to_pylist() == [{"n": 3}]


async def test_options_are_the_words_of_a_tenants_yaml(root: Path) -> None:
    importer = csv(
        name="plays",
        table="listening",
        write={"mode": "merge", "key": ["id"]},
        contract={"columns": {"email": {"pii": "hash"}}},
        quality=[{"check": "unique", "columns": ["id"]}],
        destination=str(root / "other.duckdb"),
        encryption_key="k" * 32,
    )
    report = await importer.import_data()
    assert (report.import_name, report.table) == ("plays", "listening")
    assert [(m.name, m.action) for m in report.masked] == [("email", "hash")]
    assert (root / "other.duckdb").exists()


async def test_a_dry_run_writes_nothing(root: Path) -> None:
    assert (await csv().import_data(dry_run=True)).rows == 2
    assert not (root / "warehouse").exists()


async def test_the_same_run_again_replaces_its_rows() -> None:
    importer = csv()
    await importer.import_data(run_id="monday")
    await importer.import_data(run_id="monday")
    assert importer.sink.query("SELECT count(*) AS n FROM csv").to_pylist() == [{"n": 2}]


@pytest.mark.parametrize(
    ("name", "type_"),
    [("spotify_api", "spotify"), ("spotify", "spotify"), ("json", "jsonl"), ("http", "rest")],
)
def test_a_source_has_the_names_by_which_people_know_it(name: str, type_: str) -> None:
    config: Mapping[str, Any] = SPOTIFY if type_ == "spotify" else {"path": "x"}
    assert get_importer(name, "acme", config).plan.source.type == type_


def test_postgres_is_another_name_of_postgresql() -> None:
    importer = get_importer("postgres", "acme", {"table": "plays"})
    assert importer.plan.source.type == "postgresql"


def test_an_unknown_source_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'csv'"):
        get_importer("cvs", "acme", {})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delimeter": ";"}, "unknown option 'delimeter'; did you mean 'delimiter'?"),
        ({"delimiter": ";;"}, "delimiter: ';;' must be no longer than 1"),
        (
            {"write": {"mode": "mrge"}},
            "write.mode: 'mrge' is not known here; did you mean 'merge'?",
        ),
        ({"destination": {"type": "duckbd"}}, "did you mean 'duckdb'"),
        ({"destination": 5}, "destination takes a path or"),
        (
            {"destination": {"type": "duckdb", "pth": "x"}},
            "unknown option 'pth'; did you mean 'path'",
        ),
        ({"name": "My Import"}, "'My Import' is not a name"),
        ({"rate_limit": 5}, "unknown option 'rate_limit'"),
    ],
)
def test_a_wrong_option_is_explained(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        csv(**options)
    assert words in str(caught.value)


def test_the_options_of_an_http_source_reach_its_config() -> None:
    options = {"rate_limit": 5, "batch_size": 50, "retry_attempts": 2, "cache_ttl": 3600}
    config: Any = get_importer("spotify_api", "acme", {**SPOTIFY, **options}).source.config
    assert (config.rate_limit.count, config.batch_size, config.retry_attempts) == (5, 50, 2)
    assert config.cache_ttl.total_seconds() == 3600


def test_credentials_may_stand_among_the_options_and_are_never_shown() -> None:
    importer = get_importer(
        "spotify",
        "acme",
        {**SPOTIFY, "client_id": "ada", "client_secret": "swordfish", "refresh_token": "sardine"},
    )
    credentials = importer.source.credentials
    assert (credentials.login, credentials.secret()) == ("ada", "swordfish")
    assert credentials.secret("refresh_token") == "sardine"
    shown = f"{credentials!r} {importer.plan!r} {importer.plan.model_dump()}"
    assert "swordfish" not in shown
    assert "sardine" not in shown


def test_a_url_gives_the_credentials_and_single_options_win() -> None:
    url = "postgresql://ada:secret@db.example.com:5433/music"
    credentials = get_importer(
        "postgresql", "acme", {"table": "plays", "url": url, "host": "other.example.com"}
    ).source.credentials
    assert credentials.host == "other.example.com"
    assert (credentials.port, credentials.login, credentials.secret()) == (5433, "ada", "secret")


def test_the_environment_fills_credentials_that_the_options_leave_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", "ada")
    monkeypatch.setenv("SPOTIFY_CLIENT_SECRET", "swordfish")
    monkeypatch.setenv("POSTGRES_URL", "postgresql://bob:pw@db/music")
    monkeypatch.setenv("ENCRYPTION_KEY", "e" * 32)
    spotify = get_importer("spotify", "acme", SPOTIFY).source.credentials
    assert (spotify.login, spotify.secret()) == ("ada", "swordfish")
    other = get_importer("spotify", "acme", {**SPOTIFY, "client_secret": "own"})
    assert (other.source.credentials.login, other.source.credentials.secret()) == ("ada", "own")
    source = get_importer("postgresql", "acme", {"table": "plays"}).source.credentials
    assert (source.login, source.database) == ("bob", "music")
    monkeypatch.setenv("TWITTER_BEARER_TOKEN", "bearer")
    posts = {"resource": "user_posts", "ids": ["12"]}
    assert get_importer("x", "acme", posts).source.credentials.secret() == "bearer"
    monkeypatch.setenv("SOUNDCLOUD_CLIENT_ID", "app")
    monkeypatch.setenv("SOUNDCLOUD_CLIENT_SECRET", "hidden")
    likes = get_importer("soundcloud", "acme", {"resource": "liked_tracks", "users": ["3207"]})
    assert (likes.source.credentials.login, likes.source.credentials.secret()) == ("app", "hidden")
    sink = csv(destination={"type": "postgres", "schema": "acme"}).sink
    assert (sink.credentials.login, sink.credentials.database) == ("bob", "music")


async def test_the_encryption_key_of_the_environment_is_the_tenants_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contract = {"columns": {"email": {"pii": "tokenize"}}}
    with pytest.raises(ConfigurationError, match="the tenant has no key"):
        await csv(contract=contract).import_data()
    monkeypatch.setenv("ENCRYPTION_KEY", "e" * 32)
    assert (await csv(contract=contract).import_data()).masked[0].action == "tokenize"


def test_a_yaml_file_gives_defaults_and_the_options_win(root: Path) -> None:
    file = root / "importers.yaml"
    file.write_text(
        "importers:\n"
        "  csv: {delimiter: ';', skip_rows: 1, write: {mode: merge, key: [id]}}\n"
        "  spotify_api: {rate_limit: 3}\n"
    )
    importer = get_importer(
        "csv", "acme", {"path": "x", "skip_rows": 2, "write": {"key": ["a"]}}, config_file=file
    )
    config: Any = importer.source.config
    assert (config.delimiter, config.skip_rows) == (";", 2)
    assert (importer.plan.write.mode, list(importer.plan.write.key)) == ("merge", ["a"])
    spotify: Any = get_importer("spotify_api", "acme", SPOTIFY, config_file=file).source.config
    assert spotify.rate_limit.count == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("importers: [", "importers.yaml:2:1: not YAML"),
        ("other: {}", "expected importers:"),
        (None, "cannot read"),
    ],
)
def test_a_yaml_file_that_is_wrong_is_explained(root: Path, text: str | None, words: str) -> None:
    file = root / "importers.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        get_importer("csv", "acme", {"path": "x"}, config_file=file)


# ── trying again, stopping ───────────────────────────────────────────────────────────────────


async def test_a_source_without_retries_of_its_own_is_tried_again_as_a_whole(root: Path) -> None:
    """Another load of the same import holds the lock at first: a transient error."""
    first, second = csv(retry_attempts=3), csv(retry_attempts=1)
    holder = csv()
    spec = LoadSpec(
        tenant="acme",
        import_name="csv",
        table="csv",
        write=holder.plan.write,
        load_id=1,
        run=Run(run_id="other"),
        started_at=datetime.now(UTC),
    )
    with holder.sink.begin(spec):
        with pytest.raises(TransientError):
            await second.import_data()
        trying = asyncio.create_task(first.import_data())
        await asyncio.sleep(0.5)
    assert (await trying).rows == 2


async def test_cancelling_an_import_stops_its_thread(root: Path) -> None:
    with (root / "plays.csv").open("w") as stream:
        stream.write("id,email\n")
        stream.writelines(f"{n},user{n}@example.com\n" for n in range(400_000))
    task = asyncio.create_task(csv(checkpoint={"rows": 1000}).import_data())
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(200):
        if not {"read", "transform"} & {thread.name for thread in threading.enumerate()}:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the load's threads still run")


# ── many importers ───────────────────────────────────────────────────────────────────────────


def several(root: Path) -> list[Importer]:
    for name in "abc":
        (root / f"{name}.csv").write_text(f"id\n{name}\n")
    paths = {"a": "a.csv", "b": "missing/nothing.csv", "c": "c.csv"}
    importers = [get_importer("csv", n, {"path": path}) for n, path in paths.items()]
    contract = {"columns": {"id": {"pii": "hash"}}}  # without a key, which is an error
    importers[1] = get_importer("csv", "b", {"path": "b.csv", "contract": contract})
    return importers


@pytest.mark.parametrize("parallel", [True, False])
async def test_one_failure_does_not_stop_the_others_and_results_keep_their_order(
    root: Path, parallel: bool
) -> None:
    results = await orchestrate_import_pipeline(several(root), parallel=parallel)
    assert [r.name for r in results] == ["a__csv", "b__csv", "c__csv"]
    assert [r.ok for r in results] == [True, False, True]
    assert isinstance(results[0].report, LoadReport)
    assert results[1].report is None
    assert isinstance(results[1].error, ConfigurationError)


class Counting(Importer):
    """Notes how many imports are under way at once."""

    now = most = 0

    async def import_data(self, **_: Any) -> LoadReport:
        Counting.now += 1
        Counting.most = max(Counting.most, Counting.now)
        await asyncio.sleep(0.01)
        Counting.now -= 1
        raise TransientError("not now")


@pytest.mark.parametrize(
    ("parallel", "bound", "most"), [(True, 3, 3), (True, 50, 8), (False, 5, 1)]
)
async def test_no_more_run_at_once_than_allowed(parallel: bool, bound: int, most: int) -> None:
    base = csv()
    Counting.now = Counting.most = 0
    importers = [Counting(base.plan, source=base.source, sink=base.sink) for _ in range(8)]
    await orchestrate_import_pipeline(importers, parallel=parallel, max_concurrency=bound)
    assert Counting.most == most


async def test_a_concurrency_below_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 1, not 0"):
        await orchestrate_import_pipeline([], max_concurrency=0)
    assert await orchestrate_import_pipeline([]) == []


async def test_the_health_of_both_ends_of_every_importer_is_reported(root: Path) -> None:
    broken = get_importer("rest", "b", {"path": "x", "base_url": "http://127.0.0.1:9"})
    found = await ImporterHealthCheck().check_all_importers_health([csv(), broken])
    assert found["acme__csv"].ok
    assert "DuckDB" in found["acme__csv"].destination.message
    assert not found["b__rest"].ok
    assert not found["b__rest"].source.ok
    assert found["b__rest"].destination.ok


class Silent(Importer):
    """Never answers."""

    async def check_health(self) -> Any:
        await asyncio.sleep(60)


async def test_an_importer_that_does_not_answer_counts_as_failed() -> None:
    base = csv()
    silent = Silent(base.plan, source=base.source, sink=base.sink)
    found = await ImporterHealthCheck(timeout=0.05).check_all_importers_health([silent])
    assert not found["acme__csv"].ok
    assert found["acme__csv"].source.message == "no answer in time"
