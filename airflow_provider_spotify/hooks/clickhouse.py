"""The hook of ClickHouse, which is read from and written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.opening import open_sink
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.hooks.base import SourceHook
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.plans import destination_plan

if TYPE_CHECKING:
    import pyarrow as pa


class ClickHouseHook(SourceHook, BaseHook):
    """Reach a ClickHouse server over HTTP: read it, write to it, query what was imported.

    The connection holds host, port, login and password; its schema, or ``database`` in extra, is
    the database. ``secure``, ``verify``, ``ca_cert``, ``client_cert``, ``client_cert_key``,
    ``server_host_name``, ``connect_timeout`` and ``send_receive_timeout`` in extra are those of
    clickhouse-connect.

    :param clickhouse_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    conn_name_attr = "clickhouse_conn_id"
    default_conn_name = "clickhouse_default"
    conn_type = "clickhouse"
    hook_name = "ClickHouse"
    source_type = "clickhouse"
    test_options: ClassVar[Mapping[str, Any]] = {"query": "SELECT 1"}

    def __init__(
        self, clickhouse_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.clickhouse_conn_id = clickhouse_conn_id
        self.tenant = tenant

    def get_sink(self, **options: Any) -> Sink[Any]:
        """Return the destination with these options (the keys of its Config); nothing is opened.

        :raises ConfigurationError: if an option is unknown or wrong
        """
        words = {"type": "clickhouse", "connection": self.clickhouse_conn_id, **options}
        plan = destination_plan(words, where=f"ClickHouseHook({self.clickhouse_conn_id!r})")
        return open_sink(plan, tenant=self.tenant, resolve=credentials)

    def get_conn(self) -> Sink[Any]:
        """Return the destination; it connects for as long as a call takes."""
        return self.get_sink()

    def get_arrow(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a read-only query and return its rows as an Arrow table."""
        return self.get_sink().query(sql, parameters)
