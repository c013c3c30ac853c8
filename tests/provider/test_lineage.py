"""What an import tells OpenLineage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.operators.files import CsvImportOperator

Read = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def loaded(
    run_dag: Callable[..., Any], connection: Callable[..., str], lineage: Read, tmp_path: Path
) -> Callable[..., dict[str, dict[str, Any]]]:
    """Return a function that imports three people and gives the task's events by their type."""
    connection("warehouse", conn_type="duckdb", host=str(tmp_path / "acme.duckdb"))
    connection("vault", conn_type="generic", password="a key of some length, kept in a vault")
    text = "Id,Email,Age\n1,ann@example.com,30\n2,bob@example.com,40\n3,cy@example.com,50\n"
    (tmp_path / "people.csv").write_text(text)

    def run(**words: Any) -> dict[str, dict[str, Any]]:
        given: dict[str, Any] = {
            "contract": {
                "columns": {
                    "id": {"type": "bigint", "source_name": "Id", "description": "who"},
                    "email": {"type": "string", "source_name": "Email", "pii": "hash"},
                    "age": {"type": "bigint"},
                }
            },
            "quality": [
                {"check": "not_null", "columns": ["id"]},
                {"check": "unique", "columns": ["id"], "severity": "warn"},
            ],
        }
        with DAG("lineage", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            CsvImportOperator(
                task_id="people",
                owner="growth",
                tenant="acme",
                path=str(tmp_path / "people.csv"),
                destination="warehouse",
                table="people",
                privacy={"key": "vault"},
                retries=0,
                retry_delay=timedelta(0),
                **given | words,
            )
        run_dag(dag)
        events = [event for event in lineage() if event["job"]["name"] == "lineage.people"]
        return {event["eventType"]: event for event in events}

    return run


def output(event: dict[str, Any]) -> dict[str, Any]:
    (found,) = event["outputs"]
    return dict(found)


def test_start_names_what_is_read_and_written_and_the_agreed_columns(
    loaded: Callable[..., Any], tmp_path: Path
) -> None:
    start = loaded()["START"]
    (read,) = start["inputs"]
    assert (read["namespace"], read["name"]) == ("file", str(tmp_path / "people.csv"))
    written = output(start)
    assert written["namespace"] == f"duckdb://{tmp_path}/acme.duckdb"
    assert written["name"] == "acme.main.people"
    fields = written["facets"]["schema"]["fields"]
    assert [field["name"] for field in fields] == ["id", "email", "age"]
    assert fields[0]["description"] == "who"


def test_complete_counts_rows_and_bytes(loaded: Callable[..., Any]) -> None:
    done = loaded()["COMPLETE"]
    counted = output(done)["outputFacets"]["outputStatistics"]
    assert counted["rowCount"] == 3
    assert counted["size"] > 0
    assert done["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 3


def test_column_lineage_marks_what_was_masked(loaded: Callable[..., Any]) -> None:
    fields = output(loaded()["COMPLETE"])["facets"]["columnLineage"]["fields"]
    (email,) = fields["email"]["inputFields"]
    (change,) = email["transformations"]
    assert email["field"] == "Email"
    assert (change["type"], change["subtype"], change["masking"]) == (
        "DIRECT",
        "TRANSFORMATION",
        True,
    )
    assert change["description"] == "hash"
    (plain,) = fields["age"]["inputFields"][0]["transformations"]
    assert (plain["subtype"], plain["masking"]) == ("IDENTITY", False)


def test_checks_become_assertions_of_the_input(loaded: Callable[..., Any]) -> None:
    facet = loaded()["COMPLETE"]["inputs"][0]["inputFacets"]["dataQualityAssertions"]
    found = {
        (a["assertion"], a["column"], a["success"], a["severity"]) for a in facet["assertions"]
    }
    assert found == {("not_null", "id", True, "error"), ("unique", "id", True, "warn")}


def test_tags_name_the_tenant_and_the_personal_columns(loaded: Callable[..., Any]) -> None:
    tags = output(loaded()["COMPLETE"])["facets"]["tags"]["tags"]
    found = {(tag["key"], tag["value"], tag.get("field")) for tag in tags}
    assert ("tenant", "acme", None) in found
    assert ("pii", "hash", "email") in found


def test_profile_shows_extremes_of_numbers_only_and_of_nobody(loaded: Callable[..., Any]) -> None:
    contract = {"columns": {"id": {"type": "bigint", "pii": "keep"}, "age": {"type": "bigint"}}}
    event = loaded(contract=contract, quality=[], pii={"undeclared": "ignore"})["COMPLETE"]
    metrics = output(event)["facets"]["dataQualityMetrics"]
    assert metrics["rowCount"] == 3
    assert (metrics["columnMetrics"]["age"]["min"], metrics["columnMetrics"]["age"]["max"]) == (
        30,
        50,
    )
    assert metrics["columnMetrics"]["id"].get("min") is None
    assert metrics["columnMetrics"]["email"].get("min") is None
    assert "example.com" not in str(event)


def test_owner_kind_and_place_are_told(loaded: Callable[..., Any], tmp_path: Path) -> None:
    done = loaded(write={"mode": "replace"})["COMPLETE"]
    facets = output(done)["facets"]
    assert facets["ownership"]["owners"] == [{"name": "growth", "type": "OWNER"}]
    assert facets["datasetType"]["datasetType"] == "TABLE"
    assert facets["lifecycleStateChange"]["lifecycleStateChange"] == "OVERWRITE"
    assert done["inputs"][0]["facets"]["datasetType"]["datasetType"] == "FILE"
    place = done["inputs"][0]["facets"]["dataSource"]["uri"]
    assert place == f"file://{tmp_path}/people.csv"


def test_failure_keeps_the_names_and_tells_the_error(loaded: Callable[..., Any]) -> None:
    failed = loaded(quality=[{"check": "row_count", "min": 99}])["FAIL"]
    assert output(failed)["name"] == "acme.main.people"
    assert "row_count" in failed["run"]["facets"]["errorMessage"]["message"]


def test_no_event_holds_a_secret_or_a_value(loaded: Callable[..., Any]) -> None:
    text = str(loaded())
    assert "kept in a vault" not in text
    assert "ann@example.com" not in text
