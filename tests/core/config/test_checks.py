"""What contradicts itself inside one import is told where it stands."""

from __future__ import annotations

from tests.core.config.tenants import messages, one

LOOKBACK = "incremental: {by: interval, lookback: 2h}"
MERGE = "write: {mode: merge, key: [id]}"


def test_a_lookback_of_an_append_would_add_rows_twice() -> None:
    (said,) = messages(one(LOOKBACK))
    assert said.startswith("8:")
    assert "imports.plays.incremental.lookback: a lookback reads rows again" in said
    assert messages(one(f"{LOOKBACK}\n{MERGE}")) == []


def test_a_lookback_without_an_interval_is_told_where_it_belongs() -> None:
    (said,) = messages(one(f"incremental: {{lookback: 2h}}\n{MERGE}"))
    assert "lookback needs by: interval" in said
