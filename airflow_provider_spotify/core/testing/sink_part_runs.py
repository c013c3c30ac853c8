"""Loads in parts that fail, are run again, given up or killed."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import Run, Window
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.testing.killed import again, start, timed
from airflow_provider_spotify.core.testing.loads import (
    Scenario,
    batch,
    hold,
    load,
    publish,
    records_of,
    rejected_records,
    report,
    rows_of,
    spec,
    together,
    twin,
    write,
)
from airflow_provider_spotify.core.testing.sink_parts import PartSuite
from airflow_provider_spotify.core.testing.sink_recovery import KILLS
from airflow_provider_spotify.core.testing.sink_suite import MODES

_DAY = datetime(2026, 3, 1, tzinfo=UTC)


class PartRuns(PartSuite):
    """Where a part starts, and what becomes of parts that are not published."""

    @pytest.mark.parametrize("mode", MODES)
    def test_a_part_that_failed_goes_on_from_its_checkpoint(
        self, sink: Sink[Any], mode: str
    ) -> None:
        """It knows what it had done; the other parts stay as they are."""
        if not self.may_load(sink, mode):
            return
        load(sink, spec(sink, mode=mode, part=(2, 2)), [batch(id=[20])])
        batches = [batch(id=[1, 2]), batch(id=[3]), batch(id=[4])]
        with sink.begin(spec(sink, mode=mode, part=(1, 2))) as part:
            write(part, batches[:2], rejected=[rejected_records("{}")], every=2)
            part.write(batch(id=[99]))
        with sink.begin(spec(sink, mode=mode, part=(1, 2))) as part:
            assert (part.since, part.before) == ({"batches": 2}, None)
            assert (part.done.rows, part.done.rejected) == (3, 1)
            part.hold(write(part, batches), report(spec(sink)))
        publish(sink, spec(sink, mode=mode, parts=2))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 20, 3, 4]
        assert sum(b.num_rows for b in sink.rejected("plays")) == 1

    def test_a_held_part_begun_again_starts_afresh(self, sink: Sink[Any]) -> None:
        """Its rows are replaced; until it is held again the load cannot be published."""
        for number in (1, 2):
            load(sink, spec(sink, part=(number, 2)), [batch(id=[number])])
        with sink.begin(spec(sink, part=(1, 2))) as part:
            assert (part.since, part.done.rows) == (None, 0)
        with pytest.raises(ConfigurationError, match="1 of 2"):
            sink.begin(spec(sink, parts=2))
        load(sink, spec(sink, part=(1, 2)), [batch(id=[7])])
        publish(sink, spec(sink, parts=2))
        assert [row["id"] for row in rows_of(sink, "plays")] == [2, 7]

    def test_missing_parts_are_named(self, sink: Sink[Any]) -> None:
        """A part that never began, failed or was published already is not held."""
        load(sink, spec(sink, part=(2, 4)), [batch(id=[2])])
        load(sink, spec(sink, part=(4, 4)), [batch(id=[4])])
        with sink.begin(spec(sink, part=(3, 4))) as part:
            write(part, [batch(id=[3])], every=1)
        with pytest.raises(ConfigurationError, match=r"parts 1 and 3 of 4"):
            sink.begin(spec(sink, parts=4))
        for number in (1, 3):
            load(sink, spec(sink, part=(number, 4)), [batch(id=[number])])
        publish(sink, spec(sink, parts=4))
        with pytest.raises(ConfigurationError, match="parts"):
            sink.begin(spec(sink, parts=4))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3, 4]

    @pytest.mark.parametrize("mode", ["append", "merge", "replace"])
    def test_another_load_in_between_stops_the_publish(self, sink: Sink[Any], mode: str) -> None:
        """Parts that read from a cursor which moved since start afresh from where it is."""
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1])])
        for number in (1, 2):
            hold(sink, spec(sink, mode=mode, run="two", part=(number, 2)), [number * 10])
        batches = [batch(id=[1]), batch(id=[2])]
        load(sink, spec(sink, mode=mode, run="between"), batches)
        with pytest.raises(TransientError, match="run the parts again"):
            sink.begin(spec(sink, mode=mode, run="two", parts=2))
        since = None if mode == "replace" else {"batches": 2}
        for number in (1, 2):
            with sink.begin(spec(sink, mode=mode, run="two", part=(number, 2))) as part:
                assert (part.since, part.done.rows) == (since, 0)
                part.write(batch(id=[number * 100]))
                end = part.done._replace(cursor={"batches": 3}, rows=1)
                part.hold(end, report(spec(sink, run="two")))
        publish(sink, spec(sink, mode=mode, run="two", parts=2))
        kept = [] if mode == "replace" else [1, 2]
        assert sorted(row["id"] for row in rows_of(sink, "plays")) == [*kept, 100, 200]

    def test_a_load_does_not_wait_for_a_part_under_way(self, sink: Sink[Any]) -> None:
        """Another load goes on beside a part; what the part reads then fits no more."""
        load(sink, spec(sink, run="two", part=(2, 2)), [batch(id=[20])])
        with sink.begin(spec(sink, run="two", part=(1, 2))) as part:
            end = write(part, [batch(id=[10])], every=1)
            part.write(batch(id=[11]))
            load(twin(sink), spec(sink, run="between"), [batch(id=[1])])
            with suppress(TransientError):
                part.hold(end, report(spec(sink)))
        with pytest.raises((TransientError, ConfigurationError), match=r"parts? "):
            sink.begin(spec(sink, run="two", parts=2))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1]

    def test_a_part_begun_again_during_the_publish_stops_it(self, sink: Sink[Any]) -> None:
        """What is published is what was held when it was judged, or nothing."""
        for number in (1, 2):
            load(sink, spec(sink, part=(number, 2)), [batch(id=[number])])
        with sink.begin(spec(sink, parts=2)) as whole:
            end = together(whole)
            with twin(sink).begin(spec(sink, part=(2, 2))):
                pass
            with pytest.raises((ConfigurationError, TransientError), match="2 of 2"):
                whole.publish(end, report(spec(sink)))
        assert sink.cursor("plays") is None
        assert sink.history("plays") == []

    def test_an_abandoned_publish_discards_the_parts(self, sink: Sink[Any]) -> None:
        """Data that was judged bad is read again by every part."""
        for number in (1, 2):
            batches = [batch(id=[number])]
            load(sink, spec(sink, part=(number, 2)), batches, rejected=[rejected_records("{}")])
        with sink.begin(spec(sink, parts=2)) as whole:
            whole.abandon()
        with pytest.raises(ConfigurationError, match="parts 1 and 2 of 2"):
            sink.begin(spec(sink, parts=2))
        for number in (1, 2):
            load(sink, spec(sink, part=(number, 2)), [batch(id=[number * 10])])
        publish(sink, spec(sink, parts=2))
        assert [row["id"] for row in rows_of(sink, "plays")] == [10, 20]
        assert not list(sink.rejected("plays"))

    def test_an_abandoned_part_starts_afresh(self, sink: Sink[Any]) -> None:
        """Only that part forgets what it had checkpointed."""
        load(sink, spec(sink, part=(2, 2)), [batch(id=[2])])
        with sink.begin(spec(sink, part=(1, 2))) as part:
            write(part, [batch(id=[9])], every=1)
            part.abandon()
        load(sink, spec(sink, part=(1, 2)), [batch(id=[1])])
        publish(sink, spec(sink, parts=2))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]

    def test_parts_of_a_run_that_was_given_up_are_dropped(self, sink: Sink[Any]) -> None:
        """After a later load, a part of the earlier run starts where the import is now."""
        for number in (1, 2):
            load(sink, spec(sink, run="given up", part=(number, 3)), [batch(id=[1])])
        with sink.begin(spec(sink, run="given up", part=(3, 3))) as third:
            write(third, [batch(id=[3])], every=1)
        for number in (1, 2):
            load(sink, spec(sink, run="next", part=(number, 2)), [batch(id=[number])])
        publish(sink, spec(sink, run="next", parts=2))
        for number in (1, 3):
            with sink.begin(spec(sink, run="given up", part=(number, 3))) as part:
                assert (part.since, part.done.rows) == ({"batches": 2}, 0)
        assert {entry.status for entry in sink.history("plays")} == {"committed"}

    @pytest.mark.parametrize("mode", ["append", "merge", "replace"])
    def test_parts_of_a_load_that_committed_start_where_it_did(
        self, sink: Sink[Any], mode: str
    ) -> None:
        """A load run again in parts replaces its rows and those of the loads that followed."""
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1])])
        for ids in (10, 100):
            for number in (1, 2):
                of = spec(sink, mode=mode, run="two", part=(number, 2))
                with sink.begin(of) as part:
                    assert part.since == (None if mode == "replace" else {"batches": 1})
                hold(sink, of, [number * ids])
            publish(sink, spec(sink, mode=mode, run="two", parts=2))
            load(sink, spec(sink, mode=mode, run="three"), [batch(id=[3])] * 5)
        for number in (1, 2):
            hold(sink, spec(sink, mode=mode, run="two", part=(number, 2)), [number])
        publish(sink, spec(sink, mode=mode, run="two", parts=2))
        left = {"append": [1, 1, 2], "replace": [1, 2]}.get(mode)
        found = sorted(row["id"] for row in rows_of(sink, "plays"))
        assert found == left or (mode == "merge" and {1, 2} <= set(found))
        statuses = {entry.run_id: entry.status for entry in sink.history("plays")}
        assert (statuses["one"], statuses["two"]) == ("committed", "committed")
        assert statuses["three"] == "superseded"

    @pytest.mark.parametrize("mode", ["append", "merge"])
    def test_a_window_in_parts(self, sink: Sink[Any], mode: str) -> None:
        """Parts of a window replace it and leave the cursor; other windows do not disturb them."""
        run = Run(run_id="x", window=Window(start=_DAY, end=_DAY + timedelta(days=1)))
        other = run.model_copy(update={"window": Window(start=_DAY - timedelta(days=1), end=_DAY)})
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1])])
        for ids in (10, 20):
            for number in (1, 2):
                hold(sink, spec(sink, mode=mode, run=run, part=(number, 2)), [ids + number])
            load(sink, spec(sink, mode=mode, run=other), [batch(id=[0]), batch(id=[5])])
            publish(sink, spec(sink, mode=mode, run=run, parts=2))
        found = sorted(row["id"] for row in rows_of(sink, "plays"))
        assert found == ([1, 5, 21, 22] if mode == "append" else [1, 5, 11, 12, 21, 22])
        assert sink.cursor("plays") == {"batches": 1}

    @pytest.mark.parametrize("mode", MODES)
    def test_a_full_refresh_in_parts(self, sink: Sink[Any], mode: str) -> None:
        """Parts of a full refresh start without a cursor and double nothing."""
        if not self.may_load(sink, mode):
            return
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1]), batch(id=[2])])
        run = Run(run_id="two", full_refresh=True)
        for number in (1, 2):
            with sink.begin(spec(sink, mode=mode, run=run, part=(number, 2))) as part:
                assert part.since is None
                end = write(part, [batch(id=[number])])
                part.hold(end, report(spec(sink, run=run)))
        publish(sink, spec(sink, mode=mode, run=run, parts=2))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]
        assert sink.history("plays")[0].cursor_before is None

    @pytest.mark.chaos
    @pytest.mark.parametrize("mode", MODES)
    def test_killed_parts_and_publishers_tried_again(self, sink: Sink[Any], mode: str) -> None:
        """Kill parts and publishers at random points and try again; the rows come out once."""
        if not self.may_load(sink, mode):
            return
        scenario = Scenario.build()
        whole = spec(sink, table="whole", import_name="whole", mode=mode)
        load(sink, whole, scenario.batches, rejected=scenario.rejected)
        words: dict[str, Any] = {"table": "killed", "import_name": "killed", "mode": mode}
        dice = random.Random(f"parts {mode}")  # noqa: S311 - repeatable, not secret
        seconds = timed(sink, **words | {"import_name": "timed"}, part=(1, 2))
        for number in (1, 2):
            for _ in range(max(KILLS // 10, 1)):
                start(sink, part=(number, 2), **words).end(after=dice.uniform(0, seconds))
            error = again(sink, part=(number, 2), **words)
            assert not error, error
        assert sink.cursor("killed") is None
        assert sink.history("killed") == []
        for _ in range(max(KILLS // 5, 1)):
            start(sink, parts=2, **words).end(after=dice.uniform(0, seconds))
            if sink.cursor("killed") is not None:
                break
        else:
            error = again(sink, parts=2, **words)
            # A server may still have been committing what the last one killed had sent: then no
            # part is held any more.
            committed = "ConfigurationError" in error and sink.cursor("killed") is not None
            assert not error or committed, error
        assert rows_of(sink, "killed") == rows_of(sink, "whole")
        assert sink.cursor("killed") == {"batches": len(scenario.batches)}
        assert records_of(sink, "killed") == records_of(sink, "whole")
        assert [entry.status for entry in sink.history("killed")] == ["committed"]
