"""Lineage before and after a load, in no library's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import (
    DestinationPlan,
    ImportPlan,
    SourcePlan,
)
from airflow_provider_spotify.core.lineage import naming
from airflow_provider_spotify.core.lineage.facts import declared, loaded
from airflow_provider_spotify.core.model import (
    ColumnProfile,
    DatasetName,
    Frozen,
    LoadReport,
    MaskedColumn,
)

SOURCE = DatasetName("file", "/in/people.csv")
TABLE = DatasetName("postgres://db:5432", "shop.public.people")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def plan(**words: Any) -> ImportPlan:
    return ImportPlan.model_validate(
        {
            "tenant": "acme",
            "name": "people",
            "source": SourcePlan(type="csv", config=Frozen()),
            "destination": DestinationPlan(type="postgres", config=Frozen()),
            "table": "people",
            **words,
        }
    )


def report(*columns: ColumnProfile, **words: Any) -> LoadReport:
    return LoadReport(
        tenant="acme",
        import_name="people",
        table="people",
        load_id=7,
        run_id="r",
        source=SOURCE,
        destination=TABLE,
        started_at=NOW,
        finished_at=NOW,
        columns=columns,
        **words,
    )


def profile(name: str, low: Any, high: Any) -> ColumnProfile:
    return ColumnProfile(name=name, type="bigint", nulls=0, min=low, max=high, quantiles=(1.0,))


def test_before_a_load_the_declared_columns_are_known_but_for_those_that_privacy_drops() -> None:
    contract = {"columns": {"id": {"type": "bigint"}, "name": {"pii": "drop"}}}
    known = declared(plan(contract=contract), source=SOURCE, destination=TABLE)
    assert [(column.name, column.type) for column in known.columns] == [("id", "bigint")]
    assert known.metrics() == ()


def test_after_a_load_a_column_knows_its_field_and_how_it_was_masked() -> None:
    contract = {"columns": {"email": {"source_name": "E-Mail", "pii": "hash"}}}
    masked = (MaskedColumn(name="email", action="hash"),)
    done = report(profile("email", None, None), profile("age", 1, 9), masked=masked)
    email, age = loaded(plan(contract=contract), done).columns
    assert (email.source_field, email.masking, email.personal) == ("E-Mail", "hash", True)
    assert (age.source_field, age.masking, age.personal) == ("age", None, False)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (profile("age", 30, 50), {"contract": {"columns": {"age": {"pii": "keep"}}}}),
        (profile("name", "Ann", "Zoe"), {}),
        (profile("born", NOW, NOW), {}),
    ],
)
def test_extremes_of_people_and_of_anything_but_numbers_are_left_out(
    column: ColumnProfile, words: dict[str, Any]
) -> None:
    (shown,) = loaded(plan(**words), report(column)).metrics()
    assert (shown.min, shown.max, shown.quantiles) == (None, None, None)


def test_extremes_of_a_column_where_a_sample_found_people_are_left_out() -> None:
    done = report(profile("phone", 461, 462), undeclared_pii={"phone": "phone"})
    (shown,) = loaded(plan(), done).metrics()
    assert shown.min is None


def test_extremes_of_plain_numbers_are_shown() -> None:
    (shown,) = loaded(plan(), report(profile("age", 30, 50))).metrics()
    assert (shown.min, shown.max) == (30, 50)


def test_error_checks_on_columns_decide_which_rows_arrive() -> None:
    quality = [
        {"check": "not_null", "columns": ["id", "at"]},
        {"check": "regex", "column": "email", "pattern": "@"},
        {"check": "unique", "columns": ["name"], "severity": "warn"},
    ]
    known = declared(plan(quality=quality), source=SOURCE, destination=TABLE)
    assert known.filtered_by == ["at", "email", "id"]


@pytest.mark.parametrize(
    ("name", "kind", "uri"),
    [
        (SOURCE, "FILE", "file:///in/people.csv"),
        (DatasetName("s3://lake", "in/a b.csv"), "FILE", "s3://lake/in/a%20b.csv"),
        (TABLE, "TABLE", "postgres://db:5432/shop.public.people"),
        (DatasetName("duckdb:///w/a.duckdb", "a.main.t"), "TABLE", "duckdb:///w/a.duckdb/a.main.t"),
        (DatasetName("kafka://k:9092", "plays"), "STREAM", "kafka://k:9092/plays"),
        (DatasetName("https://api.io", "/v1/users"), "API", "https://api.io/v1/users"),
    ],
)
def test_name_tells_kind_and_uri(name: DatasetName, kind: str, uri: str) -> None:
    assert (naming.kind(name), naming.uri(name)) == (kind, uri)
