"""Schedules: YAML becomes a timetable in the tenant's zone, or waits for other imports."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.provider.folders import write_tenant

BASE = """
plays:
  source: {type: csv, path: "/data/plays.csv"}
  table: plays
"""


def dag_of(folder: Path, *, words: str, tenant_words: str = "", name: str = "plays") -> Any:
    from airflow_provider_spotify.dag_factory import load_tenants

    imports = BASE + "\n".join(f"  {line}" for line in words.splitlines())
    write_tenant(folder, imports=imports, head=tenant_words)
    namespace: dict[str, Any] = {}
    load_tenants(namespace, folder=folder)
    return namespace[f"acme__{name}"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def next_run(dag: Any, *, after: str) -> Any:
    """Ask the scheduler's own side of the timetable for the run that follows a moment."""
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    moment = pendulum.parse(after)
    restriction = TimeRestriction(earliest=moment, latest=None, catchup=True)
    return dag.timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)


def test_a_cron_text_is_read_in_the_tenants_zone(tmp_path: Path) -> None:
    dag = dag_of(tmp_path, words='schedule: "0 6 * * *"')
    info = next_run(dag, after="2026-01-15T00:00:00Z")
    assert info.run_after == moment("2026-01-15T05:00:00Z")
    summer = next_run(dag, after="2026-07-15T00:00:00Z")
    assert summer.run_after == moment("2026-07-15T04:00:00Z")


def test_an_import_may_have_a_zone_of_its_own(tmp_path: Path) -> None:
    dag = dag_of(tmp_path, words='schedule: {cron: "0 6 * * *", timezone: America/New_York}')
    info = next_run(dag, after="2026-01-15T00:00:00Z")
    assert info.run_after == moment("2026-01-15T11:00:00Z")


@pytest.mark.parametrize("configured", ["True", "False"])
def test_windows_by_interval_are_a_whole_period_whatever_airflow_is_configured_to(
    tmp_path: Path, configured: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS", configured)
    dag = dag_of(tmp_path, words='schedule: "@daily"\nincremental: {by: interval}')
    info = next_run(dag, after="2026-01-15T00:00:00+01:00")
    assert info.data_interval.start == moment("2026-01-14T23:00:00Z")
    assert info.data_interval.end == moment("2026-01-15T23:00:00Z")
    assert info.run_after == info.data_interval.end


def test_imports_by_cursor_run_at_the_hour_itself(tmp_path: Path) -> None:
    info = next_run(dag_of(tmp_path, words='schedule: "@daily"'), after="2026-01-15T00:00:00+01:00")
    assert info.run_after == moment("2026-01-14T23:00:00Z")
    assert info.data_interval.start == info.data_interval.end


def test_without_a_schedule_an_import_runs_by_hand(tmp_path: Path) -> None:
    dag = dag_of(tmp_path, words="")
    assert dag.schedule is None
    assert dag.timetable.can_be_scheduled is False


def test_the_start_is_midnight_in_the_tenants_zone(tmp_path: Path) -> None:
    dag = dag_of(tmp_path, words="")
    assert dag.start_date == moment("2025-12-31T23:00:00Z")
    assert dag.timezone.name == "Europe/Stockholm"


AFTER = """
skips:
  source: {type: csv, path: "/data/skips.csv"}
  table: skips
likes:
  source: {type: csv, path: "/data/likes.csv"}
  table: likes
"""


def built(folder: Path, imports: str) -> dict[str, Any]:
    from airflow_provider_spotify.dag_factory import load_tenants

    write_tenant(folder, imports=imports)
    namespace: dict[str, Any] = {}
    load_tenants(namespace, folder=folder)
    return namespace


def test_after_waits_for_every_import_that_it_names(tmp_path: Path) -> None:
    dags = built(tmp_path, f"{BASE.rstrip()}\n  after: [skips, likes]\n{AFTER}")
    condition = dags["acme__plays"].timetable.asset_condition
    assert type(condition).__name__ == "AssetAll"
    outlets = [dags[name].get_task("import").outlets[0] for name in ("acme__skips", "acme__likes")]
    assert list(condition.objects) == outlets


def test_an_import_with_both_runs_by_time_or_after_the_others(tmp_path: Path) -> None:
    words = 'after: [skips]\n  schedule: "@hourly"'
    timetable = built(tmp_path, f"{BASE.rstrip()}\n  {words}\n{AFTER}")["acme__plays"].timetable
    assert type(timetable).__name__ == "AssetOrTimeSchedule"
    assert timetable.timetable.expression == "0 * * * *"


def test_an_asset_is_named_for_the_table_and_survives_airflows_validation(tmp_path: Path) -> None:
    dags = built(tmp_path, BASE + AFTER)
    (asset,) = dags["acme__plays"].get_task("import").outlets
    assert (asset.name, asset.uri) == ("acme.plays", "x-import://acme/duckdb/plays")
    assert asset.normalized_uri in (asset.uri, None)
    names = {dag.get_task("import").outlets[0].name for dag in dags.values()}
    assert len(names) == len(dags)
