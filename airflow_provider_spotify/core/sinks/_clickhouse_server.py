"""What a sink asks of a ClickHouse server: to run, look and insert, each under its own mark."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.clickhouse import clickhouse_errors, connect, literal
from airflow_provider_spotify.core.clients.clickhouse_stream import table
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks._clickhouse_types import arranged
from airflow_provider_spotify.core.sinks.sql.dialect import Column

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_PATIENCE = 60.0
"""Seconds to wait for a query that somebody who is dead had started."""
_SETTINGS: Mapping[str, Any] = {
    "mutations_sync": 2,
    "lightweight_deletes_sync": 2,
    "alter_sync": 2,
    "allow_nondeterministic_mutations": 1,
    "join_use_nulls": 1,
    "session_timezone": "UTC",
    # What would change data without a word is an error instead.
    "use_variant_as_common_type": 0,
    "insert_null_as_default": 0,
    "input_format_null_as_default": 0,
    # A block like an earlier one is not thrown away: what was inserted is known from the ledger.
    "insert_deduplicate": 0,
    "async_insert": 0,
    # An insert becomes one part as far as memory allows.
    "max_insert_block_size": 1 << 24,
    "min_insert_block_size_rows": 1 << 24,
    "min_insert_block_size_bytes": 1 << 28,
    "max_partitions_per_insert_block": 0,
}


class ClickHouseServer:
    """A server, connected when it is first asked; closed by ``close``.

    :param mark: what finds this loader's queries among those that are running
    """

    def __init__(self, credentials: Credentials, *, compress: str | None = None) -> None:
        self.credentials = credentials
        self.mark = secrets.token_hex(8)
        self._compress = compress
        self._stack = ExitStack()
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The connection; in no database, because the tenant's may not be there yet."""
        if self._client is None:
            connection = connect(self.credentials, use="", compress=self._compress)
            self._client = self._stack.enter_context(connection)
        return self._client

    def close(self) -> None:
        """Disconnect."""
        self._client = None
        self._stack.close()

    def run(self, sql: str, **settings: Any) -> None:
        """Run a statement whose answer does not matter, and wait until its work is done."""
        with clickhouse_errors(self.credentials):
            self.client.command(sql, settings={**self._settings, **settings})

    def said(self, sql: str) -> str:
        """Run a statement that answers with one value and knows no format."""
        with clickhouse_errors(self.credentials):
            return str(self.client.command(sql, settings=self._settings))

    def table(self, sql: str, **settings: Any) -> pa.Table:
        """Run a query and return its answer."""
        asked = {**self._settings, **settings}
        return table(self.client, sql, credentials=self.credentials, settings=asked)

    def rows(self, sql: str, **settings: Any) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        columns = [column.to_pylist() for column in self.table(sql, **settings).columns]
        return list(zip(*columns, strict=True))

    def fill(self, name: str, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]) -> None:
        """Insert batches into a table, by one statement."""
        filled = [
            pa.RecordBatch.from_arrays(
                [arranged(c, a) for c, a in zip(columns, batch.columns, strict=True)],
                names=[column.name for column in columns],
            )
            for batch in batches
            if batch.num_rows
        ]
        if not filled:
            return
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, filled[0].schema, options=self._options()) as writer:
            for batch in filled:
                writer.write_batch(batch)
        # A buffer, not bytes: the driver would send bytes again after a broken connection.
        with clickhouse_errors(self.credentials):
            self.client.raw_insert(
                name,
                column_names=[column.name for column in columns],
                insert_block=sink.getvalue(),
                settings=self._settings,
                fmt="ArrowStream",
            )

    def settle(self, about: str) -> None:
        """Wait until no query runs any more that bears a mark or names a table.

        :raises TransientError: if it takes too long
        """
        text, deadline = literal(about), time.monotonic() + _PATIENCE
        asking = "SELECT count() FROM system.processes"
        while True:
            ((running,),) = self.rows(
                f"{asking} WHERE (Settings['log_comment'] = {text} OR position(query, {text}) > 0) "
                f"AND NOT startsWith(query, {literal(asking)})"
            )
            if not running:
                return
            if time.monotonic() > deadline:
                raise TransientError(f"a query of an earlier load still runs ({about}); try again")
            time.sleep(0.05)

    def _options(self) -> pa.ipc.IpcWriteOptions:
        return pa.ipc.IpcWriteOptions(compression=self._compress)

    @property
    def _settings(self) -> dict[str, Any]:
        return {**_SETTINGS, "log_comment": self.mark}
