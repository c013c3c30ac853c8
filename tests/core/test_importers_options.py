"""The options of an importer: words of YAML, credentials, environment and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.importers import get_importer
from tests.core.csv_importers import SPOTIFY, clean_root, csv

root = pytest.fixture(clean_root, autouse=True)


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
