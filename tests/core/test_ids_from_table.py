"""An import may read by the values that another import left in the destination."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import LoadReport, Run
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Sink
from tests.core.imports import duckdb_sink, load, plan, rows
from tests.services.spotify_api.fixtures import EXTENDED_APP, reader, spotify
from tests.services.spotify_api.server import SpotifyServer

__all__ = ["spotify"]
ARTISTS = {"resource": "artists", "ids_from": {"table": "chosen", "column": "artist"}}
MERGE = {"mode": "merge", "key": ["id"]}


def choose(sink: Sink[Any], *ids: str, run: str) -> None:
    """Let another import leave these ids in the table ``chosen``."""
    batch = pa.RecordBatch.from_pydict({"artist": list(ids)})
    write = {"mode": "replace"}
    load(sink, batch, run=run, name="chosen", table="chosen", write=write)


def follow(sink: Sink[Any], server: SpotifyServer, *, run: str, **config: Any) -> LoadReport:
    """Import the artists whose ids stand in ``chosen``."""
    source = reader(server, EXTENDED_APP, **(ARTISTS | config))
    words = plan(name="artists", table="artists", write=MERGE)
    return run_import(words, source=source, sink=sink, run=Run(run_id=run))


def test_ids_come_from_the_table_and_each_is_read_once(
    tmp_path: Path, spotify: SpotifyServer
) -> None:
    sink, known = duckdb_sink(tmp_path), list(spotify.state.catalogue.artists)
    choose(sink, known[5], known[2], known[5], run="1")
    assert follow(sink, spotify, run="1").rows == 2
    choose(sink, known[5], known[2], known[0], run="2")
    assert follow(sink, spotify, run="2").rows == 1
    assert follow(sink, spotify, run="3").rows == 0
    assert {row["id"] for row in rows(sink, "artists")} == {known[0], known[2], known[5]}


def test_a_table_that_is_not_there_yet_gives_no_ids(tmp_path: Path, spotify: SpotifyServer) -> None:
    assert follow(duckdb_sink(tmp_path), spotify, run="1").rows == 0


def test_a_column_that_is_not_there_is_named(tmp_path: Path, spotify: SpotifyServer) -> None:
    sink = duckdb_sink(tmp_path)
    choose(sink, "x", run="1")
    place = {"table": "chosen", "column": "artists"}
    with pytest.raises(ConfigurationError, match=r"'chosen' has no column 'artists'"):
        follow(sink, spotify, run="1", ids_from=place)
