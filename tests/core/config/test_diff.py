"""A diff names every changed key, and marks what is dangerous."""

from __future__ import annotations

import pytest

from airflow_provider_spotify.core.config.diff import Change, diff
from tests.core.config.tenants import IMPORTS, compiled, one, yaml


def changes(old: str, new: str) -> list[Change]:
    return diff({"acme": compiled(old)}, {"acme": compiled(new)})


def test_equal_folders_have_no_difference() -> None:
    assert changes(one("priority: 2"), one("priority: 2")) == []


@pytest.mark.parametrize(
    ("old", "new", "key", "dangerous"),
    [
        ("priority: 1", "priority: 2", "priority", False),
        ("table: a", "table: b", "table", True),
        ("write: {mode: append}", "write: {mode: replace}", "write.mode", True),
        ("schedule: '@daily'", "schedule: '@hourly'", "schedule.cron", False),
        ("sla: {within: 1h}", "sla: null", "sla.within", True),
        ("sla: null", "sla: {within: 1h}", "sla.within", False),
        (
            "contract: {columns: {a: {pii: redact}}}",
            "contract: {columns: {a: {}}}",
            "contract.columns.a.pii.action",
            True,
        ),
        (
            "contract: {columns: {a: {}}}",
            "contract: {columns: {a: {pii: redact}}}",
            "contract.columns.a.pii.action",
            False,
        ),
        ("contract: {exclude: [a]}", "contract: {exclude: []}", "contract.exclude", True),
        ("contract: {mode: freeze}", "contract: {mode: evolve}", "contract.mode", True),
        ("pii: {undeclared: fail}", "pii: {undeclared: warn}", "pii.undeclared", True),
        ("incremental: {by: cursor}", "incremental: {by: interval}", "incremental.by", True),
        (
            "destination: {type: duckdb, path: a}",
            "destination: {type: duckdb, path: b}",
            "destination.config.path",
            True,
        ),
    ],
)
def test_a_changed_key_is_named_and_marked_if_dangerous(
    old: str, new: str, key: str, dangerous: bool
) -> None:
    (change,) = changes(one(old), one(new))
    assert (change.dag_id, change.key) == ("acme__plays", key)
    assert (change.danger is not None) == dangerous


def test_imports_that_come_and_go_are_told_and_going_is_dangerous() -> None:
    old, new = yaml(IMPORTS), yaml(IMPORTS.replace("plays:", "songs:"))
    gone, come = changes(old, new)
    assert (gone.kind, gone.dag_id) == ("removed", "acme__plays")
    assert gone.danger == "the DAG goes; table 'plays' stays and is no longer fed"
    assert (come.kind, come.dag_id, come.danger) == ("added", "acme__songs", None)


def test_a_whole_tenant_that_goes_takes_its_imports_with_it() -> None:
    (change,) = diff({"acme": compiled(yaml())}, {})
    assert (change.kind, change.dag_id) == ("removed", "acme__plays")


def test_a_change_of_the_tenant_itself_is_told_under_its_name() -> None:
    (change,) = changes(yaml(), yaml(more="timezone: Europe/Paris\n"))
    assert (change.dag_id, change.key, change.new) == ("acme", "timezone", "Europe/Paris")
