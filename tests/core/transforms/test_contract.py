"""Names and modes of the contract: what passes, what stops and what is set aside."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.config.rules import ColumnPlan
from airflow_provider_spotify.core.errors import ConfigurationError, ContractViolation
from airflow_provider_spotify.core.transforms.faults import VALUE_DISCARDED
from tests.core.transforms.contracts import KNOWN, contract


def test_two_names_that_collide_are_an_error_that_names_both() -> None:
    with pytest.raises(ConfigurationError, match=r"'Track Name' and 'trackName' both become"):
        contract().apply(pa.RecordBatch.from_pydict({"Track Name": [1], "trackName": [2]}))


def test_a_column_that_would_be_the_load_id_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="keeps for itself"):
        contract().apply(pa.RecordBatch.from_pydict({"_load_id": [1]}))


def test_columns_are_renamed_selected_and_excluded() -> None:
    agreed = contract(
        columns={"song": ColumnPlan(source_name="Track Name")},
        select=["song", "Artist", "year"],
        exclude=["year"],
    )
    batch, _ = agreed.apply(
        pa.RecordBatch.from_pydict({"Track Name": ["x"], "artist": ["y"], "year": [1], "z": [2]})
    )
    assert batch.to_pylist() == [{"song": "x", "artist": "y"}]


def test_freeze_stops_at_a_breaking_value_and_says_what_to_do() -> None:
    agreed = contract(known=KNOWN, mode="freeze")
    with pytest.raises(ContractViolation, match=r"'id': 'x' is not a bigint.*frozen.*evolve"):
        agreed.apply(pa.RecordBatch.from_pydict({"id": ["x"], "name": ["a"]}))


def test_freeze_stops_at_a_new_column_with_values_but_not_at_an_empty_one() -> None:
    agreed = contract(known=KNOWN, mode="freeze")
    empty = pa.RecordBatch.from_pydict({"id": [1], "name": ["a"], "new": pa.nulls(1)})
    assert agreed.apply(empty).batch.to_pylist() == [{"id": 1, "name": "a"}]
    with pytest.raises(ContractViolation, match="'new'"):
        agreed.apply(pa.RecordBatch.from_pydict({"id": [1], "name": ["a"], "new": [1.5]}))


def test_discard_row_sets_breaking_rows_aside() -> None:
    agreed = contract(known=KNOWN, mode="discard_row")
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pydict({"id": ["1", "x", "3"], "name": list("abc"), "n": [None, 1, 2]})
    )
    assert batch.to_pylist() == [{"id": 1, "name": "a"}]
    assert rejected is not None
    assert rejected["column_name"].to_pylist() == ["id", "n"]
    assert agreed.schema == KNOWN


def test_discard_value_keeps_the_row_and_records_what_went() -> None:
    agreed = contract(known=KNOWN, mode="discard_value")
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pydict({"id": ["1", "x"], "name": ["a", "b"]})
    )
    assert batch.to_pylist() == [{"id": 1, "name": "a"}, {"id": None, "name": "b"}]
    assert rejected is not None
    [row] = rejected.to_pylist()
    assert row["reason"].startswith(VALUE_DISCARDED)
    assert json.loads(row["record"]) == {"id": "x", "name": "b"}


@pytest.mark.parametrize("mode", ["evolve", "discard_row", "discard_value"])
def test_a_row_without_a_required_value_is_rejected(mode: str) -> None:
    columns = {"id": ColumnPlan(required=True, type="bigint")}
    agreed = contract(mode=mode, columns=columns)
    batch, rejected = agreed.apply(pa.RecordBatch.from_pydict({"id": [1, None], "b": ["x", "y"]}))
    assert batch["id"].to_pylist() == [1]
    assert rejected is not None
    assert rejected.num_rows == 1
    batch, rejected = agreed.apply(pa.RecordBatch.from_pydict({"b": ["z"]}))
    assert batch.num_rows == 0
    assert rejected is not None


def test_a_row_without_a_required_value_stops_a_frozen_contract() -> None:
    agreed = contract(mode="freeze", columns={"id": ColumnPlan(required=True)})
    with pytest.raises(ContractViolation, match="required"):
        agreed.apply(pa.RecordBatch.from_pydict({"id": [1, None]}))


def test_columns_that_a_batch_lacks_are_null() -> None:
    agreed = contract(known=KNOWN)
    batch, _ = agreed.apply(pa.RecordBatch.from_pydict({"name": ["a"]}))
    assert batch.to_pylist() == [{"id": None, "name": "a"}]


def test_a_batch_that_is_as_agreed_is_passed_on_without_a_copy() -> None:
    agreed = contract(known=KNOWN)
    batch = pa.RecordBatch.from_pydict({"id": [1, 2], "name": ["a", "b"]}, schema=KNOWN)
    assert agreed.apply(batch).batch is batch
