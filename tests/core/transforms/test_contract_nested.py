"""Nested values under a contract: they stay nested, grow, or become JSON."""

from __future__ import annotations

import pyarrow as pa

from tests.core.transforms.contracts import contract


def test_nested_values_stay_nested_and_grow_with_the_data() -> None:
    agreed = contract()
    agreed.apply(pa.RecordBatch.from_pylist([{"a": {"userId": 1, "n": None}, "l": [1]}]))
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pylist(
            [{"a": {"userId": 2, "n": "x"}, "l": [1.5]}, {"a": None, "l": []}]
        )
    )
    assert rejected is None
    assert batch.to_pylist() == [
        {"a": {"userId": 2, "n": "x"}, "l": [1.5]},
        {"a": None, "l": []},
    ]
    batch, _ = agreed.apply(pa.RecordBatch.from_pylist([{"a": {"userId": 3}, "l": [7]}]))
    assert batch.to_pylist() == [{"a": {"userId": 3, "n": None}, "l": [7.0]}]


def test_nested_values_that_turn_scalar_become_json_text() -> None:
    agreed = contract()
    agreed.apply(pa.RecordBatch.from_pylist([{"a": {"x": 1}}]))
    batch, _ = agreed.apply(pa.RecordBatch.from_pylist([{"a": "plain"}]))
    assert batch["a"].to_pylist() == ["plain"]
    batch, _ = agreed.apply(pa.RecordBatch.from_pylist([{"a": {"x": 2}}]))
    assert batch["a"].to_pylist() == ['{"x":2}']


def test_discard_row_keeps_nested_values_that_only_lack_fields() -> None:
    known = pa.schema([("a", pa.struct([("x", pa.int64()), ("y", pa.int64())]))])
    agreed = contract(known=known, mode="discard_row")
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pylist([{"a": {"x": 1, "z": None}}, {"a": {"x": 2, "z": 3}}])
    )
    assert batch.to_pylist() == [{"a": {"x": 1, "y": None}}]
    assert rejected is not None
    assert rejected.num_rows == 1
