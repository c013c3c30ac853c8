"""How a costly function is applied once per distinct value."""

from __future__ import annotations

import random
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from airflow_provider_spotify.core.transforms.kernels import Repeats


def counted() -> tuple[Callable[[pa.StringArray], pa.StringArray], list[int]]:
    """Give a function of text, and a list of how many values each call of it got."""
    calls: list[int] = []

    def function(texts: pa.StringArray) -> pa.StringArray:
        calls.append(len(texts))
        return pc.utf8_reverse(texts)

    return function, calls


def batches(distinct: int, *, count: int, rows: int) -> list[pa.StringArray]:
    """Make batches whose values are drawn evenly, with a null now and then."""
    draw = random.Random(distinct)
    return [
        pa.array(
            [None if draw.random() < 0.01 else f"v{draw.randrange(distinct)}" for _ in range(rows)]
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("distinct", [3, 400, 3_000, 100_000])
def test_every_value_gets_its_own_result_whatever_is_remembered_or_forgotten(
    distinct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Repeats, "_REMEMBERED", 1_000)
    function, _ = counted()
    repeats = Repeats(function)
    for texts in batches(distinct, count=40, rows=500):
        assert repeats.apply(texts).equals(pc.utf8_reverse(texts))


def test_values_that_repeat_only_across_batches_are_computed_once() -> None:
    function, calls = counted()
    repeats = Repeats(function)
    given = batches(10_000, count=60, rows=1_000)  # a batch alone: nine in ten are different
    for texts in given:
        repeats.apply(texts)
    assert sum(calls) == len({text for texts in given for text in texts.to_pylist()} - {None})


def test_values_that_never_repeat_are_not_looked_up_once_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Repeats, "_REMEMBERED", 1_000)
    looked: list[int] = []
    index_in = pc.index_in

    def noted(texts: pa.Array, *, value_set: pa.Array) -> pa.Array:
        looked.append(len(texts))
        return index_in(texts, value_set=value_set)

    monkeypatch.setattr(pc, "index_in", noted)
    function, calls = counted()
    repeats = Repeats(function)
    for number in range(50):
        repeats.apply(pa.array([f"{number}-{row}" for row in range(500)]))
    assert sum(calls) == 50 * 500
    assert len(looked) < 12
