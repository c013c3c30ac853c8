"""Importers work without Airflow and without YAML: one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import Run
from airflow_provider_spotify.core.sinks.base import LoadSpec
from airflow_provider_spotify.importers import get_importer
from tests.core.csv_importers import SPOTIFY, clean_root, csv

root = pytest.fixture(clean_root, autouse=True)


async def test_an_import_lands_in_the_tenants_own_file_and_goes_on_from_there(root: Path) -> None:
    importer = csv(path="*.csv")
    assert importer.name == "acme__csv"
    report = await importer.import_data()
    assert (report.rows, report.table) == (2, "csv")
    assert (root / "warehouse" / "acme.duckdb").exists()
    (root / "more.csv").write_text("id,email\n3,c@example.com\n")
    assert (await importer.import_data()).rows == 1
    assert importer.sink.query("SELECT count(*) AS n FROM csv").to_pylist() == [{"n": 3}]


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
    await _until(lambda: "read" in _names())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: not {"read", "transform"} & _names())


def _names() -> set[str]:
    """Return the names of the threads that run."""
    return {thread.name for thread in threading.enumerate()}


async def _until(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not so():  # noqa: ASYNC110 - threads have no event
            await asyncio.sleep(0.005)
