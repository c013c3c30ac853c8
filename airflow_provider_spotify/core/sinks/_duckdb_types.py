"""How DuckDB spells names and types."""

from __future__ import annotations

import pyarrow as pa

from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect
from airflow_provider_spotify.core.sinks.sql.types import is_json, plain

_NATIVE = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date32[day]": "DATE",
    "time64[us]": "TIME",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
    "duration[us]": "INTERVAL",
    "null": "VARCHAR",
}


class DuckDBDialect(Dialect):
    """DuckDB compares names without regard to ASCII case, and keeps nested values nested."""

    def fold(self, name: str) -> str:
        """Return the name in lower case, as far as DuckDB does so."""
        return name.encode().lower().decode()

    def store(self, type_: pa.DataType) -> pa.DataType:
        """Return the Arrow type under which values are stored; decimals above 38 digits as text."""
        stored = plain(type_)
        return pa.string() if pa.types.is_decimal256(stored) else stored

    def native(self, type_: pa.DataType) -> str:
        """Spell a type in DuckDB's SQL."""
        if is_json(type_):
            return "JSON"
        if pa.types.is_decimal(type_):
            return f"DECIMAL({type_.precision},{type_.scale})"
        if pa.types.is_struct(type_):
            fields = (f"{self.quote(f.name)} {self.native(f.type)}" for f in type_)
            return f"STRUCT({', '.join(fields)})"
        if pa.types.is_map(type_):
            return f"MAP({self.native(type_.key_type)}, {self.native(type_.item_type)})"
        if pa.types.is_list(type_):
            return f"{self.native(type_.value_type)}[]"
        return _NATIVE[str(type_)]

    def cast(self, expression: str, *, old: Column, new: Column) -> str:
        """Return SQL that converts a value; a nested one becomes JSON when it becomes text."""
        nested = old.type is not None and pa.types.is_nested(old.type)
        if nested and new.native in ("VARCHAR", "JSON"):
            return f"CAST(to_json({expression}) AS {new.native})"
        return super().cast(expression, old=old, new=new)


def column_of(field: pa.Field, native: str) -> Column:
    """Return a column; a type that this package would spell otherwise is the user's own."""
    dialect = DuckDBDialect()
    if native == "INTERVAL":
        return Column(field.name, native, pa.duration("us"))
    if native == "JSON":
        return Column(field.name, native, pa.json_(pa.string()))
    stored = dialect.store(field.type)
    ours = pa.types.is_nested(stored) or dialect.native(stored) == native
    return Column(field.name, native, stored if ours else None)
