"""Delta Lake: tables in a local folder or a bucket, each load one commit of its table's log."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, Field

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import DatasetName, Health
from airflow_provider_spotify.core.sinks.base import LoadSpec, SinkConfig
from airflow_provider_spotify.core.sinks.sql.sink import SqlSink

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.clients.delta import Place
    from airflow_provider_spotify.core.sinks._delta_database import DeltaDatabase
    from airflow_provider_spotify.core.sinks.sql.ledger import Ledger
    from airflow_provider_spotify.core.sinks.sql.load import SqlLoad
    from airflow_provider_spotify.core.sinks.sql.session import Database


class DeltaConfig(SinkConfig):
    """Where the tables are and how much of the machine a load may use."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    path: str = Field(description="a local folder, or s3://bucket/prefix; created if missing")
    schema_: str = Field(
        "main", alias="schema", description="the sub-folder of the tables", pattern=r"^[\w\-]+$"
    )
    memory_limit: str = Field(
        "512MB", description="of the engine that compares rows; above it, it spills to disk"
    )
    buffer_bytes: int = Field(
        64 * 1024 * 1024, ge=1, description="rows kept in memory between writes"
    )
    threads: int | None = Field(
        None, ge=1, description="of that engine; one for each core by default"
    )


class DeltaSink(SqlSink[DeltaConfig]):
    """A folder of Delta tables; a table is ``<path>/<schema>/<table>``."""

    Config: ClassVar[type[SinkConfig]] = DeltaConfig
    conn_type = "aws"
    extra = "lake"

    def _for_load(self, spec: LoadSpec) -> tuple[Database, type[SqlLoad]]:
        from airflow_provider_spotify.core.sinks._delta_load import DeltaLoad
        from airflow_provider_spotify.core.sinks.sql.parts import lock_name

        app = lock_name(spec, part=None)
        return self.database(import_name=spec.import_name, app=app), DeltaLoad

    def place(self) -> Place:
        """Return where the tables are.

        :raises MissingDependency: if deltalake is not installed
        """
        from airflow_provider_spotify.core.clients.delta import Place

        return Place(self.config.path, self.credentials)

    def database(self, *, import_name: str = "", app: str = "") -> DeltaDatabase:
        """Return the tables as one import sees them."""
        from airflow_provider_spotify.core.sinks._delta_database import DeltaDatabase

        return DeltaDatabase(
            self.config, self.place(), tenant=self.tenant, import_name=import_name, app=app
        )

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a read-only query in DuckDB's dialect; ``$1``, ``$2`` … or ``?`` stand for values.

        Tables have the names that they have in the folder. ``_imports`` is the ledger.

        :raises ConfigurationError: if the query is wrong, or would write
        """
        from airflow_provider_spotify.core.sinks._delta_reading import query

        return query(self.config, self.place(), sql, parameters)

    def check(self) -> Health:
        """Write a file beside the tables and take it away again."""
        import pyarrow as pa

        from airflow_provider_spotify.core.clients.delta import delta_errors, require

        started = time.monotonic()
        try:
            place = self.place()
            with delta_errors(place.path):
                steps = (self.config.schema_, "_staging", f"check-{time.time_ns()}.parquet")
                place.write(pa.table({"ok": [True]}), *steps)
                place.delete(*steps)
        except (ImporterError, OSError) as error:
            return Health(ok=False, message=str(error), seconds=time.monotonic() - started)
        message = f"deltalake {require().__version__}, {place.path}"
        return Health(ok=True, message=message, seconds=time.monotonic() - started)

    def dataset(self, table: str) -> DatasetName:
        """Name a table by where it is, as OpenLineage names files of a host and of S3."""
        from airflow_provider_spotify.core.clients.files import dataset_name

        place = self.place()
        name = dataset_name(place.uri(self.config.schema_, table))
        if place.local:
            return DatasetName(f"file://{socket.gethostname()}", name.name)
        return name

    @contextmanager
    def _ledger(self, import_name: str) -> Iterator[Ledger | None]:
        """Yield the ledger of an import; None where nothing was ever loaded."""
        from airflow_provider_spotify.core.sinks.sql.ledger import Ledger

        database = self.database(import_name=import_name)
        if not database.exists():
            yield None
            return
        try:
            with database.transaction() as session:
                yield Ledger(session, tenant=self.tenant, import_name=import_name)
        finally:
            database.close()


SINK = DeltaSink
