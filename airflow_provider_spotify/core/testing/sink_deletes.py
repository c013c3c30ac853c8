"""Rows that take others away: ``deleted`` of a merge."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.config.rules import Unique
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.sinks.base import LoadSpec, Sink
from airflow_provider_spotify.core.testing.loads import batch, load, report, rows_of, spec, write
from airflow_provider_spotify.core.testing.sink_suite import SinkSuite


class Deletes(SinkSuite):
    """A merge with a column that says which rows are gone."""

    def test_a_deleted_row_goes_and_the_column_is_not_stored(self, sink: Sink[Any]) -> None:
        """A true value takes the row of its key away, whatever else it says; others stay."""
        load(sink, _spec(sink, "one"), [batch(id=[1, 2, 3], said=["a", "b", "c"])])
        rows = batch(id=[1, 2, 9], said=[None, "B", None], gone=[True, False, True])
        load(sink, _spec(sink, "two"), [batch(id=[3]), rows])
        assert rows_of(sink, "plays") == [{"id": 2, "said": "B"}, {"id": 3, "said": "c"}]
        assert sink.history("plays")[0].rows == 3

    @pytest.mark.parametrize("apart", [False, True])
    def test_the_last_row_of_a_key_decides(self, sink: Sink[Any], apart: bool) -> None:
        """Within a load rows apply as they came: what is deleted may come back, and the reverse."""
        columns = {
            "id": [1, 2, 1, 2, 1, 3],
            "said": ["a", "b", None, None, "A", None],
            "gone": [False, False, True, True, False, True],
        }
        rows = batch(**columns)
        batches = [rows.slice(n, 1) for n in range(rows.num_rows)] if apart else [rows]
        load(sink, _spec(sink, "one"), batches, every=2)
        assert rows_of(sink, "plays") == [{"id": 1, "said": "A"}]

    def test_a_load_of_deletes_alone(self, sink: Sink[Any]) -> None:
        """Deletes may come first, to a table that is not there, or leave it empty."""
        gone = batch(id=[1, 2], gone=[True, True])
        load(sink, _spec(sink, "one"), [gone])
        assert not rows_of(sink, "plays")
        load(sink, _spec(sink, "two"), [gone, batch(id=[1], said=["a"])])
        load(sink, _spec(sink, "three"), [gone, gone, gone])
        assert not rows_of(sink, "plays")

    def test_a_missing_value_deletes_nothing(self, sink: Sink[Any]) -> None:
        """Null counts as false, and so does a batch without the column."""
        batches = [batch(id=[1, 2], gone=[None, True]), batch(id=[3]), batch(id=[4])]
        batches.append(batch(id=[5], gone=pa.nulls(1)))
        load(sink, _spec(sink, "one"), batches)
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 3, 4, 5]

    def test_a_column_that_is_not_boolean_is_an_error(self, sink: Sink[Any]) -> None:
        """Anything else than true and false could mean either; the error names the column."""
        with pytest.raises(DataError, match="'gone'"):
            load(sink, _spec(sink, "one"), [batch(id=[1], gone=["no"])])

    def test_a_delete_needs_its_key(self, sink: Sink[Any]) -> None:
        """A delete without a key is rejected like any row, with the record as it came."""
        of = _spec(sink, "one")
        with sink.begin(of) as under_way:
            end = write(under_way, [batch(id=[1, None], gone=[False, True])])
            under_way.publish(end, report(of))
        assert rows_of(sink, "plays") == [{"id": 1}]
        (records,) = sink.rejected("plays")
        assert "gone" in records.column("record")[0].as_py()

    def test_unchanged_rows_keep_their_load(self, sink: Sink[Any]) -> None:
        """A row that comes again as it was is left alone, also beside deletes."""
        first, second = _spec(sink, "one"), _spec(sink, "two")
        load(sink, first, [batch(id=[1, 2], said=["a", "b"])])
        again = batch(id=[1, 2], said=["a", None], gone=[False, True])
        load(sink, second, [batch(id=[2], said=["x"]), again])
        assert rows_of(sink, "plays", meta=True) == [{"id": 1, "said": "a", LOAD_ID: first.load_id}]

    def test_unique_is_judged_without_what_goes(self, sink: Sink[Any]) -> None:
        """A value whose row is deleted by the load may be taken by another row of it."""
        load(sink, _spec(sink, "one"), [batch(id=[1, 2], code=["a", "b"])])
        of = _spec(sink, "two", staged=True)
        with sink.begin(of) as under_way:
            under_way.write(batch(id=[1, 3], code=["a", "a"], gone=[True, False]))
            assert under_way.audit(Unique(check="unique", columns=["code"])).passed
            under_way.write(batch(id=[4, 4, 5], code=["b", "b", "b"], gone=[False, True, True]))
            assert under_way.audit(Unique(check="unique", columns=["code"])).passed
            under_way.write(batch(id=[6], code=["b"], gone=[False]))
            twice = under_way.audit(Unique(check="unique", columns=["code"]))
            assert (twice.passed, twice.failed_rows) == (False, 2)

    def test_deletes_survive_a_checkpoint(self, sink: Sink[Any]) -> None:
        """A load that was cut short goes on with the deletes it had taken."""
        load(sink, _spec(sink, "one"), [batch(id=[1, 2])])
        batches = [batch(id=[0]), batch(id=[1, 3], gone=[True, False]), batch(id=[3], gone=[True])]
        with sink.begin(_spec(sink, "two")) as under_way:
            write(under_way, batches[:2], every=1)
        load(sink, _spec(sink, "two"), batches)
        assert [row["id"] for row in rows_of(sink, "plays")] == [2]

    @pytest.mark.parametrize("name", ["select", 'with "quotes"', "é" * 40])
    def test_the_column_may_be_called_anything(self, sink: Sink[Any], name: str) -> None:
        """An odd name is found, and the key may have several columns."""
        words: dict[str, Any] = {"mode": "merge", "key": ("a", "b"), "deleted": name}
        load(sink, spec(sink, run="one", **words), [batch(a=[1, 1], b=["x", "y"])])
        rows = batch(a=[1, 1], b=["x", "y"], **{name: [True, False]})
        load(sink, spec(sink, run="two", **words), [batch(a=[1], b=["y"]), rows])
        assert rows_of(sink, "plays") == [{"a": 1, "b": "y"}]


def _spec(sink: Sink[Any], run: str, *, staged: bool = False) -> LoadSpec:
    return spec(sink, mode="merge", run=run, deleted="gone", staged=staged)
