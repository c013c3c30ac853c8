"""What a contract says of a record that it rejects, and what it never says."""

from __future__ import annotations

from airflow_provider_spotify.core.config.rules import ColumnPlan
from tests.core.transforms.contracts import contract, text


def test_reasons_show_only_the_shape_of_a_value_where_the_import_has_personal_columns() -> None:
    columns = {
        "n": ColumnPlan(type="bigint"),
        "who": ColumnPlan(type="bigint", pii="redact"),
    }
    agreed = contract(textual=True, columns=columns)
    _, rejected = agreed.apply(text(n=["Anna 12", "1"], who=["1", "Bea"]))
    assert rejected is not None
    assert rejected["reason"].to_pylist() == [
        "a value like 'aaaa 99' is not a bigint",
        "a value is not a bigint",
    ]


def test_a_value_that_looks_personal_is_never_quoted() -> None:
    agreed = contract(textual=True, columns={"n": ColumnPlan(type="bigint")})
    _, rejected = agreed.apply(text(n=["anna@example.com"]))
    assert rejected is not None
    assert rejected["reason"][0].as_py() == "a value that looks like e-mail is not a bigint"


def test_a_place_that_the_source_tells_is_kept_with_the_record() -> None:
    batch = text(n=["1", "x"]).replace_schema_metadata({b"location": b"songs.csv"})
    _, rejected = contract(textual=True, columns={"n": ColumnPlan(type="bigint")}).apply(batch)
    assert rejected is not None
    assert rejected["location"][0].as_py() == "songs.csv, row 2 of its batch"
