"""Many importers together: their order, how many at once, and their health."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import LoadReport
from airflow_provider_spotify.importers import (
    Importer,
    ImporterHealthCheck,
    get_importer,
    orchestrate_import_pipeline,
)
from tests.core.csv_importers import clean_root, csv

root = pytest.fixture(clean_root, autouse=True)


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
