"""JSON values as typed cells."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.rows import Record, rows


@pytest.mark.parametrize(
    ("value", "cell"),
    [("u1", "u1"), (7, "7"), (True, "true"), (1.5, "1.5"), ({"a": [1]}, '{"a":[1]}'), (None, None)],
)
def test_text_takes_whatever_comes(value: Any, cell: str | None) -> None:
    """An id that a client sent as a number is its numeral; nested values are JSON."""
    column = Column("user_id", "text", "userId", "the user")
    batch, misfits = rows([column], [Record({}, {"userId": value}, "here")])
    assert (batch.column("user_id").to_pylist(), misfits) == ([cell], [])
