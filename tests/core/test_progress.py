"""The meter counts, times and tells; it never holds a load up."""

from __future__ import annotations

import logging
import time

import pytest

from airflow_provider_spotify.core.progress import Meter, Snapshot, log_line


def test_the_watcher_is_told_each_time_the_interval_is_over() -> None:
    told: list[Snapshot] = []
    meter = Meter("acme__plays", watch=told.append, every=0)
    meter.add(rows=2, size=10, rejected=1)
    meter.add(rows=3, size=5, rejected=0)
    assert [(s.rows, s.bytes, s.rejected) for s in told] == [(2, 10, 1), (5, 15, 1)]
    assert told[0].seconds <= told[1].seconds


def test_within_the_interval_nobody_is_told() -> None:
    told: list[Snapshot] = []
    meter = Meter("acme__plays", watch=told.append, every=3600)
    for _ in range(100):
        meter.add(rows=1, size=1, rejected=0)
    assert told == []
    meter.tell()
    assert [snapshot.rows for snapshot in told] == [100]


def test_a_stage_is_timed_as_often_as_it_runs_and_also_when_it_fails() -> None:
    meter = Meter("acme__plays")
    for _ in range(2):
        with meter.stage("write"):
            time.sleep(0.01)
    with pytest.raises(ValueError, match="x"), meter.stage("read"):
        raise ValueError("x")
    assert meter.seconds["write"] >= 0.02
    assert set(meter.seconds) == {"write", "read"}


def test_the_rate_is_rows_a_second_and_nothing_before_the_first() -> None:
    assert Snapshot("acme__plays", 500, 0, 0, 2.0).rate == 250
    assert Snapshot("acme__plays", 0, 0, 0, 0.0).rate == 0


def test_the_log_line_says_rows_rate_size_and_rejects(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "airflow_provider_spotify.imports"):
        log_line(Snapshot("acme__plays", 1_234_567, 8, 2_500_000, 2.0))
    (line,) = caplog.messages
    assert line == "acme__plays: 1,234,567 rows, 617,284 rows/s, 2.5 MB, 8 rejected"
