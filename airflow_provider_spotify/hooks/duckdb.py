"""The hook of a DuckDB file, the embedded destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.core.opening import open_sink
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.plans import destination_plan

if TYPE_CHECKING:
    import pyarrow as pa


class DuckDBHook(BaseHook):
    """Reach a DuckDB file: query what was imported, or test that it opens.

    The connection holds the file's path as host.

    :param duckdb_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    conn_name_attr = "duckdb_conn_id"
    default_conn_name = "duckdb_default"
    conn_type = "duckdb"
    hook_name = "DuckDB"

    def __init__(self, duckdb_conn_id: str = default_conn_name, *, tenant: str = "default") -> None:
        super().__init__()
        self.duckdb_conn_id = duckdb_conn_id
        self.tenant = tenant

    def get_sink(self, **options: Any) -> Sink[Any]:
        """Return the destination with these options (the keys of its Config); nothing is opened.

        :raises ConfigurationError: if an option is unknown or wrong
        """
        words = {"type": "duckdb", "connection": self.duckdb_conn_id, **options}
        plan = destination_plan(words, where=f"DuckDBHook({self.duckdb_conn_id!r})")
        return open_sink(plan, tenant=self.tenant, resolve=credentials)

    def get_conn(self) -> Sink[Any]:
        """Return the destination; it opens the file for as long as a call takes."""
        return self.get_sink()

    def get_arrow(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a read-only query and return its rows as an Arrow table."""
        return self.get_sink().query(sql, parameters)

    def get_health(self) -> Health:
        """Try the file with the cheapest statement there is."""
        return self.get_sink().check()

    def test_connection(self) -> tuple[bool, str]:
        """Answer the Test button: whether the file opens, and what was found."""
        try:
            health = self.get_health()
        except ImporterError as error:
            return False, str(error)
        return health.ok, health.message
