"""What the profile of a load says, and what it must not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from airflow_provider_spotify.core.config.rules import ColumnPlan
from airflow_provider_spotify.core.model import ColumnProfile
from airflow_provider_spotify.core.transforms.privacy import Privacy
from airflow_provider_spotify.core.transforms.profile import SAMPLE, Profile


def profiled(*batches: dict[str, Any]) -> dict[str, ColumnProfile]:
    profile = Profile()
    for batch in batches:
        profile.observe(pa.RecordBatch.from_pydict(batch))
    return {column.name: column for column in profile.columns()}


def test_nulls_and_ends_are_exact_over_all_batches() -> None:
    found = profiled({"a": [3, None], "s": ["b", "é"]}, {"a": [-1, 9], "s": ["a", None]})
    assert (found["a"].nulls, found["a"].min, found["a"].max) == (1, -1, 9)
    assert (found["s"].nulls, found["s"].min, found["s"].max) == (1, "a", "é")
    assert (found["a"].type, found["a"].distinct) == ("bigint", 3)


def test_a_column_that_comes_late_or_goes_missing_is_null_elsewhere() -> None:
    found = profiled({"a": [1, 2]}, {"b": [1]}, {"a": [1], "b": [2]})
    assert (found["a"].nulls, found["b"].nulls) == (1, 2)


def test_a_large_load_is_sampled_evenly_and_keeps_its_ends() -> None:
    rows, size = 300_000, 7_000
    parts = [{"a": list(range(i, min(i + size, rows)))} for i in range(0, rows, size)]
    found = profiled(*parts)["a"]
    assert (found.min, found.max) == (0, rows - 1)
    assert found.quantiles is not None
    wanted = [rows * q for q in (0.05, 0.25, 0.5, 0.75, 0.95)]
    assert all(abs(q - w) < rows * 0.02 for q, w in zip(found.quantiles, wanted, strict=True))
    assert found.distinct is not None
    assert SAMPLE / 2 <= found.distinct <= 2 * SAMPLE


def test_ends_follow_a_widening_to_double_and_are_given_up_for_text() -> None:
    assert profiled({"a": [5]}, {"a": [1.5]})["a"].max == 5
    lost = profiled({"a": [5]}, {"a": ["10"]})["a"]
    assert (lost.type, lost.min, lost.max, lost.distinct) == ("string", None, None, 2)


def test_nested_and_binary_columns_have_no_ends() -> None:
    found = profiled(
        {"l": [[1]], "b": [b"x"], "n": pa.nulls(1), "d": pa.array([1], pa.duration("us"))}
    )
    assert all((c.min, c.max) == (None, None) for c in found.values())


def test_long_texts_are_cut() -> None:
    assert len(profiled({"a": ["x" * 500]})["a"].max) == 64


def test_no_personal_value_is_in_a_profile() -> None:
    columns = {
        "kept": ColumnPlan(pii="keep"),  # type: ignore[arg-type]
        "cut": ColumnPlan(pii={"action": "truncate", "length": 2}),  # type: ignore[arg-type]
    }
    batch = pa.RecordBatch.from_pydict({"kept": [1980, 1990], "cut": ["Anna", "Bea"]})
    profile = Profile()
    profile.observe(Privacy(columns, key=None).apply(batch))
    for column in profile.columns():
        assert (column.min, column.max, column.quantiles) == (None, None, None)


def test_an_undeclared_address_does_not_become_an_end() -> None:
    found = profiled({"a": ["anna@example.com", "zoe@example.com"]})["a"]
    assert (found.min, found.max) == (None, None)
