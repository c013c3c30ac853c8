"""Streams: loads that show what came at each checkpoint."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.model import Run, Window
from airflow_provider_spotify.core.sinks.base import Load, Sink
from airflow_provider_spotify.core.testing.killed import EVERY, again, start, timed
from airflow_provider_spotify.core.testing.loads import (
    Scenario,
    batch,
    load,
    records_of,
    rejected_records,
    report,
    rows_of,
    spec,
    write,
)
from airflow_provider_spotify.core.testing.sink_recovery import KILLS
from airflow_provider_spotify.core.testing.sink_suite import SinkSuite

_FLOWS = ("append", "merge")
_DAY = datetime(2026, 3, 1, tzinfo=UTC)


class Flowing(SinkSuite):
    """``flowing``: an append and a merge that are seen as they come."""

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_a_checkpoint_shows_what_came(self, sink: Sink[Any], mode: str) -> None:
        """Rows, rejects and cursor are there after each checkpoint, and what follows is not yet."""
        of = spec(sink, mode=mode, flowing=True)
        with sink.begin(of) as under_way:
            assert under_way.shows
            first = batch(id=[1, 2], said=["a", "b"])
            end = write(under_way, [first], rejected=[rejected_records("{}")], every=1)
            assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]
            assert sink.cursor("plays") == {"batches": 1}
            assert sum(b.num_rows for b in sink.rejected("plays")) == 1
            (entry,) = sink.history("plays")
            assert (entry.status, entry.rows, entry.rejected) == ("partial", 2, 1)
            under_way.write(batch(id=[3, 2], said=["c", "B"]))
            assert len(rows_of(sink, "plays")) == 2
            end = end._replace(cursor={"batches": 2}, rows=4)
            under_way.checkpoint(end)
            assert len(rows_of(sink, "plays")) == (4 if mode == "append" else 3)
            under_way.write(batch(id=[4], said=["d"]))
            under_way.publish(end._replace(cursor={"batches": 3}, rows=5), report(of))
        said = {row["id"]: row["said"] for row in rows_of(sink, "plays")}
        assert said in ({1: "a", 2: "b", 3: "c", 4: "d"}, {1: "a", 2: "B", 3: "c", 4: "d"})
        assert mode == "append" or said[2] == "B"
        (entry,) = sink.history("plays")
        assert (entry.status, entry.rows, entry.rejected) == ("committed", 5, 1)
        assert sink.cursor("plays") == {"batches": 3}

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ({"mode": "append"}, True),
            ({"mode": "append", "flowing": True}, True),
            ({"mode": "append", "flowing": True, "staged": True}, False),
            ({"mode": "merge"}, False),
            ({"mode": "merge", "flowing": True}, True),
            ({"mode": "merge", "flowing": True, "staged": True}, False),
            ({"mode": "replace", "flowing": True}, False),
            ({"mode": "scd2", "flowing": True}, False),
        ],
        ids=str,
    )
    def test_what_a_checkpoint_shows_is_known(
        self, sink: Sink[Any], words: dict[str, Any], expected: bool
    ) -> None:
        """``shows`` says whether rows are there after a checkpoint, and it is so."""
        load(sink, spec(sink, mode=words["mode"], run="one"), [batch(id=[1])])
        with sink.begin(spec(sink, run="two", **words)) as under_way:
            _checkpointed(under_way)
            found = [row["id"] for row in rows_of(sink, "plays")]
            assert (under_way.shows, 2 in found) == (expected, expected)

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_a_window_is_shown_at_its_end(self, sink: Sink[Any], mode: str) -> None:
        """A load that could not resume shows nothing before it publishes."""
        run = Run(run_id="x", window=Window(start=_DAY, end=_DAY + timedelta(days=1)))
        of = spec(sink, mode=mode, flowing=True, run=run)
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1])])
        with sink.begin(of) as under_way:
            end = _checkpointed(under_way)
            assert not under_way.shows
            assert [row["id"] for row in rows_of(sink, "plays")] == [1]
            under_way.publish(end, report(of))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]
        assert sink.cursor("plays") == {"batches": 1}

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_a_flow_goes_on_where_it_was_cut(self, sink: Sink[Any], mode: str) -> None:
        """What came after the last checkpoint is lost with the attempt and read again."""
        batches = [batch(id=[1, 2]), batch(id=[3]), batch(id=[4])]
        of = spec(sink, mode=mode, flowing=True)
        with sink.begin(of) as under_way:
            write(under_way, batches[:2], rejected=[rejected_records("{}")], every=1)
            under_way.write(batch(id=[99]))
            under_way.reject(rejected_records('"lost"'))
        with sink.begin(of) as under_way:
            assert (under_way.since, under_way.before) == ({"batches": 2}, None)
            assert (under_way.done.rows, under_way.done.rejected) == (3, 1)
            assert under_way.shows
            under_way.publish(write(under_way, batches, every=1), report(of))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3, 4]
        assert sum(b.num_rows for b in sink.rejected("plays")) == 1
        (entry,) = sink.history("plays")
        assert (entry.status, entry.rows, entry.rejected) == ("committed", 4, 1)

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_the_next_run_takes_up_a_flow_that_was_given_up(
        self, sink: Sink[Any], mode: str
    ) -> None:
        """Another run goes on from the last checkpoint; what was shown stays."""
        batches = [batch(id=[1, 2]), batch(id=[3]), batch(id=[4])]
        with sink.begin(spec(sink, mode=mode, flowing=True, run="given up")) as under_way:
            write(under_way, batches[:2], every=1)
        with sink.begin(spec(sink, mode=mode, flowing=True, run="next")) as under_way:
            assert under_way.since == {"batches": 2}
            write(under_way, batches, every=1)
        load(sink, spec(sink, mode=mode, run="last"), [*batches, batch(id=[5])])
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3, 4, 5]
        assert {entry.status for entry in sink.history("plays")} == {"committed"}

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_a_flow_run_again_is_shown_at_its_end(self, sink: Sink[Any], mode: str) -> None:
        """A rewound load must not show its rows beside those it replaces."""
        of = spec(sink, mode=mode, flowing=True)
        load(sink, of, [batch(id=[1]), batch(id=[2])], every=1)
        with sink.begin(of) as under_way:
            assert (under_way.since, under_way.shows) == (None, False)
            end = write(under_way, [batch(id=[1]), batch(id=[3])], every=1)
            assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]
            under_way.publish(end, report(of))
        left = {"append": [1, 3], "merge": [1, 2, 3]}
        assert [row["id"] for row in rows_of(sink, "plays")] == left[mode]

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_a_flowing_table_takes_new_and_wider_columns(self, sink: Sink[Any], mode: str) -> None:
        """A column may come, widen and stay away from one checkpoint to the next."""
        batches = [
            batch(id=[1], n=[1]),
            batch(id=[2], n=[2], more=["x"]),
            batch(id=[3], n=[2.5]),
            batch(id=[4], more=["y"]),
        ]
        of = spec(sink, mode=mode, flowing=True)
        changes = load(sink, of, batches, every=1)
        assert rows_of(sink, "plays") == [
            {"id": 1, "n": 1.0, "more": None},
            {"id": 2, "n": 2.0, "more": "x"},
            {"id": 3, "n": 2.5, "more": None},
            {"id": 4, "n": None, "more": "y"},
        ]
        assert {(c.column, c.change) for c in changes} == {("more", "added"), ("n", "widened")}

    def test_a_flow_deletes(self, sink: Sink[Any]) -> None:
        """A delete takes a row away at the next checkpoint, whichever checkpoint brought it."""
        of = spec(sink, mode="merge", flowing=True, deleted="gone")
        with sink.begin(of) as under_way:
            write(under_way, [batch(id=[1, 2, 2], gone=[False, False, True])], every=1)
            assert rows_of(sink, "plays") == [{"id": 1}]
            rows = batch(id=[2, 1], gone=[False, True])
            end = write(under_way, [rows], every=1)
            assert rows_of(sink, "plays") == [{"id": 2}]
            under_way.publish(end, report(of))
        assert rows_of(sink, "plays") == [{"id": 2}]

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_many_checkpoints(self, sink: Sink[Any], mode: str) -> None:
        """A long flow of small checkpoints adds up, in the table and in the ledger."""
        of = spec(sink, mode=mode, flowing=True)
        batches = [batch(id=[n, n + 1], said=[f"{n}", f"{n}"]) for n in range(60)]
        load(sink, of, batches, every=1)
        found = rows_of(sink, "plays")
        assert len(found) == (120 if mode == "append" else 61)
        assert mode == "append" or {row["id"]: row["said"] for row in found}[59] == "59"
        assert sink.history("plays")[0].rows == 120

    @pytest.mark.parametrize("mode", _FLOWS)
    def test_an_abandoned_flow_keeps_what_was_shown(self, sink: Sink[Any], mode: str) -> None:
        """``abandon`` forgets what waits; the next load goes on after what is visible."""
        of = spec(sink, mode=mode, flowing=True)
        with sink.begin(of) as under_way:
            write(under_way, [batch(id=[1])], every=1)
            under_way.write(batch(id=[2]))
            under_way.abandon()
        load(sink, of, [batch(id=[1]), batch(id=[3])])
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 3]

    @pytest.mark.chaos
    @pytest.mark.parametrize("mode", _FLOWS)
    def test_a_killed_flow_tried_again_equals_one_that_was_not(
        self, sink: Sink[Any], mode: str
    ) -> None:
        """Kill a flow at random points, sometimes give it up for another; rows come out once."""
        words: dict[str, Any] = {"mode": mode, "flowing": True}
        whole = spec(sink, table="whole", import_name="whole", **words)
        scenario = Scenario.build()
        load(sink, whole, scenario.batches, rejected=scenario.rejected, every=EVERY)
        words |= {"table": "killed", "import_name": "killed"}
        seconds = timed(sink, table="timed", import_name="timed", mode=mode, flowing=True)
        dice = random.Random(f"flowing {mode}")  # noqa: S311 - repeatable, not secret
        run = "run 0"
        for number in range(max(KILLS // 5, 1)):
            start(sink, run=run, **words).end(after=dice.uniform(0, seconds))
            if dice.random() < 0.25:
                run = f"run {number + 1}"
        error = again(sink, run=run, **words)
        assert not error, error
        assert rows_of(sink, "killed") == rows_of(sink, "whole")
        assert sink.cursor("killed") == sink.cursor("whole")
        assert records_of(sink, "killed") == records_of(sink, "whole")


def _checkpointed(under_way: Load) -> Any:
    """Write a row and checkpoint; return the progress."""
    under_way.write(batch(id=[2]))
    progress = under_way.done._replace(
        cursor={"batches": 2}, schema=batch(id=[2]).schema, rows=under_way.done.rows + 1
    )
    under_way.checkpoint(progress)
    return progress
