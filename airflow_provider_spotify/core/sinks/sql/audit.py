"""Table-level checks over a load that is not visible yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.config.rules import Unique
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import LOAD_ID, CheckResult
from airflow_provider_spotify.core.sinks.sql.statements import IS_CURRENT
from airflow_provider_spotify.core.sinks.sql.types import join

if TYPE_CHECKING:
    from airflow_provider_spotify.core.config.rules import Check
    from airflow_provider_spotify.core.sinks.sql.dialect import Column
    from airflow_provider_spotify.core.sinks.sql.session import Session
    from airflow_provider_spotify.core.sinks.sql.tables import Tables


def judge(
    check: Check, session: Session, *, tables: Tables, superseded: Collection[int]
) -> CheckResult:
    """Judge ``unique`` over what readers would see if the load were published now.

    As in SQL's own UNIQUE, a row that misses one of the values is like no other. Of a table with
    versions only the current ones count.

    :raises ConfigurationError: if the check is another, or names a column that is not there
    """
    if not isinstance(check, Unique):
        raise ConfigurationError(f"a table cannot judge the check {check.check!r}, only unique")
    parts = _visible(check, session, tables, superseded)
    groups, rows = _repeated(check, session, parts) if parts else (0, 0)
    said = f"{groups} values of {', '.join(check.columns)} occur more than once, in {rows} rows"
    return CheckResult(
        check=check.check,
        columns=tuple(check.columns),
        severity=check.severity,
        passed=not groups,
        failed_rows=rows,
        message=said if groups else "",
    )


def _repeated(check: Unique, session: Session, parts: list[str]) -> tuple[int, int]:
    """Count the combinations of values that occur more than once, and the rows that hold them."""
    names = ", ".join(f"c{number}" for number in range(len(check.columns)))
    known = " AND ".join(f"c{number} IS NOT NULL" for number in range(len(check.columns)))
    grouped = (
        f"SELECT count(*) AS n FROM ({' UNION ALL '.join(parts)}) AS v "
        f"WHERE {known} GROUP BY {names}"
    )
    ((groups, rows),) = session.execute(
        f"SELECT count(*), coalesce(sum(n), 0) FROM ({grouped}) AS g WHERE n > 1"
    )
    return int(groups), int(rows)


def _visible(
    check: Unique, session: Session, tables: Tables, superseded: Collection[int]
) -> list[str]:
    """Return queries that together give the checked columns, as ``c0``, ``c1`` …, of every row."""
    staged, target = tables.staged.columns(), session.columns(tables.target)
    fold = session.dialect.fold
    for name in check.columns:
        if (staged or target) and fold(name) not in staged | target:
            raise ConfigurationError(
                f"the check unique names the column {name!r}, which {tables.target!r} has not"
            )
    parts = []
    if staged:
        source = tables.latest() if tables.key else tables.staged.relation()
        parts.append(f"SELECT {_chosen(check, session, staged, target)} FROM {source} AS s")
    if target and tables.mode != "replace":
        condition = _staying(session, tables, superseded=superseded, staged=bool(staged))
        chosen = _chosen(check, session, target, staged)
        parts.append(f"SELECT {chosen} FROM {session.name(tables.target)} AS s{condition}")
    return parts


def _chosen(
    check: Unique, session: Session, columns: Mapping[str, Column], others: Mapping[str, Column]
) -> str:
    """Return the checked columns of one table, with the types that fit both."""
    dialect, chosen = session.dialect, []
    for number, name in enumerate(check.columns):
        here, there = (table.get(dialect.fold(dialect.fit(name))) for table in (columns, others))
        value = "NULL" if here is None else f"s.{dialect.quote(here.name)}"
        wide = here or there
        assert wide is not None
        if here and there and here.type is not None and there.type is not None:
            wide = dialect.column(here.name, join(here.type, there.type))
        chosen.append(f"CAST({value} AS {wide.native}) AS c{number}")
    return ", ".join(chosen)


def _staying(session: Session, tables: Tables, *, superseded: Collection[int], staged: bool) -> str:
    """Return the condition for rows of the target that publishing leaves as they are."""
    dialect, conditions = session.dialect, []
    if superseded and tables.mode == "append":
        listed = ", ".join(str(int(load)) for load in sorted(superseded))
        conditions.append(f"s.{dialect.quote(LOAD_ID)} NOT IN ({listed})")
    if tables.mode == "scd2" and dialect.fold(IS_CURRENT) in session.columns(tables.target):
        conditions.append(f"s.{dialect.quote(IS_CURRENT)}")
    if tables.key and staged:
        same = " AND ".join(f"n.{dialect.quote(k)} = s.{dialect.quote(k)}" for k in tables.key)
        conditions.append(
            f"NOT EXISTS (SELECT 1 FROM {tables.staged.relation()} AS n WHERE {same})"
        )
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
