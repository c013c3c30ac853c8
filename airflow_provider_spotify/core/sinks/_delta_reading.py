"""Queries over Delta tables, in DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.delta import Place, delta_errors
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sinks._delta_engine import Engine
from airflow_provider_spotify.core.sinks.sql.ledger import TABLE

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks.delta import DeltaConfig


def query(config: DeltaConfig, place: Place, sql: str, parameters: Sequence[Any]) -> pa.Table:
    """Run a query over the tables that it names.

    :raises ConfigurationError: if it is wrong, or would write
    """
    engine = Engine(memory_limit=config.memory_limit, threads=config.threads)
    try:
        if engine.writes(sql):
            raise ConfigurationError("a query is read-only: SELECT, WITH, FROM or EXPLAIN")
        with delta_errors(place.uri(config.schema_)):
            named = sql.casefold()
            for name in place.tables(config.schema_):
                if name.casefold() not in named:
                    continue
                table = place.table(config.schema_, name)
                assert table is not None
                engine.show_table("_events" if name == TABLE else name, table)
                if name == TABLE:
                    engine.fold("_events")
            return engine.query(sql, parameters)
    finally:
        engine.close()
