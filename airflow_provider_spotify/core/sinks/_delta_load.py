"""One load into Delta tables: the load of every SQL sink, with these tables."""

from __future__ import annotations

import json
from collections.abc import Sequence

from airflow_provider_spotify.core.model import LoadReport, SchemaChange
from airflow_provider_spotify.core.sinks._delta_database import DeltaDatabase
from airflow_provider_spotify.core.sinks._delta_session import DeltaSession
from airflow_provider_spotify.core.sinks._delta_tables import DeltaTables
from airflow_provider_spotify.core.sinks.base import Progress
from airflow_provider_spotify.core.sinks.sql.load import SqlLoad
from airflow_provider_spotify.core.sinks.sql.session import Session


class DeltaLoad(SqlLoad):
    """A load under way."""

    def checkpoint(self, progress: Progress) -> None:
        """Make everything taken so far durable."""
        self._reached(progress)
        super().checkpoint(progress)

    def publish(self, progress: Progress, report: LoadReport) -> Sequence[SchemaChange]:
        """Make the load visible."""
        self._reached(progress)
        return super().publish(progress, report)

    def _reached(self, progress: Progress) -> None:
        """Let the data commit say which load it is of and where reading goes on."""
        assert isinstance(self._database, DeltaDatabase)
        spec = self._spec
        self._database.facts = {
            "spotify_imports.load_id": str(spec.load_id),
            "spotify_imports.run_id": spec.run.run_id,
            "spotify_imports.cursor": json.dumps(progress.cursor),
        }

    def _tables(self, session: Session) -> DeltaTables:
        assert isinstance(session, DeltaSession)
        assert isinstance(self._database, DeltaDatabase)
        return DeltaTables(session, self._spec, staging=self._database.staging)
