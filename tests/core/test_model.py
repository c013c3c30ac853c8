"""The nouns: they refuse what is malformed, hide what is secret and never change."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import (
    ROOT_SETTING,
    Credentials,
    LoadReport,
    Run,
    Window,
    load_id,
    rooted,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)


# ── credentials ──────────────────────────────────────────────────────────────────────────────


def test_a_uri_becomes_credentials() -> None:
    found = Credentials.from_uri(
        "postgresql://me:p%40ss@db.example:5433/ware%2Fhouse?sslmode=require"
    )
    assert (found.host, found.port, found.login) == ("db.example", 5433, "me")
    assert (found.secret(), found.database) == ("p@ss", "ware/house")
    assert found.extra == {"sslmode": "require"}


def test_a_uri_may_leave_things_out() -> None:
    found = Credentials.from_uri("redis://localhost")
    assert (found.port, found.login, found.password, found.database) == (None, None, None, None)
    assert found.secret() is None
    assert found.secret("token") is None


@pytest.mark.parametrize("uri", ["postgresql://me:s3cr/et@host:5432/db", "http://[s3cret]:1/"])
def test_a_malformed_uri_is_refused_and_never_repeated(uri: str) -> None:
    """Not in the message, nor in what a traceback prints before it."""
    with pytest.raises(ConfigurationError, match="malformed") as caught:
        Credentials.from_uri(uri)
    assert "s3cr" not in "".join(traceback.format_exception(caught.value, limit=0))


def test_printing_credentials_shows_no_secret() -> None:
    held = Credentials(host="h", login="me", password=SecretStr("s3cret"), extra={"token": "t0ken"})
    for shown in (repr(held), str(held), f"{held}"):
        assert "s3cret" not in shown
        assert "t0ken" not in shown
    assert held.secret() == "s3cret"
    assert held.secret("token") == "t0ken"


def test_a_noun_neither_changes_nor_takes_unknown_keys() -> None:
    held = Credentials(host="h")
    with pytest.raises(ValidationError, match="frozen"):
        held.host = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="passwort"):
        Credentials.model_validate({"passwort": "x"})


# ── windows ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", [DAY, DAY - timedelta(seconds=1)])
def test_a_window_ends_after_it_starts(end: datetime) -> None:
    with pytest.raises(ValidationError, match="is not before end"):
        Window(start=DAY, end=end)


def test_a_window_has_a_zone() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Window(start=DAY.replace(tzinfo=None), end=DAY + timedelta(days=1))


# ── load ids ─────────────────────────────────────────────────────────────────────────────────

words = st.text(max_size=20)


@settings(deadline=None)
@given(words, words, words)
def test_a_load_id_is_a_positive_63_bit_integer_and_always_the_same(
    tenant: str, name: str, run_id: str
) -> None:
    run = Run(run_id=run_id)
    found = load_id(tenant, name, run)
    assert 0 <= found < 2**63
    assert found == load_id(tenant, name, run.model_copy())


def test_the_id_of_a_known_load_does_not_change_between_releases() -> None:
    """A retry after an upgrade must still replace what the run left before."""
    assert load_id("acme", "plays", Run(run_id="manual__1")) == 3437505278377925493


def test_loads_that_differ_in_anything_have_different_ids() -> None:
    one = Run(run_id="one")
    different = [
        load_id("acme", "plays", one),
        load_id("borg", "plays", one),
        load_id("acme", "skips", one),
        load_id("acme", "plays", Run(run_id="two")),
        load_id("acme", "plays", Run(run_id="one", partition="1/2")),
        load_id("acme", "plays", Run(run_id="one", partition="2/2")),
        load_id(
            "acme",
            "plays",
            Run(run_id="x", window=Window(start=DAY, end=DAY.max.replace(tzinfo=UTC))),
        ),
        load_id("acmep", "lays", one),
    ]
    assert len(set(different)) == len(different)


def test_a_window_is_one_load_whoever_runs_it_and_in_whatever_zone() -> None:
    window = Window(start=DAY, end=DAY + timedelta(days=1))
    east = Window.model_validate(
        {"start": "2026-03-01T02:00:00+02:00", "end": "2026-03-02T02:00:00+02:00"}
    )
    assert load_id("a", "b", Run(run_id="scheduled", window=window)) == load_id(
        "a", "b", Run(run_id="backfill", window=east)
    )


@pytest.mark.parametrize("words", [{"full_refresh": True}, {"dry_run": True}, {"replay": True}])
def test_how_a_run_reads_does_not_change_its_id(words: dict[str, bool]) -> None:
    assert load_id("a", "b", Run(run_id="x")) == load_id(
        "a", "b", Run.model_validate({"run_id": "x", **words})
    )


# ── paths ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/data/a.csv", "s3://bucket/a*.csv", ":memory:"])
def test_a_place_that_is_whole_stays_as_it_is(path: str) -> None:
    assert rooted(path) == path


def test_a_relative_path_starts_at_the_root_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ROOT_SETTING, raising=False)
    monkeypatch.chdir(tmp_path)
    assert rooted("data/*.csv") == str(tmp_path / "data/*.csv")
    monkeypatch.setenv(ROOT_SETTING, "/srv/imports")
    assert rooted("data/*.csv") == "/srv/imports/data/*.csv"


def test_a_report_survives_being_written_as_json() -> None:
    report = LoadReport(
        tenant="acme",
        import_name="plays",
        table="plays",
        load_id=1,
        run_id="run",
        source=("memory", "batches"),
        destination=("duckdb", "plays"),
        started_at=DAY,
        finished_at=DAY,
        cursor_after={"batches": 1},
        seconds={"read": 0.5},
    )
    again = LoadReport.model_validate_json(report.model_dump_json())
    assert again.model_dump(mode="json") == report.model_dump(mode="json")
