"""The conformance suite for sinks: what every destination must do, whatever it is made of.

A sink's test is its configuration handed to the suite::

    class TestMySink(SinkConformance):
        def make_sink(self) -> Sink[Any]:
            return MySink(MyConfig(...), tenant="acme")

Each test gets a place of its own: ``make_sink`` is called once for it and must return a sink that
holds nothing yet. The sink's class must be importable by a new process, because some tests kill
one in the middle of a load; ``SPOTIFY_IMPORTS_KILLS`` says how often (10 by default).
"""

from __future__ import annotations

from airflow_provider_spotify.core.testing.sink_deletes import Deletes
from airflow_provider_spotify.core.testing.sink_flowing import Flowing
from airflow_provider_spotify.core.testing.sink_modes import WriteModes
from airflow_provider_spotify.core.testing.sink_part_runs import PartRuns
from airflow_provider_spotify.core.testing.sink_parts import Parts
from airflow_provider_spotify.core.testing.sink_recovery import Recovery
from airflow_provider_spotify.core.testing.sink_rejects import Rejects
from airflow_provider_spotify.core.testing.sink_runs import Runs
from airflow_provider_spotify.core.testing.sink_values import Values


class SinkConformance(
    WriteModes, Values, Runs, Rejects, Recovery, Deletes, Flowing, Parts, PartRuns
):
    """Everything a sink must do. Subclass it and give ``make_sink``."""
