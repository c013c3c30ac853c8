"""One load into ClickHouse: the load of every SQL sink, with this ledger."""

from __future__ import annotations

from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.sinks._clickhouse_ledger import ClickHouseLedger
from airflow_provider_spotify.core.sinks._clickhouse_session import ClickHouseSession
from airflow_provider_spotify.core.sinks.sql.load import SqlLoad
from airflow_provider_spotify.core.sinks.sql.session import Session
from airflow_provider_spotify.core.sinks.sql.staged import staging_tables


class ClickHouseLoad(SqlLoad):
    """A load under way."""

    def _ledger(self, session: Session) -> ClickHouseLedger:
        assert isinstance(session, ClickHouseSession)
        spec = self._spec
        return ClickHouseLedger(
            session,
            tenant=spec.tenant,
            import_name=spec.import_name,
            partition=spec.run.partition,
        )

    def _flush(self, session: Session, *, visible: bool) -> None:
        """Put buffered rows into their table; see that staging holds what it should.

        An insert of a process that was killed may reach the server after its successor began.

        :raises TransientError: if there are more or fewer rows
        """
        super()._flush(session, visible=visible)
        assert isinstance(session, ClickHouseSession)
        table, _ = staging_tables(self._spec.load_id)
        if not self._staged or self._spec.parts:
            return
        found = session.tables.count(table)
        if found != self._staged:
            raise TransientError(
                f"staging of {self._spec.import_name} has {found} rows, not {self._staged}: "
                "an insert of an earlier attempt came late; run the load again"
            )
