"""Loads that are read in parts, by several workers, and published together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from airflow_provider_spotify.core.config.rules import Unique
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.testing.loads import (
    batch,
    hold,
    load,
    publish,
    rejected_records,
    report,
    rows_of,
    spec,
    together,
    twin,
    write,
)
from airflow_provider_spotify.core.testing.sink_suite import MODES, SinkSuite


class PartSuite(SinkSuite):
    """A suite over loads in parts.

    ``not_in_parts`` names the write modes that a sink refuses to publish from parts.
    """

    not_in_parts: ClassVar[Sequence[str]] = ()

    def may_load(self, sink: Sink[Any], mode: str) -> bool:
        """Say whether the sink takes parts in this mode; one that does not must say so."""
        if mode not in self.not_in_parts:
            return True
        with pytest.raises(ConfigurationError, match=mode):
            load(sink, spec(sink, mode=mode, part=(1, 2)), [batch(id=[1])])
        return False


class Parts(PartSuite):
    """``Run.part`` and ``LoadSpec.parts``: many readers, one publish."""

    @pytest.mark.parametrize("mode", MODES)
    def test_parts_are_published_together(self, sink: Sink[Any], mode: str) -> None:
        """Held parts are not seen; publishing shows all rows and rejects, as of one load."""
        if not self.may_load(sink, mode):
            return
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1], said=["old"])])
        for number in (3, 1, 2):
            refused = [rejected_records(f'"{number}"')]
            rows = batch(id=[number * 10, number * 10 + 1], said=["a", "b"])
            seen = [] if mode == "replace" else [batch(id=[0])]  # the load of run one
            of = spec(sink, mode=mode, run="two", part=(number, 3))
            load(sink, of, [*seen, rows], rejected=[*([refused[0]] * len(seen)), *refused])
        assert rows_of(sink, "plays") == [{"id": 1, "said": "old"}]
        assert not list(sink.rejected("plays"))
        assert sink.cursor("plays") == {"batches": 1}
        assert [entry.run_id for entry in sink.history("plays")] == ["one"]
        whole = spec(sink, mode=mode, run="two", parts=3)
        publish(sink, whole)
        found = {row["id"]: row[LOAD_ID] for row in rows_of(sink, "plays", meta=True)}
        assert found.pop(1, None) != whole.load_id
        assert found == dict.fromkeys([10, 11, 20, 21, 30, 31], whole.load_id)
        records = [r for b in sink.rejected("plays") for r in b.to_pylist()]
        assert sorted(r["record"] for r in records) == ['"1"', '"2"', '"3"']
        assert {r[LOAD_ID] for r in records} == {whole.load_id}
        entry = sink.history("plays")[0]
        assert (entry.load_id, entry.status) == (whole.load_id, "committed")
        assert (entry.rows, entry.rejected) == (6, 3)
        assert [entry.run_id for entry in sink.history("plays")] == ["two", "one"]

    def test_the_publishing_load_knows_what_ishold(self, sink: Sink[Any]) -> None:
        """It has the progress of each part in order, and their sums, schema and newest moments."""
        load(sink, spec(sink, run="one"), [batch(id=[1])])
        brought = {1: batch(id=[1], n=[1]), 2: batch(id=[2, 3], n=[0.5, 2], more=["x", "y"])}
        for number, rows in brought.items():
            with sink.begin(spec(sink, run="two", part=(number, 2))) as part:
                assert (part.since, part.before, part.done.rows) == ({"batches": 1},) * 2 + (0,)
                assert not part.shows
                day = f"2026-0{number}-01"
                part.write(rows)
                part.reject(rejected_records("{}"))
                end = part.done._replace(
                    cursor={"part": number},
                    schema=rows.schema,
                    rows=rows.num_rows,
                    rejected=1,
                    newest={"at": day, f"c{number}": day},
                )
                part.hold(end, report(spec(sink, run="two", part=(number, 2))))
        with sink.begin(spec(sink, run="two", parts=2)) as whole:
            assert [p.cursor for p in whole.held] == [{"part": 1}, {"part": 2}]
            assert [(p.rows, p.rejected) for p in whole.held] == [(1, 1), (2, 1)]
            assert [p.schema for p in whole.held] == [rows.schema for rows in brought.values()]
            assert (whole.since, whole.before) == ({"batches": 1}, {"batches": 1})
            assert (whole.done.rows, whole.done.rejected) == (3, 2)
            assert whole.done.newest == {"at": "2026-02-01", "c1": "2026-01-01", "c2": "2026-02-01"}
            assert whole.done.schema is not None
            assert {f.name: str(f.type) for f in whole.done.schema} == {
                "id": "int64",
                "n": "double",
                "more": "string",
            }
            assert not whole.shows

    @pytest.mark.parametrize("mode", ["merge", "scd2"])
    def test_the_later_part_wins(self, sink: Sink[Any], mode: str) -> None:
        """Of a key in several parts the row of the part with the highest number stays."""
        if not self.may_load(sink, mode):
            return
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1, 2], said=["old", "old"])])
        for number in (2, 3, 1):
            rows = batch(id=[1, 1, number * 10], said=["not", f"part {number}", "own"])
            of = spec(sink, mode=mode, run="two", part=(number, 3))
            load(sink, of, [batch(id=[0]), rows])
        publish(sink, spec(sink, mode=mode, run="two", parts=3))
        rows_now = rows_of(sink, "plays", meta=True)
        current = {r["id"]: r["said"] for r in rows_now if r.get("_is_current", True)}
        assert current == {1: "part 3", 2: "old", 10: "own", 20: "own", 30: "own"}
        assert len(rows_now) == (5 if mode == "merge" else 6)

    def test_a_later_part_may_delete_and_bring_back(self, sink: Sink[Any]) -> None:
        """What one part deletes a later one may insert, and the reverse."""
        words: dict[str, Any] = {"mode": "merge", "deleted": "gone"}
        load(sink, spec(sink, run="one", **words), [batch(id=[1, 2, 3])])
        first = batch(id=[1, 4, 2], gone=[True, False, True])
        second = batch(id=[1, 4], gone=[False, True])
        for number, rows in ((2, second), (1, first)):
            load(sink, spec(sink, run="two", part=(number, 2), **words), [batch(id=[0]), rows])
        publish(sink, spec(sink, run="two", parts=2, **words))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 3]

    @pytest.mark.parametrize("mode", MODES)
    def test_parts_may_bring_different_columns(self, sink: Sink[Any], mode: str) -> None:
        """The table gets the columns of all parts, each as wide as the widest."""
        if not self.may_load(sink, mode):
            return
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1], n=[1])])
        brought = [
            batch(id=[2], n=[2]),
            batch(id=[3], n=[2.5], more=["x"]),
            batch(id=[4], more=["y"], n=[None]),
            batch(id=["five"]),
        ]
        for number, rows in enumerate(brought, 1):
            with sink.begin(spec(sink, mode=mode, run="two", part=(number, 4))) as part:
                part.write(rows)
                end = part.done._replace(cursor={"batches": 1}, rows=1)
                part.hold(end, report(spec(sink, run="two")))
        changes = publish(sink, spec(sink, mode=mode, run="two", parts=4))
        found = {row["id"]: (row["n"], row["more"]) for row in rows_of(sink, "plays")}
        kept = {} if mode == "replace" else {"1": (1.0, None)}
        assert found == kept | {
            "2": (2.0, None),
            "3": (2.5, "x"),
            "4": (None, "y"),
            "five": (None, None),
        }
        changed = {(c.column, c.change) for c in changes}
        assert changed == {("id", "widened"), ("n", "widened"), ("more", "added")}

    @pytest.mark.parametrize("mode", MODES)
    def test_a_part_may_find_nothing(self, sink: Sink[Any], mode: str) -> None:
        """Parts without rows are published like others; a replace by nothing empties the table."""
        if not self.may_load(sink, mode):
            return
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1])])
        for number in (1, 2):
            load(sink, spec(sink, mode=mode, run="two", part=(number, 2)), [])
        publish(sink, spec(sink, mode=mode, run="two", parts=2))
        left = [] if mode == "replace" else [1]
        assert [row["id"] for row in rows_of(sink, "plays")] == left
        assert sink.history("plays")[0].rows == 0

    def test_parts_are_under_way_at_the_same_time(self, sink: Sink[Any]) -> None:
        """A part begins, writes and ends while others are in the middle, also in a new place."""
        specs = [spec(sink, part=(number, 3)) for number in (1, 2, 3)]
        with sink.begin(specs[0]) as first:
            ends = [write(first, [batch(id=[1])], every=1)]
            first.write(batch(id=[2]))
            with twin(sink).begin(specs[1]) as second, twin(sink).begin(specs[2]) as third:
                for number, part in enumerate((second, third), 2):
                    part.write(batch(id=[number * 10], own=[number]))
                    part.reject(rejected_records("{}"))
                    end = ends[0]._replace(rows=1, rejected=1)
                    part.checkpoint(end)
                    part.hold(end, report(specs[number - 1]))
            first.hold(ends[0]._replace(rows=2), report(specs[0]))
        publish(sink, spec(sink, parts=3))
        assert sorted(row["id"] for row in rows_of(sink, "plays")) == [1, 2, 20, 30]
        assert sum(b.num_rows for b in sink.rejected("plays")) == 2

    @pytest.mark.parametrize("mode", ["append", "merge"])
    def test_threads_load_parts_of_a_new_import(self, sink: Sink[Any], mode: str) -> None:
        """Parts that begin together where there is nothing yet do not trip over each other."""
        failures: list[BaseException] = []

        def run(number: int) -> None:
            try:
                of = spec(sink, mode=mode, part=(number, 4))
                load(twin(sink), of, [batch(id=[number * 10 + n]) for n in range(4)], every=1)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        publish(sink, spec(sink, mode=mode, parts=4))
        assert len(rows_of(sink, "plays")) == 16
        assert sink.cursor("plays") == {"batches": 16}

    def test_one_part_excludes_itself(self, sink: Sink[Any]) -> None:
        """The same part begun twice at once is an error that may pass."""
        with (
            sink.begin(spec(sink, part=(1, 2))),
            pytest.raises(TransientError, match="under way"),
        ):
            twin(sink).begin(spec(sink, part=(1, 2)))

    @pytest.mark.parametrize("mode", MODES)
    def test_unique_is_judged_over_all_parts(self, sink: Sink[Any], mode: str) -> None:
        """A value that two parts bring, or a part and the table, is there twice."""
        if not self.may_load(sink, mode):
            return
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1, 2], code=["a", "b"])])
        hold(sink, spec(sink, mode=mode, run="two", part=(1, 2)), [2, 3], code=["b", "c"])
        hold(sink, spec(sink, mode=mode, run="two", part=(2, 2)), [4, 5], code=["c", None])
        check = Unique(check="unique", columns=["code"])
        with sink.begin(spec(sink, mode=mode, run="two", parts=2)) as whole:
            judged = whole.audit(check)
            assert (judged.passed, judged.failed_rows) == (False, 4 if mode == "append" else 2)
            assert whole.audit(Unique(check="unique", columns=["id"])).passed == (mode != "append")

    @pytest.mark.parametrize("mode", ["merge", "scd2"])
    def test_parts_reject_what_has_no_key(self, sink: Sink[Any], mode: str) -> None:
        """Rows that a part refused count as rejected in the end, too."""
        if not self.may_load(sink, mode):
            return
        for number in (1, 2):
            load(sink, spec(sink, mode=mode, part=(number, 2)), [batch(id=[number, None])])
        with sink.begin(spec(sink, mode=mode, parts=2)) as whole:
            assert (whole.done.rows, whole.done.rejected, whole.refused) == (2, 2, 0)
            whole.publish(together(whole), report(spec(sink)))
        entry = sink.history("plays")[0]
        assert (entry.rows, entry.rejected) == (2, 2)
        assert sum(b.num_rows for b in sink.rejected("plays")) == 2
