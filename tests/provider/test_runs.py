"""What a task's context says about how far an import runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import IncrementalPlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.operators.runs import run_of

CURSOR, INTERVAL = IncrementalPlan(), IncrementalPlan(by="interval")
DAY = datetime(2026, 1, 1, tzinfo=UTC)
NEXT = datetime(2026, 1, 2, tzinfo=UTC)


def context(*, kind: str = "scheduled", start: Any = DAY, end: Any = NEXT, **params: Any) -> Any:
    """Return the parts of a task's context that a run is read from."""
    return {
        "run_id": "scheduled__2026-01-02",
        "params": params,
        "dag_run": SimpleNamespace(run_type=kind),
        "ti": SimpleNamespace(map_index=-1),
        "data_interval_start": start,
        "data_interval_end": end,
    }


def test_scheduled_run_goes_on_from_the_cursor() -> None:
    run = run_of(context(), incremental=CURSOR)
    assert (run.run_id, run.window, run.partition) == ("scheduled__2026-01-02", None, None)


def test_import_by_interval_reads_the_runs_data_interval() -> None:
    assert run_of(context(), incremental=INTERVAL).window == Window(start=DAY, end=NEXT)


def test_backfill_reads_its_data_interval_and_leaves_the_cursor() -> None:
    assert run_of(context(kind="backfill"), incremental=CURSOR).window == Window(
        start=DAY, end=NEXT
    )


@pytest.mark.parametrize(("start", "end"), [(DAY, DAY), (None, None)])
def test_interval_without_length_is_no_window(start: Any, end: Any) -> None:
    assert run_of(context(start=start, end=end), incremental=INTERVAL).window is None


def test_window_that_a_person_asks_for_comes_first() -> None:
    asked = {"window_from": "2025-12-01", "window_to": "2025-12-02T00:00:00+01:00"}
    window = run_of(context(kind="backfill", **asked), incremental=INTERVAL).window
    assert window is not None
    assert window.start == datetime(2025, 12, 1, tzinfo=UTC)
    assert window.end == datetime(2025, 12, 1, 23, tzinfo=UTC)


def test_window_without_an_end_reaches_to_now() -> None:
    before = datetime.now(UTC)
    window = run_of(context(window_from="2025-12-01T00:00:00Z"), incremental=CURSOR).window
    assert window is not None
    assert before <= window.end <= datetime.now(UTC)


@pytest.mark.parametrize(
    "asked",
    [
        {"window_to": "2026-01-01"},
        {"window_from": "yesterday"},
        {"window_from": "2026-01-02", "window_to": "2026-01-01"},
    ],
)
def test_window_that_is_none_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="window_from"):
        run_of(context(**asked), incremental=CURSOR)


def test_full_refresh_and_dry_run_come_from_the_form() -> None:
    run = run_of(context(full_refresh=True, dry_run=True), incremental=INTERVAL)
    assert (run.full_refresh, run.dry_run, run.window) == (True, True, None)


def test_mapped_task_names_its_part_of_the_load() -> None:
    mapped = context()
    mapped["ti"].map_index = 3
    assert run_of(mapped, incremental=CURSOR).partition == "3"


def test_an_import_by_interval_looks_back_as_far_as_it_says() -> None:
    plan = IncrementalPlan.model_validate({"by": "interval", "lookback": "2h"})
    window = run_of(context(), incremental=plan).window
    assert window == Window(start=DAY - timedelta(hours=2), end=NEXT)
