"""Runs: resuming, running again, windows, full refreshes, and loads side by side."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import Run, Window
from airflow_provider_spotify.core.sinks.base import Progress, Sink
from airflow_provider_spotify.core.testing.loads import (
    batch,
    load,
    rejected_records,
    report,
    rows_of,
    spec,
    twin,
    write,
)
from airflow_provider_spotify.core.testing.sink_suite import MODES, SinkSuite

_DAY = datetime(2026, 3, 1, tzinfo=UTC)


class Runs(SinkSuite):
    """Where a load starts, and whose rows it replaces."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("staged", [False, True])
    def test_the_same_load_resumes_from_its_checkpoint(
        self, sink: Sink[Any], mode: str, staged: bool
    ) -> None:
        """A second attempt starts at the cursor of the checkpoint and knows what was done."""
        batches = [batch(id=[1, 2]), batch(id=[3]), batch(id=[4])]
        with sink.begin(spec(sink, mode=mode, staged=staged)) as under_way:
            assert (under_way.since, under_way.done.rows) == (None, 0)
            write(under_way, batches[:2], rejected=[rejected_records("{}")], every=2)
            under_way.write(batch(id=[99]))  # after the checkpoint: lost with the attempt
        if mode != "append" or staged:
            assert sink.cursor("plays") is None
        with sink.begin(spec(sink, mode=mode, staged=staged)) as under_way:
            assert under_way.since == {"batches": 2}
            assert (under_way.done.rows, under_way.done.rejected) == (3, 1)
            assert under_way.schema == batches[0].schema
            of = spec(sink, mode=mode, staged=staged)
            under_way.publish(write(under_way, batches), report(of))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3, 4]
        assert sink.cursor("plays") == {"batches": 3}
        (entry,) = sink.history("plays")
        assert (entry.status, entry.rows, entry.rejected) == ("committed", 4, 1)
        assert sum(b.num_rows for b in sink.rejected("plays")) == 1

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("staged", [False, True])
    def test_another_load_does_not_mind_one_that_stopped(
        self, sink: Sink[Any], mode: str, staged: bool
    ) -> None:
        """After a load that was given up, the next one loads every row once."""
        batches = [batch(id=[1, 2]), batch(id=[3]), batch(id=[4])]
        with sink.begin(spec(sink, mode=mode, staged=staged, run="given up")) as under_way:
            write(under_way, batches[:2], every=1)
        load(sink, spec(sink, mode=mode, staged=staged, run="next"), batches, every=1)
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3, 4]
        assert {entry.status for entry in sink.history("plays")} == {"committed"}
        with sink.begin(spec(sink, mode=mode, staged=staged, run="given up")) as under_way:
            since = under_way.since
        given_up_is_visible = (
            mode == "append" and not staged
        )  # then it is run again, from its start
        assert since == (None if given_up_is_visible or mode == "replace" else {"batches": 3})

    @pytest.mark.parametrize("mode", MODES)
    def test_a_bad_load_is_abandoned(self, sink: Sink[Any], mode: str) -> None:
        """After ``abandon`` the same load starts afresh, and nothing of it is left."""
        with sink.begin(spec(sink, mode=mode, staged=True)) as under_way:
            write(under_way, [batch(id=[1])], rejected=[rejected_records("{}")], every=1)
            under_way.abandon()
        with sink.begin(spec(sink, mode=mode, staged=True)) as under_way:
            assert (under_way.since, under_way.done.rows, under_way.done.rejected) == (None, 0, 0)
            under_way.publish(write(under_way, [batch(id=[2])]), report(spec(sink)))
        assert rows_of(sink, "plays") == [{"id": 2}]
        assert not list(sink.rejected("plays"))

    @pytest.mark.parametrize("staged", [False, True])
    def test_a_load_run_again_replaces_itself_and_what_followed(
        self, sink: Sink[Any], staged: bool
    ) -> None:
        """Running the second of three loads again leaves the first, and takes up the third."""
        batches = [batch(id=[1]), batch(id=[2]), batch(id=[3])]
        for number, run in enumerate(("one", "two", "three"), 1):
            of = spec(sink, run=run, staged=staged)
            refused = [rejected_records(f'"{n}"') for n in range(number)]
            load(sink, of, batches[:number], rejected=refused)
        with sink.begin(spec(sink, run="two", staged=staged)) as under_way:
            assert under_way.since == {"batches": 1}
            anew = [batch(id=[1]), batch(id=[20, 21]), batch(id=[30]), batch(id=[40])]
            refused = [rejected_records(f'"again {n}"') for n in range(4)]
            end = write(under_way, anew, rejected=refused, every=1)
            assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3]
            under_way.publish(end, report(spec(sink, run="two")))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 20, 21, 30, 40]
        records = [r for b in sink.rejected("plays") for r in b.column("record").to_pylist()]
        assert sorted(records) == ['"0"', '"again 1"', '"again 2"', '"again 3"']
        assert sink.cursor("plays") == {"batches": 4}
        statuses = {entry.run_id: entry.status for entry in sink.history("plays")}
        assert statuses == {"one": "committed", "two": "committed", "three": "superseded"}

    def test_a_load_run_again_may_be_cut_short(self, sink: Sink[Any]) -> None:
        """Until the second run of a load publishes, everything is as the first run left it."""
        load(sink, spec(sink, run="one"), [batch(id=[1]), batch(id=[2])])
        with sink.begin(spec(sink, run="one")) as under_way:
            write(under_way, [batch(id=[7])], every=1)
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]
        assert sink.cursor("plays") == {"batches": 2}
        with sink.begin(spec(sink, run="one")) as under_way:
            assert under_way.since == {"batches": 1}
            end = write(under_way, [batch(id=[7]), batch(id=[8])])
            under_way.publish(end, report(spec(sink, run="one")))
        assert [row["id"] for row in rows_of(sink, "plays")] == [7, 8]

    def test_scd2_run_again_takes_its_versions_back(self, sink: Sink[Any]) -> None:
        """The versions that a load opened go, and those that it closed are current again."""
        load(sink, spec(sink, mode="scd2", run="one"), [batch(id=[1], said=["a"])])
        load(sink, spec(sink, mode="scd2", run="two"), [batch(id=[0]), batch(id=[1], said=["b"])])
        again = [batch(id=[0]), batch(id=[1, 2], said=["a", "new"])]
        load(sink, spec(sink, mode="scd2", run="two"), again)
        found = [(r["id"], r["said"], r["_is_current"]) for r in rows_of(sink, "plays", meta=True)]
        assert sorted(found) == [(1, "a", True), (2, "new", True)]

    def test_a_window_replaces_itself_and_leaves_the_cursor(self, sink: Sink[Any]) -> None:
        """A window loaded twice is there once; ordinary loads go on where they were."""
        run = Run(run_id="x", window=Window(start=_DAY, end=_DAY + timedelta(days=1)))
        load(sink, spec(sink, run="one"), [batch(id=[1])])
        for ids in ([10, 11], [10, 12, 13]):
            of = spec(sink, run=run)
            with sink.begin(of) as under_way:
                under_way.write(batch(id=ids))
                progress = Progress({"batches": 77}, batch(id=ids).schema, len(ids), 0)
                under_way.checkpoint(progress)
                under_way.publish(progress, report(of))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 10, 12, 13]
        assert sink.cursor("plays") == {"batches": 1}
        load(sink, spec(sink, run="one"), [batch(id=[2])])
        assert [row["id"] for row in rows_of(sink, "plays")] == [10, 12, 13, 2]

    def test_a_window_that_was_cut_short_starts_over(self, sink: Sink[Any]) -> None:
        """A window is read whole each time, so nothing of a first attempt may stay."""
        run = Run(run_id="x", window=Window(start=_DAY, end=_DAY + timedelta(days=1)))
        with sink.begin(spec(sink, run=run)) as under_way:
            write(under_way, [batch(id=[1]), batch(id=[2])], every=1)
        with sink.begin(spec(sink, run=run)) as under_way:
            assert under_way.done.rows == 0
            under_way.write(batch(id=[1]))
            under_way.publish(Progress(None, None, 1, 0), report(spec(sink, run=run)))
        assert rows_of(sink, "plays") == [{"id": 1}]

    @pytest.mark.parametrize("mode", MODES)
    def test_a_full_refresh_reads_everything_and_doubles_nothing(
        self, sink: Sink[Any], mode: str
    ) -> None:
        """A full refresh starts without a cursor, resumes, and leaves each row once."""
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1, 2])])
        run = Run(run_id="two", full_refresh=True)
        batches = [batch(id=[1, 2]), batch(id=[3])]
        with sink.begin(spec(sink, mode=mode, run=run)) as under_way:
            assert under_way.since is None
            write(under_way, batches[:1], every=1)
        with sink.begin(spec(sink, mode=mode, run=run)) as under_way:
            assert under_way.since == {"batches": 1}
            under_way.publish(write(under_way, batches), report(spec(sink, mode=mode, run=run)))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3]
        assert sink.cursor("plays") == {"batches": 2}

    def test_partitions_have_cursors_of_their_own(self, sink: Sink[Any]) -> None:
        """Parts of one load run side by side and resume each for itself."""
        with (
            sink.begin(spec(sink, run=Run(run_id="x", partition="1/2"))) as one,
            sink.begin(spec(sink, run=Run(run_id="x", partition="2/2"))) as two,
        ):
            for number, part in enumerate((one, two)):
                of = spec(sink, run=Run(run_id="x", partition=f"{number + 1}/2"))
                part.publish(write(part, [batch(id=[number])]), report(of))
        assert [row["id"] for row in rows_of(sink, "plays")] == [0, 1]
        with sink.begin(spec(sink, run=Run(run_id="y", partition="2/2"))) as two:
            assert two.since == {"batches": 1}
        with pytest.raises(ConfigurationError, match="fanned out"):
            sink.begin(spec(sink, mode="replace", run=Run(run_id="z", partition="1/2")))

    def test_two_loads_of_one_import_exclude_each_other(self, sink: Sink[Any]) -> None:
        """The second is told so at once enough to be tried again, and may go on afterwards."""
        with sink.begin(spec(sink, run="one")):
            with pytest.raises(TransientError, match="under way"):
                twin(sink).begin(spec(sink, run="two"))
            with twin(sink).begin(spec(sink, import_name="other")):
                pass
        with twin(sink).begin(spec(sink, run="two")):
            pass

    def test_threads_load_different_imports_at_once(self, sink: Sink[Any]) -> None:
        """Several threads of one process fill several tables, checkpoints and all."""
        failures: list[BaseException] = []

        def run(name: str) -> None:
            try:
                of = spec(sink, table=name, import_name=name)
                load(twin(sink), of, [batch(id=[n] * 50) for n in range(8)], every=2)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(f"t{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert all(len(rows_of(sink, f"t{n}")) == 400 for n in range(4))

    def test_a_sink_refuses_loads_of_another_tenant(self, sink: Sink[Any]) -> None:
        """A load of one tenant cannot be begun in the sink of another."""
        with pytest.raises(ConfigurationError, match="tenant"):
            sink.begin(spec(sink)._replace(tenant="stranger"))

    def test_reading_a_place_where_nothing_was_loaded(self, sink: Sink[Any]) -> None:
        """Before the first load there is no cursor, no schema, no history and no reject."""
        assert sink.cursor("plays") is None
        assert sink.schema("plays") is None
        assert sink.history("plays") == []
        assert list(sink.rejected("plays")) == []

    def test_the_ledger_remembers(self, sink: Sink[Any]) -> None:
        """History is newest first, bounded, and holds the reports; the schema is kept."""
        for number in range(3):
            of = spec(sink, run=f"run {number}")
            load(sink, of, [batch(id=[n]) for n in range(number + 1)])
        entries = sink.history("plays", limit=2)
        assert [entry.run_id for entry in entries] == ["run 2", "run 1"]
        assert entries[0].report is not None
        assert entries[0].report.run_id == "run 2"
        assert (entries[0].cursor_before, entries[0].cursor_after) == (
            {"batches": 2},
            {"batches": 3},
        )
        assert sink.schema("plays") == batch(id=[1]).schema

    def test_check_says_that_all_is_well(self, sink: Sink[Any]) -> None:
        """A sink that works says so, and names its tables."""
        assert sink.check().ok, sink.check().message
        namespace, name = sink.dataset("plays")
        assert "://" in namespace
        assert name.endswith("plays")
