"""Evaluates SQL conditions over batches, in a DuckDB that can reach neither files nor network."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.errors import ConfigurationError, DataError

_CONFIG: dict[str, Any] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "512MB",
    "threads": "1",
    "lock_configuration": "true",
}


class Expressions:
    """One locked, in-memory DuckDB, opened when the first condition is asked."""

    def __init__(self) -> None:
        self._connection: Any = None

    def failing(self, sql: str, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Return a mask of the rows for which a condition is false; unknown (null) passes.

        :raises ConfigurationError: if it is not one condition over the batch's columns
        :raises DataError: if a value makes it fail, such as a cast; the value is not repeated
        """
        import duckdb

        connection = self._open()
        connection.register("rows", pa.Table.from_batches([batch]))
        try:
            query = f"SELECT ((\n{sql}\n)::BOOLEAN) AS met FROM rows"  # noqa: S608 - locked, see above
            self._refuse_more(query, sql)
            met = connection.sql(query).to_arrow_table()["met"]
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
            said = str(error).split("\n", maxsplit=1)[0]
            raise ConfigurationError(f"quality expression {sql!r}: {said}") from error
        except duckdb.PermissionException as error:
            raise ConfigurationError(
                f"quality expression {sql!r} reaches outside the rows; use only their columns"
            ) from error
        except duckdb.Error as error:
            # DuckDB's message would repeat the value, which may be personal; so would the cause.
            raise DataError(
                f"quality expression {sql!r} fails on a value ({type(error).__name__}); "
                f"use TRY_CAST or coalesce so that it holds for every row"
            ) from None
        finally:
            connection.unregister("rows")
        if len(met) != batch.num_rows:
            raise ConfigurationError(f"quality expression {sql!r} is not one condition per row")
        return pc.fill_null(pc.invert(met.combine_chunks()), False)

    def _open(self) -> Any:
        if self._connection is None:
            import duckdb

            self._connection = duckdb.connect(":memory:", config=_CONFIG)
        return self._connection

    def _refuse_more(self, query: str, sql: str) -> None:
        if len(self._connection.extract_statements(query)) != 1:
            raise ConfigurationError(f"quality expression {sql!r} is more than one condition")
