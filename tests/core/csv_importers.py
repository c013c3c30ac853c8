"""Importers of a small CSV in the folder of one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.importers import Importer, get_importer

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


def clean_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let relative paths start from the test's folder, and no variable of this machine count.

    A module's fixture ``root``, to be used by every test of it.
    """
    monkeypatch.setenv("SPOTIFY_IMPORTS_ROOT", str(tmp_path))
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "plays.csv").write_text("id,email\n1,a@example.com\n2,b@example.com\n")
    return tmp_path


def csv(**options: Any) -> Importer:
    return get_importer("csv", "acme", {"path": "plays.csv", **options})
