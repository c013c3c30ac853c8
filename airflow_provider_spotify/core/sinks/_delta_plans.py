"""The one commit of a table that makes a load visible, in each write mode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.sinks._delta_types import (
    DIALECT,
    outgoing,
    reader,
    schema_of,
    wired,
)
from airflow_provider_spotify.core.sinks.sql.statements import (
    DELETED,
    IS_CURRENT,
    VALID_FROM,
    VALID_TO,
    Publication,
    deleted,
    load_column,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable

    from airflow_provider_spotify.core.sinks._delta_session import DeltaSession
    from airflow_provider_spotify.core.sinks.sql.dialect import Column

_CLOSES = "_load_closes"


class Write(NamedTuple):
    """Where and how a plan writes.

    :param table: as it was opened; None if it is not there
    :param uri: where it is, or will be
    :param columns: of the table as it will be, by folded name
    :param properties: what the commit carries
    """

    session: DeltaSession
    table: DeltaTable | None
    uri: str
    columns: Mapping[str, Column]
    properties: CommitProperties

    def put(self, rows: pa.RecordBatchReader, *, overwrite: bool = False, **words: Any) -> None:
        """Append or overwrite in one commit."""
        from deltalake import write_deltalake

        to = self.table if self.table is not None else self.uri
        words |= {"storage_options": self.session.options, "commit_properties": self.properties}
        if overwrite:
            write_deltalake(to, rows, mode="overwrite", **words)
        else:
            write_deltalake(to, rows, mode="append", **words)

    def select(self, sql: str, columns: Sequence[Column], *, also: str = "") -> Any:
        """Return the rows of a query as a stream, each column as Delta stores it."""
        chosen = ", ".join(
            f"{outgoing(c, 'q.' + DIALECT.quote(c.name))} AS {DIALECT.quote(c.name)}"
            for c in columns
        )
        more = f", q.{DIALECT.quote(also)}" if also else ""
        return self.session.stream(f"SELECT {chosen}{more} FROM ({sql}) AS q")


class Plan(ABC):
    """What a transaction does to its table. It may run several times: others may come between."""

    evolves: bool = True
    """The table keeps its rows, and is first given the columns that the plan needs."""

    @abstractmethod
    def run(self, write: Write) -> None:
        """Make the one commit."""


class Append(Plan):
    """Add rows, in the place of those of some loads if they are given.

    The rows that are replaced and those that come carry ids of ``superseded``: this is an
    overwrite of what has one of these ids.
    """

    def __init__(
        self,
        batches: Callable[[Sequence[Column]], Iterable[pa.RecordBatch]],
        *,
        superseded: Iterable[int] = (),
    ) -> None:
        self._batches = batches
        self._superseded = sorted(superseded)

    def run(self, write: Write) -> None:
        """Append, or overwrite a part of the table."""
        columns = [*write.columns.values()]
        rows = reader(self._batches(columns), columns)
        if self._superseded and write.table is not None:
            listed = ", ".join(str(load) for load in self._superseded)
            write.put(rows, overwrite=True, predicate=f"{LOAD_ID} IN ({listed})")
        else:
            write.put(rows)


class Replace(Plan):
    """Put rows in the place of all that is there."""

    evolves = False

    def __init__(self, batches: Callable[[Sequence[Column]], Iterable[pa.RecordBatch]]) -> None:
        self._batches = batches

    def run(self, write: Write) -> None:
        """Overwrite the table, columns and all."""
        columns = [*write.columns.values()]
        rows = reader(self._batches(columns), columns)
        write.put(rows, overwrite=True, schema_mode="overwrite")


class DeltaPublication(Publication):
    """Works staged rows into a table by MERGE; DuckDB finds out which of them change something."""

    session: DeltaSession

    def merged(self) -> str:
        """Return the query for staged rows that change, add or take away a row."""
        rest = [name for name in self._names() if name not in self.key]
        gone = deleted(self.dialect, alias="s") if self.deletes else "FALSE"
        latest, table = self._latest(), self.session.name(self.target)
        differs = self._differs(rest) if rest else "FALSE"
        same = self._same_key()
        return (
            f"SELECT s.* FROM ({latest}) AS s SEMI JOIN {table} AS t "
            f"ON {same} AND ({gone} OR {differs}) UNION ALL "
            f"SELECT s.* FROM ({latest}) AS s ANTI JOIN {table} AS t ON {same} WHERE NOT {gone}"
        )

    def fresh(self) -> str:
        """Return the query for the rows of a table that is not there yet."""
        where = f" WHERE NOT {deleted(self.dialect, alias='s')}" if self.deletes else ""
        return f"SELECT * FROM ({self._latest()}) AS s{where}"

    def versions(self) -> str:
        """Return the query for rows that open a version, and once more for those that close one."""
        rest = [name for name in self._names() if name not in self.key]
        table, closes = self.session.name(self.target), self.dialect.quote(_CLOSES)
        open_ = f"t.{self.dialect.quote(IS_CURRENT)} AND {self._same_key()}"
        differs = self._differs(rest) if rest else "FALSE"
        return (
            f"SELECT s.*, FALSE AS {closes} FROM ({self._latest()}) AS s "
            f"ANTI JOIN {table} AS t ON {open_} AND NOT ({differs}) UNION ALL "
            f"SELECT s.*, TRUE AS {closes} FROM ({self._latest()}) AS s "
            f"SEMI JOIN {table} AS t ON {open_} AND ({differs})"
        )

    def load_column(self) -> Column:
        """Return the column that names the load."""
        return load_column(self.dialect)

    def own(self) -> list[Column]:
        """Return the columns that the load brings, with the types of the table."""
        return [self.present.get(name, column) for name, column in self.columns.items()]


class Merge(Plan):
    """Update what differs, insert what is new and delete what is gone, by the last row of a key."""

    def __init__(self, make: Callable[[], DeltaPublication]) -> None:
        self._make = make

    def run(self, write: Write) -> None:
        """Merge; where there is no table yet, append."""
        publication = self._make()
        own, load = publication.own(), publication.load_column()
        if write.table is None:
            sql = _loaded(publication.fresh(), publication.load_id)
            columns = [*own, load]
            write.put(typed(write.select(sql, columns), columns))
            return
        also = DELETED if publication.deletes else ""
        sql = _loaded(publication.merged(), publication.load_id)
        columns = [*own, load]
        rows = typed(write.select(sql, columns, also=also), columns, also=also)
        values = {_ticked(c.name): f"s.{_ticked(c.name)}" for c in columns}
        keys = {_ticked(name) for name in publication.key}
        merger = write.table.merge(
            rows,
            predicate=_same(publication.key),
            source_alias="s",
            target_alias="t",
            commit_properties=write.properties,
        )
        if also:
            merger = merger.when_matched_delete(f"s.{_ticked(DELETED)}")
        changes = {name: value for name, value in values.items() if name not in keys}
        merger.when_matched_update(changes).when_not_matched_insert(values).execute()


class Version(Plan):
    """Close versions that changed and open new ones."""

    def __init__(self, make: Callable[[], DeltaPublication], *, at: str) -> None:
        self._make = make
        self._at = at

    def run(self, write: Write) -> None:
        """Merge: a row that closes meets its open version, one that opens meets none."""
        publication = self._make()
        added = [
            write.columns[DIALECT.fold(n)] for n in (LOAD_ID, VALID_FROM, VALID_TO, IS_CURRENT)
        ]
        columns = [*publication.own(), *added]
        given = f"CAST('{self._at}' AS TIMESTAMPTZ) AS {VALID_FROM}"
        tail = f"{given}, CAST(NULL AS TIMESTAMPTZ) AS {VALID_TO}, TRUE AS {IS_CURRENT}"
        sql = publication.fresh() if write.table is None else publication.versions()
        sql = _loaded(sql, publication.load_id, more=tail)
        if write.table is None:
            write.put(typed(write.select(sql, columns), columns))
            return
        rows = typed(write.select(sql, columns, also=_CLOSES), columns, also=_CLOSES)
        values = {_ticked(c.name): f"s.{_ticked(c.name)}" for c in columns}
        closed = {_ticked(VALID_TO): f"s.{_ticked(VALID_FROM)}", _ticked(IS_CURRENT): "false"}
        write.table.merge(
            rows,
            predicate=f"s.{_ticked(_CLOSES)} AND t.{_ticked(IS_CURRENT)} AND "
            + _same(publication.key),
            source_alias="s",
            target_alias="t",
            commit_properties=write.properties,
        ).when_matched_update(closed).when_not_matched_insert(values).execute()


class Rewrite(Plan):
    """Compute the whole table anew and overwrite it: what takes versions back needs all of them."""

    def __init__(self, compute: Callable[[DeltaSession], str]) -> None:
        self._compute = compute

    def run(self, write: Write) -> None:
        """Let DuckDB work on a copy, which spills to disk, and overwrite the table with it."""
        sql, columns = self._compute(write.session), [*write.columns.values()]
        write.put(typed(write.select(sql, columns), columns), overwrite=True)


def _loaded(sql: str, load: int, *, more: str = "") -> str:
    tail = f", {more}" if more else ""
    return f"SELECT l.*, CAST({load} AS BIGINT) AS {DIALECT.quote(LOAD_ID)}{tail} FROM ({sql}) AS l"


def _ticked(name: str) -> str:
    return f"`{name}`"


def _same(key: Sequence[str]) -> str:
    return " AND ".join(f"t.{_ticked(name)} = s.{_ticked(name)}" for name in key)


def typed(
    rows: pa.RecordBatchReader, columns: Sequence[Column], *, also: str = ""
) -> pa.RecordBatchReader:
    """Return a stream with exactly the types of the table."""
    import pyarrow as pa

    schema = schema_of(columns)
    if also:
        schema = schema.append(pa.field(also, pa.bool_()))
    return pa.RecordBatchReader.from_batches(schema, (wired(batch, schema) for batch in rows))
