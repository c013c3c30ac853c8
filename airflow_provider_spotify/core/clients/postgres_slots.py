"""What logical replication needs on a PostgreSQL server: a publication, a slot, a whole log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.clients.postgres_pgoutput import Attribute
from airflow_provider_spotify.core.clients.postgres_query import select
from airflow_provider_spotify.core.clients.postgres_reader import identifier
from airflow_provider_spotify.core.clients.postgres_replication import position, written
from airflow_provider_spotify.core.errors import ConfigurationError, ForbiddenError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]


class Slot(NamedTuple):
    """A replication slot: what it may forget lies before ``confirmed``.

    :param lost: the server has removed log that the slot needed
    """

    name: str
    active: bool
    confirmed: int
    lost: bool


class Published(NamedTuple):
    """A table as a publication shows it.

    :param partitioned: its rows lie in several relations
    :param key: the columns of its primary key
    :param filter: the condition of the rows that are published
    """

    partitioned: bool
    key: Sequence[str]
    columns: Sequence[Attribute]
    filter: str | None


def check_log(connection: Connection) -> None:
    """Look whether the server's log can be decoded.

    :raises ConfigurationError: if it cannot
    """
    level = _one(connection, "SELECT current_setting('wal_level')")
    if level != "logical":
        raise ConfigurationError(
            f"wal_level is {level}, and reading changes needs logical: ALTER SYSTEM SET wal_level "
            "= logical, then restart the server"
        )


def flushed(connection: Connection) -> int:
    """Return the position up to which the log is on disk."""
    now = (
        "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
        "ELSE pg_current_wal_flush_lsn() END"
    )
    return position(_one(connection, f"SELECT ({now})::text"))


def moved(connection: Connection) -> int:
    """Write an empty transaction to the log, if that may be; return where the log ends then."""
    import psycopg

    with suppress(psycopg.DatabaseError):  # a standby, or a login that may not
        connection.execute(b"SELECT pg_logical_emit_message(true, 'spotify-imports', '')")
    return flushed(connection)


def find_slot(connection: Connection, name: str) -> Slot | None:
    """Return a slot of this database.

    :raises ConfigurationError: if it is of another database or plugin
    """
    row = connection.execute(
        "SELECT active, confirmed_flush_lsn::text, wal_status, plugin, database, current_database()"
        " FROM pg_replication_slots WHERE slot_name = $1",
        [name],
    ).fetchone()
    if row is None:
        return None
    active, confirmed, status, plugin, database, here = row
    if (plugin, database) != ("pgoutput", here):
        raise ConfigurationError(
            f"replication slot {name} is of plugin {plugin} and database {database}, not of "
            f"pgoutput and {here}; name another one: cdc: {{slot: …}}"
        )
    return Slot(name, active, position(confirmed or "0/0"), lost=status == "lost")


def advance(connection: Connection, slot: Slot, lsn: int) -> None:
    """Let a slot forget what lies before a position; never moves it back."""
    if lsn > slot.confirmed:
        connection.execute(
            "SELECT pg_replication_slot_advance($1, $2::pg_lsn)", [slot.name, written(lsn)]
        )


def published(
    connection: Connection,
    publication: str,
    *,
    schema: str,
    table: str,
    create: bool,
    missing: bool = False,
) -> Published:
    """Return the table as it is published; publish it, if it is not and that is asked for.

    :param missing: if it is not published, say how it would be
    :raises ConfigurationError: if it is not published, or its updates and deletes could not be
    :raises ForbiddenError: if this login may not publish it
    """
    place = identifier(schema, table)
    kind, key = _identified(connection, schema, table)
    names, filter_ = None, None
    known = _one(connection, "SELECT count(*) FROM pg_publication WHERE pubname = $1", publication)
    if not known and not missing:
        _publish(connection, publication, place, create=create)
    if known or not missing:
        names, filter_ = _shown(connection, publication, schema, table)
    columns = [c for c in _columns(connection, place) if names is None or c.name in names]
    return Published(kind == "p", tuple(key), tuple(columns), filter_)


def _identified(connection: Connection, schema: str, table: str) -> tuple[str, Sequence[str]]:
    """Return the kind and the primary key of a table whose changes can be told."""
    place = identifier(schema, table)
    row = connection.execute(
        "SELECT relkind::text, relreplident::text, ARRAY(SELECT attname::text FROM pg_index i "
        "JOIN pg_attribute a ON a.attrelid = indrelid AND a.attnum = ANY (indkey) "
        "WHERE indrelid = c.oid AND indisprimary ORDER BY array_position(indkey::int2[], attnum)) "
        "FROM pg_class c WHERE oid = to_regclass($1)",
        [place],
    ).fetchone()
    if row is None or row[0] not in ("r", "p"):
        what = "is not there" if row is None else "is no table"
        raise ConfigurationError(f"{schema}.{table} {what}; only a table has changes")
    kind, identity, key = row
    if identity == "n" or (identity == "d" and not key):
        raise ConfigurationError(
            f"{schema}.{table} has no replica identity: once it is published, its own updates and "
            f"deletes would fail. Give it a primary key, or ALTER TABLE {place} REPLICA IDENTITY "
            "FULL"
        )
    return kind, key


def _publish(connection: Connection, publication: str, place: str, *, create: bool) -> None:
    import psycopg

    statement = (
        f"CREATE PUBLICATION {identifier(publication)} FOR TABLE {place} "
        "WITH (publish_via_partition_root = true)"
    )
    if not create:
        raise ConfigurationError(
            f"there is no publication {publication}; as its owner: {statement}"
        )
    try:
        connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise ForbiddenError(
            f"this login may not publish {place} ({error.diag.message_primary}); as the table's "
            f"owner: {statement}"
        ) from error


def _shown(
    connection: Connection, publication: str, schema: str, table: str
) -> tuple[Sequence[str] | None, str | None]:
    """Return the names of the published columns, if they are known, and the rows' condition."""
    more = "attnames::text[], rowfilter" if _version(connection) >= 150_000 else "NULL, NULL"
    its = ("pubname = $1", "schemaname = $2", "tablename = $3")
    query = select(more, "pg_publication_tables", its)
    row = connection.execute(query.encode(), [publication, schema, table]).fetchone()
    if row is None:
        place, name = identifier(schema, table), identifier(publication)
        raise ConfigurationError(
            f"publication {publication} does not publish {schema}.{table}; as its owner: ALTER "
            f"PUBLICATION {name} ADD TABLE {place}, for a partitioned table also ALTER PUBLICATION "
            f"{name} SET (publish_via_partition_root = true)"
        )
    return row[0], row[1]


def _columns(connection: Connection, place: str) -> list[Attribute]:
    """Return the columns that replication shows; of generated ones it shows none."""
    found = connection.execute(
        "SELECT attname::text, atttypid::int8, atttypmod FROM pg_attribute WHERE attrelid = "
        "to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        [place],
    )
    return [Attribute(name, oid, modifier, key=False) for name, oid, modifier in found]


def _version(connection: Connection) -> int:
    return connection.info.server_version


def _one(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]
