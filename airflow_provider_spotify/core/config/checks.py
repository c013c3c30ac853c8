"""What must hold inside one tenant and no single field can know: names, keys, columns, order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from airflow_provider_spotify.core.config.cron import cron_problem, timezone_problem
from airflow_provider_spotify.core.config.explain import shown
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.config.problems import KeyPath, did_you_mean
from airflow_provider_spotify.core.config.rules import KEYED_ACTIONS
from airflow_provider_spotify.core.usage import UNLIMITED

Finding: TypeAlias = tuple[KeyPath, str]
"""A path inside the import, and what is wrong there."""

LONGEST_TABLE = 53
"""PostgreSQL cuts names at 63 bytes, and ``<table>__rejected`` must be one."""


def import_findings(plan: ImportPlan) -> Iterator[Finding]:
    """Yield what contradicts itself inside one import."""
    yield from _schedule(plan)
    yield from _columns(plan)
    yield from _personal(plan)
    yield from _flowing(plan)
    yield from _parted(plan)
    if plan.incremental.lookback and plan.write.mode == "append":
        said = "a lookback reads rows again, and append would add them again; write by merge"
        yield ("incremental", "lookback"), said
    if len(plan.table) > LONGEST_TABLE or plan.table.endswith("__rejected"):
        said = f"a table has at most {LONGEST_TABLE} characters and does not end in __rejected: "
        yield ("table",), said + "its rejected rows go to <table>__rejected"


def reread_finding(plan: ImportPlan, why: str | None) -> Iterator[Finding]:
    """Find an append of rows that come again.

    :param why: what the source says of it; None if they do not
    """
    if why and plan.write.mode == "append":
        yield ("write", "mode"), f"{why}, and append would add them again; {AS_MERGE}"


AS_MERGE = "write by merge: {mode: merge, key: […]}"


def _schedule(plan: ImportPlan) -> Iterator[Finding]:
    if plan.schedule is None:
        return
    if said := cron_problem(plan.schedule.cron):
        yield ("schedule", "cron"), said
    if plan.schedule.timezone and (said := timezone_problem(plan.schedule.timezone)):
        yield ("schedule", "timezone"), said


def _flowing(plan: ImportPlan) -> Iterator[Finding]:
    """Find what cannot be had of a stream, whose rows are seen as they come."""
    if plan.flush is None:
        return
    if plan.write.mode not in ("append", "merge"):
        said = f"flush shows rows as they come, and {plan.write.mode} shows a table as a whole: "
        yield ("write", "mode"), said + "use append or merge"
    if plan.incremental.by == "interval":
        yield ("incremental", "by"), "flush reads on from the cursor; an interval has an end"
    for index, check in enumerate(plan.quality):
        if check.table_level and check.severity == "error":
            said = "judges a load before it is seen, and flush shows rows as they come; "
            yield ("quality", index, "check"), said + "use severity: warn, or take flush away"


def _parted(plan: ImportPlan) -> Iterator[Finding]:
    """Find what one task alone can do."""
    if plan.partitions == 1:
        return
    if plan.flush is not None:
        yield ("partitions",), "a stream with flush is read by one task; give one of the two"
    if plan.budget != UNLIMITED:
        yield ("budget",), "a budget is kept by one task; give it or partitions, not both"
    if plan.incremental.by == "interval":
        yield ("partitions",), "an interval is read by one task; read by cursor, or take it away"


def _columns(plan: ImportPlan) -> Iterator[Finding]:
    """Find columns that the import needs and its contract leaves out."""
    for path, column in _needed(plan):
        if column in plan.contract.exclude:
            yield path, f"column {column!r} is left out by contract.exclude"
        elif plan.contract.select is not None and column not in plan.contract.select:
            yield path, f"column {column!r} is not in contract.select"
        elif _action(plan, column) == "drop":
            yield path, f"column {column!r} is dropped by its pii rule"


def _needed(plan: ImportPlan) -> Iterator[tuple[KeyPath, str]]:
    for index, column in enumerate(plan.write.key):
        yield ("write", "key", index), column
    for index, check in enumerate(plan.quality):
        for position, column in enumerate(getattr(check, "columns", ())):
            yield ("quality", index, "columns", position), column
        if one := getattr(check, "column", None):
            yield ("quality", index, "column"), one
    for name, agreed in plan.contract.columns.items():
        if agreed.required and _action(plan, name) != "drop":
            yield ("contract", "columns", name), name


_UNSTABLE = {
    "encrypt": "encryption gives another value each time; use hash or tokenize",
    "redact": "every redacted value is the same; use hash or tokenize",
    "truncate": "truncated values of different rows are the same; use hash or tokenize",
    "generalize": "generalized values of different rows are the same; use hash or tokenize",
}


def _personal(plan: ImportPlan) -> Iterator[Finding]:
    for name, column in plan.contract.columns.items():
        if column.pii and column.pii.action in KEYED_ACTIONS and plan.privacy.key is None:
            said = (
                f"{column.pii.action} needs the tenant's key: name the connection that holds it as "
                f"password, privacy: {{key: {plan.tenant}__privacy_key}}"
            )
            yield ("contract", "columns", name, "pii"), said
    for index, column_name in enumerate(plan.write.key):
        if why := _UNSTABLE.get(_action(plan, column_name) or ""):
            yield ("write", "key", index), f"{column_name!r} cannot be a key: {why}"
    subject = plan.privacy.subject
    if subject and _action(plan, subject) in ("drop", "redact"):
        said = f"{subject!r} names the person (privacy.subject): without it no row can be erased"
        yield ("contract", "columns", subject, "pii"), said


def _action(plan: ImportPlan, column: str) -> str | None:
    rule = plan.contract.columns.get(column)
    return rule.pii.action if rule and rule.pii else None


def after_findings(imports: Mapping[str, Collection[str]]) -> Iterator[tuple[str, Finding]]:
    """Find ``after:`` that names no import, or that waits for itself in a circle.

    :param imports: every import's name and what it comes after
    :return: the import where it is, and the finding
    """
    for name, earlier in imports.items():
        for index, other in enumerate(earlier):
            if other not in imports:
                hint = did_you_mean(str(other), imports)
                yield name, (("after", index), f"there is no import {shown(other)}; {hint}")
        if circle := _circle(name, imports):
            yield name, (("after",), f"waits for itself: {' -> '.join(circle)}")


def _circle(name: str, imports: Mapping[str, Collection[str]]) -> list[str] | None:
    """Return the shortest way from an import back to itself."""
    ways = [[name]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for other in imports.get(way[-1], ()):
            if other == name:
                return [*way, name]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return None


def connection_findings(
    data: Any, *, tenant: str, shared: Collection[str], path: KeyPath = ()
) -> Iterator[Finding]:
    """Find every connection that belongs neither to the tenant nor to all.

    A connection is named by a key ``connection``, a key that ends in ``_connection``, or
    ``privacy.key``.
    """
    items = data.items() if isinstance(data, Mapping) else enumerate(data)
    for step, value in items:
        here = (*path, step)
        if isinstance(value, Mapping | list):
            yield from connection_findings(value, tenant=tenant, shared=shared, path=here)
        elif isinstance(value, str) and _names_connection(here):
            own = value.startswith(f"{tenant}__")
            if not own and value not in shared:
                yield here, _foreign(value, tenant)


def _names_connection(path: KeyPath) -> bool:
    step = str(path[-1])
    return step == "connection" or step.endswith("_connection") or path[-2:] == ("privacy", "key")


def _foreign(connection: str, tenant: str) -> str:
    return (
        f"connection {shown(connection)} is not {tenant}'s: name it {tenant}__…, or list it under "
        "shared_connections in _defaults.yaml if every tenant may use it"
    )
