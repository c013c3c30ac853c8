"""How rows reach a table: the four write modes, and tables that change shape."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.config.rules import RowCount, Unique
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import LOAD_ID, SchemaChange
from airflow_provider_spotify.core.sinks.base import Progress, Sink
from airflow_provider_spotify.core.testing.loads import batch, load, report, rows_of, spec, write
from airflow_provider_spotify.core.testing.sink_suite import MODES, SinkSuite


class WriteModes(SinkSuite):
    """append, replace, merge and scd2, and schema evolution in each."""

    @pytest.mark.parametrize("staged", [False, True])
    def test_append_adds_rows_and_names_their_load(self, sink: Sink[Any], staged: bool) -> None:
        """Every row of an append stays, with the id of the load that brought it."""
        first, second = (spec(sink, run=run, staged=staged) for run in ("one", "two"))
        load(sink, first, [batch(id=[1, 2])])
        load(sink, second, [batch(id=[9]), batch(id=[2, 3])])  # goes on after the first batch
        found = [(row["id"], row[LOAD_ID]) for row in rows_of(sink, "plays", meta=True)]
        a, b = first.load_id, second.load_id
        assert sorted(found) == sorted([(1, a), (2, a), (2, b), (3, b)])

    def test_replace_leaves_only_the_new_rows_and_columns(self, sink: Sink[Any]) -> None:
        """The table after a replace is the load, columns and all."""
        load(sink, spec(sink, mode="replace", run="one"), [batch(id=[1], old=["x"])])
        changes = load(
            sink,
            spec(sink, mode="replace", run="two"),
            [batch(id=[7, 8], new=[1.5, None])],
        )
        assert rows_of(sink, "plays") == [{"id": 7, "new": 1.5}, {"id": 8, "new": None}]
        assert {(c.column, c.change) for c in changes} == {("old", "dropped"), ("new", "added")}

    def test_replace_reads_everything(self, sink: Sink[Any]) -> None:
        """A replace starts without a cursor: new rows alone would throw the others away."""
        load(sink, spec(sink, mode="replace", run="one"), [batch(id=[1])])
        assert sink.cursor("plays") == {"batches": 1}
        load(sink, spec(sink, mode="replace", run="two"), [batch(id=[1]), batch(id=[2])])
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]

    def test_merge_updates_by_key_and_the_last_row_wins(self, sink: Sink[Any]) -> None:
        """A merged table has one row for each key, the one that came last."""
        load(sink, spec(sink, mode="merge", run="one"), [batch(id=[1, 2], said=["a", "b"])])
        again = [
            batch(id=[0]),
            batch(id=[2, 3, 3], said=["c", "d", "e"]),
            batch(id=[2], said=["f"]),
        ]
        load(sink, spec(sink, mode="merge", run="two"), again)
        assert rows_of(sink, "plays") == [
            {"id": 1, "said": "a"},
            {"id": 2, "said": "f"},
            {"id": 3, "said": "e"},
        ]

    def test_merge_leaves_unchanged_rows_alone(self, sink: Sink[Any]) -> None:
        """A row that comes again as it was keeps the id of the load that wrote it."""
        first, second = (spec(sink, mode="merge", run=run) for run in ("one", "two"))
        load(sink, first, [batch(id=[1, 2], said=["a", None])])
        load(sink, second, [batch(id=[0]), batch(id=[1, 2], said=["b", None])])
        written = {row["id"]: row[LOAD_ID] for row in rows_of(sink, "plays", meta=True)}
        assert written == {1: second.load_id, 2: first.load_id}

    def test_merge_sets_null_and_keeps_columns_that_did_not_come(self, sink: Sink[Any]) -> None:
        """An explicit null overwrites; a column that the load does not bring stays as it is."""
        columns = {"id": [1], "said": ["a"], "kept": ["k"]}
        load(sink, spec(sink, mode="merge", run="one"), [batch(**columns)])
        nothing = pa.nulls(1)
        load(
            sink, spec(sink, mode="merge", run="two"), [batch(id=[0]), batch(id=[1], said=nothing)]
        )
        assert rows_of(sink, "plays") == [{"id": 1, "said": None, "kept": "k"}]

    def test_merge_by_two_columns(self, sink: Sink[Any]) -> None:
        """A key may have several columns, and be all there is."""
        key = ("user", "track")
        load(sink, spec(sink, mode="merge", key=key, run="one"), [batch(user=[1, 1], track=[1, 2])])
        load(
            sink,
            spec(sink, mode="merge", key=key, run="two"),
            [batch(user=[0]), batch(user=[1, 2], track=[2, 2])],
        )
        found = [(row["user"], row["track"]) for row in rows_of(sink, "plays")]
        assert found == [(1, 1), (1, 2), (2, 2)]

    def test_a_row_without_a_key_is_rejected(self, sink: Sink[Any]) -> None:
        """A row that could never be found again goes to the rejects, and is counted."""
        of = spec(sink, mode="merge")
        with sink.begin(of) as under_way:
            end = write(under_way, [batch(id=[1, None], said=["a", "lost?"])])
            under_way.publish(end, report(of))
            assert under_way.refused == 1
        assert rows_of(sink, "plays") == [{"id": 1, "said": "a"}]
        (records,) = sink.rejected("plays")
        assert records.column("column_name").to_pylist() == ["id"]
        assert "lost?" in records.column("record")[0].as_py()
        assert (sink.history("plays")[0].rows, sink.history("plays")[0].rejected) == (1, 1)

    def test_a_key_that_is_not_in_the_data_is_an_error(self, sink: Sink[Any]) -> None:
        """The error names the column, and nothing was published."""
        with pytest.raises(DataError, match="'id'"):
            load(sink, spec(sink, mode="merge"), [batch(other=[1])])
        assert {entry.status for entry in sink.history("plays")} <= {"staging"}

    def test_scd2_keeps_every_version(self, sink: Sink[Any]) -> None:
        """A changed row closes its old version where the new one begins; others stay open."""
        first, second = (spec(sink, mode="scd2", run=run) for run in ("one", "two"))
        load(sink, first, [batch(id=[1, 2], said=["a", "b"])])
        load(sink, second, [batch(id=[0]), batch(id=[1, 2, 3], said=["a", "B", "c"])])
        found = {
            (row["id"], row["said"]): (row["_valid_from"], row["_valid_to"], row["_is_current"])
            for row in rows_of(sink, "plays", meta=True)
        }
        then, now = first.started_at, second.started_at
        assert found == {
            (1, "a"): (then, None, True),
            (2, "b"): (then, now, False),
            (2, "B"): (now, None, True),
            (3, "c"): (now, None, True),
        }

    @pytest.mark.parametrize("mode", MODES)
    def test_a_table_takes_new_and_wider_columns(self, sink: Sink[Any], mode: str) -> None:
        """Columns are added and widened within a load and between two; the values stay."""
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=pa.array([1], pa.int32()), n=[1])])
        first = [batch(id=[2])] if mode == "replace" else [batch(id=[0])]
        second = [*first, batch(id=[2**40], n=[2], more=["x"]), batch(id=[3], n=[2.5])]
        changes = load(sink, spec(sink, mode=mode, run="two"), second)
        found = rows_of(sink, "plays")
        assert {"id": 2**40, "n": 2.0, "more": "x"} in found
        assert {"id": 3, "n": 2.5, "more": None} in found
        assert ({"id": 1, "n": 1.0, "more": None} in found) == (mode != "replace")
        assert {(c.column, c.change) for c in changes} == {
            ("id", "widened"),
            ("n", "widened"),
            ("more", "added"),
        }

    @pytest.mark.parametrize("mode", ["append", "merge"])
    def test_anything_widens_to_text_at_last(self, sink: Sink[Any], mode: str) -> None:
        """A column whose values no number holds becomes text, the old values with it."""
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1], v=[7])])
        changes = load(
            sink,
            spec(sink, mode=mode, run="two"),
            [batch(id=[0]), batch(id=[2], v=["seven"]), batch(id=[3], v=[8])],
        )
        assert {row["id"]: row["v"] for row in rows_of(sink, "plays")} == {
            1: "7",
            2: "seven",
            3: "8",
        }
        assert [type(c) for c in changes] == [SchemaChange]

    def test_a_narrower_column_fits_a_wider_one(self, sink: Sink[Any]) -> None:
        """Later batches may bring narrower types than the table has."""
        load(sink, spec(sink, run="one"), [batch(id=["a"], v=[1.5])])
        assert not load(sink, spec(sink, run="two"), [batch(id=[0]), batch(id=[5], v=[2])])
        assert rows_of(sink, "plays") == [{"id": "5", "v": 2.0}, {"id": "a", "v": 1.5}]

    @pytest.mark.parametrize("mode", MODES)
    def test_an_empty_load_is_in_the_ledger(self, sink: Sink[Any], mode: str) -> None:
        """A load that found nothing still says so, and leaves the cursor."""
        of = spec(sink, mode=mode)
        with sink.begin(of) as under_way:
            under_way.publish(Progress(None, None, 0, 0), report(of))
        (entry,) = sink.history("plays")
        assert (entry.status, entry.rows, entry.cursor_after) == ("committed", 0, None)

    @pytest.mark.parametrize("mode", MODES)
    def test_a_load_of_no_rows_creates_its_table(self, sink: Sink[Any], mode: str) -> None:
        """A batch without rows brings its columns."""
        empty = pa.RecordBatch.from_pydict({"id": pa.array([], pa.int64())})
        load(sink, spec(sink, mode=mode), [empty])
        assert rows_of(sink, "plays") == []

    def test_replace_by_nothing_empties_the_table(self, sink: Sink[Any]) -> None:
        """The table of a replaced import is what the source has now, which may be nothing."""
        load(sink, spec(sink, mode="replace", run="one"), [batch(id=[1])])
        load(sink, spec(sink, mode="replace", run="two"), [])
        assert rows_of(sink, "plays") == []

    @pytest.mark.parametrize("mode", MODES)
    def test_unique_is_judged_before_publishing(self, sink: Sink[Any], mode: str) -> None:
        """A value that would be in the table twice fails the check, and nothing is visible yet."""
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1, 2], code=["a", "b"])])
        before = rows_of(sink, "plays")
        of = spec(sink, mode=mode, run="two", staged=True)
        with sink.begin(of) as under_way:
            under_way.write(batch(id=[2, 3, 4], code=["b", "c", None]))
            codes = under_way.audit(Unique(check="unique", columns=["code"]))
            under_way.write(batch(id=[5, 6], code=["c", None]))
            twice = under_way.audit(Unique(check="unique", columns=["code"]))
            assert rows_of(sink, "plays") == before
            under_way.abandon()
        assert codes.passed == (mode != "append"), codes
        assert not twice.passed
        assert twice.failed_rows == (4 if mode == "append" else 2)
        assert rows_of(sink, "plays") == before

    def test_only_unique_can_be_judged(self, sink: Sink[Any]) -> None:
        """Another check, or a column that is not there, is an error of the configuration."""
        with sink.begin(spec(sink)) as under_way:
            under_way.write(batch(id=[1]))
            with pytest.raises(ConfigurationError, match="row_count"):
                under_way.audit(RowCount(check="row_count"))
        with sink.begin(spec(sink)) as under_way:
            under_way.write(batch(id=[1]))
            with pytest.raises(ConfigurationError, match="'nope'"):
                under_way.audit(Unique(check="unique", columns=["nope"]))
