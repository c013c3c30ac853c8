"""Rejected records: kept beside the table, listed, replayed once."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Run
from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA
from airflow_provider_spotify.core.sinks.base import Progress, Sink
from airflow_provider_spotify.core.testing.loads import (
    batch,
    load,
    rejected_records,
    report,
    rows_of,
    spec,
)
from airflow_provider_spotify.core.testing.sink_suite import MODES, SinkSuite


class Rejects(SinkSuite):
    """What could not be loaded is never lost."""

    def test_rejects_are_kept_with_their_reason(self, sink: Sink[Any]) -> None:
        """A rejected record comes back as it was, with the load that rejected it."""
        of = spec(sink)
        given = rejected_records('{"né": "\\u0000"}', '"b"')
        load(sink, of, [batch(id=[1])], rejected=[given])
        (found,) = sink.rejected("plays")
        assert found.select(REJECTED_SCHEMA.names).to_pylist() == given.to_pylist()
        assert set(found.column("_load_id").to_pylist()) == {of.load_id}
        assert found.column("rejected_at")[0].as_py() >= of.started_at

    def test_rejects_become_visible_with_the_load(self, sink: Sink[Any]) -> None:
        """What a staged load checkpointed is not seen before it publishes."""
        of = spec(sink, mode="merge")
        with sink.begin(of) as under_way:
            under_way.write(batch(id=[1]))
            under_way.reject(rejected_records("{}"))
            under_way.checkpoint(Progress({"batches": 1}, None, 1, 1))
            assert not list(sink.rejected("plays"))
            under_way.publish(Progress({"batches": 1}, None, 1, 1), report(of))
        assert sum(b.num_rows for b in sink.rejected("plays")) == 1

    def test_a_replaced_table_has_the_rejects_of_its_load(self, sink: Sink[Any]) -> None:
        """A replace reads everything again, so it rejects again what is still wrong."""
        for run in ("one", "two"):
            of = spec(sink, mode="replace", run=run)
            load(sink, of, [batch(id=[1])], rejected=[rejected_records("{}")])
        (records,) = sink.rejected("plays")
        assert records.column("_load_id").to_pylist() == [of.load_id]
        assert {entry.status for entry in sink.history("plays")} == {"committed"}

    @pytest.mark.parametrize("mode", MODES)
    def test_a_replay_marks_what_it_took(self, sink: Sink[Any], mode: str) -> None:
        """Replayed records are no longer listed; what fails again is; other rows stay."""
        load(
            sink,
            spec(sink, mode=mode),
            [batch(id=[1])],
            rejected=[rejected_records('{"id": 2}', '{"id": "x"}')],
        )
        of = spec(sink, mode=mode, run=Run(run_id="replay", replay=True))
        with sink.begin(of) as under_way:
            taken = [r for b in sink.rejected("plays") for r in b.column("record").to_pylist()]
            assert taken == ['{"id": 2}', '{"id": "x"}']
            under_way.write(batch(id=[2]))
            under_way.reject(rejected_records('{"id": "x"}'))
            under_way.publish(Progress(None, None, 1, 1), report(of))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]
        (left,) = sink.rejected("plays")
        assert left.column("_load_id").to_pylist() == [of.load_id]
        everything = [r for b in sink.rejected("plays", replayed=True) for r in b.to_pylist()]
        assert [r["replayed_by"] for r in everything].count(of.load_id) == 2
        assert sink.cursor("plays") == {"batches": 1}

    def test_a_second_replay_adds_to_the_first(self, sink: Sink[Any]) -> None:
        """A replay run again takes what is left and keeps what the first one mended."""
        load(sink, spec(sink), [batch(id=[1])], rejected=[rejected_records("{}")])
        for number in (2, 3):
            of = spec(sink, run=Run(run_id="replay", replay=True))
            with sink.begin(of) as under_way:
                under_way.write(batch(id=[number]))
                under_way.publish(Progress(None, None, 1, 0), report(of))
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2, 3]

    def test_a_replay_needs_a_run_of_its_own(self, sink: Sink[Any]) -> None:
        """A replay under the name of an ordinary load would overwrite its ledger row."""
        load(sink, spec(sink, run="one"), [batch(id=[1])])
        with pytest.raises(ConfigurationError, match="run id of its own"):
            sink.begin(spec(sink, run=Run(run_id="one", replay=True)))
