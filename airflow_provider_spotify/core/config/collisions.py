"""Finds what two files or two imports may not share: a tenant's name, and a table."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_spotify.core.config.plans import DestinationPlan, ImportPlan
from airflow_provider_spotify.core.config.problems import Problem
from airflow_provider_spotify.core.config.tenant import Compiled
from airflow_provider_spotify.core.model import rooted

_PLACE = ("path", "database", "catalog", "schema", "schema_", "dataset", "root")
"""Keys of a destination's Config that say where its tables are."""


def twins(compiled: Sequence[Compiled]) -> Iterator[tuple[Compiled, Problem]]:
    """Find files that name a tenant which another file has already named.

    The file whose name is the tenant's has the better right, then the first by name.
    """
    first: dict[str, Compiled] = {}
    for item in sorted(compiled, key=lambda c: (Path(c.document.file).stem != c.tenant,)):
        if item.tenant is None:
            continue
        owner = first.setdefault(item.tenant, item)
        if owner is not item:
            said = f"tenant {item.tenant!r} is described by {owner.document.file} already"
            yield item, item.document.problem(("tenant",), said, value=True)


def collisions(compiled: Sequence[Compiled]) -> Iterator[tuple[Compiled, Problem]]:
    """Find imports that write a table which an earlier import writes, in any tenant.

    A file that collides claims no table, so it keeps no other from running.
    """
    claimed: dict[Any, tuple[Compiled, ImportPlan]] = {}
    for item in compiled:
        mine: dict[Any, tuple[Compiled, ImportPlan]] = {}
        clean = True
        for plan in item.plan.imports.values() if item.plan else ():
            place = (*location(plan.destination), plan.table)
            if earlier := claimed.get(place) or mine.get(place):
                clean = False
                yield item, _collision(item, plan, earlier)
            mine.setdefault(place, (item, plan))
        if clean:
            claimed |= mine


def _collision(item: Compiled, plan: ImportPlan, earlier: tuple[Compiled, ImportPlan]) -> Problem:
    other, owner = earlier
    where = _written(other, owner)
    said = (
        f"table {plan.table!r} is written by {owner.dag_id} already ({where.file}:{where.line}); "
        "give each import a table, schema or destination of its own"
    )
    return _written(item, plan)._replace(message=said)


def location(destination: DestinationPlan) -> tuple[str, ...]:
    """Say where a destination's tables are, so that two that are the same compare equal."""
    config = destination.config
    words = [
        f"{name}={_place(name, value)}"
        for name in _PLACE
        if (value := getattr(config, name, None)) is not None and name in type(config).model_fields
    ]
    return (destination.type, destination.connection or "", *words)


def _place(name: str, value: Any) -> str:
    return os.path.normpath(rooted(str(value))) if name == "path" else str(value)


def _written(item: Compiled, plan: ImportPlan) -> Problem:
    """Return the place where an import names its table, or else where it begins."""
    body = item.document.data["imports"][plan.name]
    at = ("imports", plan.name, "table") if "table" in body else ("imports", plan.name)
    return item.document.problem(at, "", value="table" in body)
