"""Atomicity: a load that is killed, at any point, and tried again leaves what one run leaves."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from airflow_provider_spotify.core.model import load_id
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.testing.killed import EVERY, again, start, timed
from airflow_provider_spotify.core.testing.loads import Scenario, load, rows_of, spec
from airflow_provider_spotify.core.testing.sink_suite import MODES, SinkSuite

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "10"))


class Recovery(SinkSuite):
    """Processes that are killed, and processes side by side."""

    @pytest.mark.chaos
    @pytest.mark.parametrize(("mode", "staged"), [*((m, False) for m in MODES), ("append", True)])
    def test_a_killed_load_tried_again_equals_one_that_was_not(
        self, sink: Sink[Any], mode: str, staged: bool
    ) -> None:
        """Kill a load at random points, sometimes give it up for another; rows come out once."""
        expected = _undisturbed(sink, mode=mode, staged=staged)
        words = {"table": "killed", "mode": mode, "staged": staged, "import_name": "killed"}
        seconds = timed(sink, table="timed", mode=mode, staged=staged, import_name="timed")
        dice = random.Random(f"{mode} {staged}")  # noqa: S311 - repeatable, not secret
        run = "run 0"
        for number in range(max(KILLS // 5, 1)):
            start(sink, run=run, **words).end(after=dice.uniform(0, seconds))
            if dice.random() < 0.25:
                run = f"run {number + 1}"
        error = again(sink, run=run, **words)
        assert not error, error
        assert rows_of(sink, "killed") == expected["rows"]
        assert sink.cursor("killed") == expected["cursor"]
        assert _records(sink, "killed") == expected["records"]
        assert not _leftovers(sink, run)

    @pytest.mark.chaos
    def test_processes_load_different_imports_at_once(self, sink: Sink[Any]) -> None:
        """Two processes fill two tables of one database, and both arrive whole."""
        names = ("left", "right")
        processes = [start(sink, table=name, import_name=name) for name in names]
        errors = [process.end() for process in processes]
        assert errors == ["", ""]
        rows = sum(b.num_rows for b in Scenario.build().batches)
        assert [len(rows_of(sink, name)) for name in names] == [rows, rows]

    @pytest.mark.chaos
    def test_a_kill_frees_the_import(self, sink: Sink[Any]) -> None:
        """As soon as a loading process is dead, the import can be loaded again."""
        start(sink, table="plays").end(after=0.05)
        scenario = Scenario.build()
        load(sink, spec(sink), scenario.batches)
        assert len(rows_of(sink, "plays")) == sum(b.num_rows for b in scenario.batches)


def _undisturbed(sink: Sink[Any], *, mode: str, staged: bool) -> dict[str, Any]:
    """Load the scenario in one go into another table."""
    scenario = Scenario.build()
    of = spec(sink, table="whole", mode=mode, staged=staged, import_name="whole")
    load(sink, of, scenario.batches, rejected=scenario.rejected, every=EVERY)
    return {
        "rows": rows_of(sink, "whole"),
        "cursor": sink.cursor("whole"),
        "records": _records(sink, "whole"),
    }


def _records(sink: Sink[Any], table: str) -> list[str]:
    return sorted(r for b in sink.rejected(table) for r in b.column("record").to_pylist())


def _leftovers(sink: Sink[Any], run: str) -> list[str]:
    """Return statuses that a finished import does not have."""
    number = load_id(sink.tenant, "killed", spec(sink, run=run).run)
    entries = sink.history("killed", limit=100)
    assert entries[0].load_id == number
    return [entry.status for entry in entries if entry.status not in ("committed", "superseded")]
