"""What changes between two folders of YAML, key by key, and which changes are dangerous."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan


class Change(NamedTuple):
    """One difference. ``dag_id`` is the tenant's name where the whole tenant is concerned.

    :param key: the dotted path of the key; empty where a whole tenant or import came or went
    :param danger: what may go wrong, or None
    """

    kind: Literal["added", "removed", "changed"]
    dag_id: str
    key: str
    old: Any
    new: Any
    danger: str | None


def diff(old: Mapping[str, TenantPlan], new: Mapping[str, TenantPlan]) -> list[Change]:
    """Compare two sets of tenants; nothing is said of what stays the same."""
    changes: list[Change] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before and after:
            head_old, head_new = _flat(_head(before)), _flat(_head(after))
            changes += _changes(name, head_old, head_new)
        changes += _imports(before.imports if before else {}, after.imports if after else {})
    return changes


def _head(tenant: TenantPlan) -> dict[str, Any]:
    return tenant.model_dump(mode="json", by_alias=True, exclude={"imports", "privacy"})


def _imports(old: Mapping[str, ImportPlan], new: Mapping[str, ImportPlan]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before and after:
            yield from _changes(after.dag_id, _flat(_body(before)), _flat(_body(after)))
        elif after:
            yield Change("added", after.dag_id, "", None, after.table, None)
        elif before:
            danger = f"the DAG goes; table {before.table!r} stays and is no longer fed"
            yield Change("removed", before.dag_id, "", before.table, None, danger)


def _body(plan: ImportPlan) -> dict[str, Any]:
    return plan.model_dump(mode="json", by_alias=True, exclude={"tenant", "name"})


def _changes(dag_id: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        kind: Literal["added", "removed", "changed"] = "changed"
        if before is None or after is None:
            kind = "added" if before is None else "removed"
        yield Change(kind, dag_id, key, before, after, danger(key, before, after))


def _flat(data: Any, path: str = "") -> dict[str, Any]:
    """Spread nested data to dotted keys; empty lists and mappings vanish, as nothing does."""
    if isinstance(data, Mapping):
        items = [(f"{path}.{key}" if path else str(key), value) for key, value in data.items()]
    elif isinstance(data, list) and any(isinstance(item, Mapping | list) for item in data):
        items = [(f"{path}[{index}]", value) for index, value in enumerate(data)]
    else:
        return {} if data is None or data == [] else {path: data}
    return {key: leaf for name, value in items for key, leaf in _flat(value, name).items()}


_ALWAYS = (
    (r"table", "rows go to another table; the old one stays and the cursor does not move with it"),
    (r"destination\..+", "rows go elsewhere; the old table stays and the cursor begins anew"),
    (r"write\.(mode|key)", "rows already written are not rewritten; compare with --full-refresh"),
    (r"source\.type", "the cursor of the old source means nothing to the new one"),
    (r"incremental\.by", "what counts as already read changes"),
    (r"privacy\.key", "hashes and tokens of old rows no longer join with new ones"),
)
_LESS = (
    (r"contract\.columns\..+\.pii\..+", "a personal column loses or changes its protection"),
    (r"privacy\.subject", "rows of a person are found by another column, or no more"),
    (r"contract\.(exclude|select)", "columns may appear that were kept out"),
    (r"quality\[\d+\]\..+", "a check becomes another or goes"),
    (r"(sla|notify).*", "someone may no longer be told"),
)


def danger(key: str, old: Any, new: Any) -> str | None:
    """Say what may go wrong when a key changes; None if nothing does."""
    for pattern, said in _ALWAYS:
        if re.fullmatch(pattern, key) and old is not None:
            return said
    for pattern, said in _LESS:
        if re.fullmatch(pattern, key) and old is not None:
            return said
    if key == "pii.undeclared" and new != "fail":
        return "undeclared personal data may go unnoticed"
    if key == "contract.mode" and new == "evolve":
        return "the contract no longer holds the shape"
    return None
