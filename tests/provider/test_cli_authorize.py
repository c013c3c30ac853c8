"""``authorize --save`` puts a connection into Airflow's own database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_spotify.cli.storing import save
from airflow_provider_spotify.core.errors import ConfigurationError

FIELDS = {
    "conn_type": "spotify",
    "login": "app",
    "password": "app-secret",
    "extra": {"refresh_token": "refresh-1", "market": "SE"},
}


def test_a_saved_connection_is_airflows_and_replaces_the_older_one(
    airflow_db: Path, tmp_path: Path
) -> None:
    """Airflow's own command exports what it has."""
    for token in ("refresh-0", "refresh-1"):
        save("authorised", {**FIELDS, "extra": {"refresh_token": token, "market": "SE"}})
    file = tmp_path / "connections.json"
    command = [sys.executable, "-m", "airflow", "connections", "export", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(file.read_text())["authorised"]
    assert {name: found[name] for name in ("conn_type", "login", "password")} == {
        "conn_type": "spotify",
        "login": "app",
        "password": "app-secret",
    }
    extra = found["extra"]
    assert (json.loads(extra) if isinstance(extra, str) else extra) == FIELDS["extra"]


def test_an_airflow_that_cannot_save_says_so_and_repeats_no_secret(
    airflow_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////nowhere/airflow.db")
    with pytest.raises(ConfigurationError, match="connections import") as caught:
        save("authorised", FIELDS)
    assert "app-secret" not in str(caught.value)


def test_a_variable_that_hides_the_saved_connection_is_named(
    airflow_db: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AUTHORISED", "spotify://")
    save("authorised", FIELDS)
    assert "AIRFLOW_CONN_AUTHORISED is set and hides" in capsys.readouterr().err
