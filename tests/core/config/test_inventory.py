"""The inventory says what a folder gives, in values that print as they are."""

from __future__ import annotations

import json

from airflow_provider_spotify.core.config.inventory import inventory
from tests.core.config.tenants import compiled, one, yaml


def test_an_import_is_listed_with_its_schedule_table_privacy_and_quotas() -> None:
    settings = (
        'schedule: "*/10 * * * *"\nwrite: {mode: merge, key: [id]}\nsla: {within: 15m}\n'
        "retries: {attempts: 4, delay: 1m}\npool: small\n"
        "contract: {columns: {email: {pii: hash}}}\nquality: [{check: unique, columns: [id]}]"
    )
    more = "privacy: {key: acme__key}\ntimezone: Europe/Stockholm\nnotify: [{type: log}]\n"
    found = inventory({"acme": compiled(one(settings, more=more))})
    (row,) = found.imports
    assert row.schedule == "*/10 * * * * (Europe/Stockholm)"
    assert row.destination == "duckdb:acme.duckdb main"
    assert (row.table, row.write, row.checks) == ("plays", "merge on id", 1)
    assert (row.pii, row.privacy_key) == ({"email": "hash"}, "acme__key")
    assert (row.pool, row.retries, row.sla) == ("small", "4 x 1m..15m", "15m")
    assert row.notify == ["log on failure/sla"]
    assert [c.connection for c in found.connections] == ["acme__key"]
    assert json.loads(json.dumps(found.as_data()))["imports"][0]["dag_id"] == "acme__plays"


def test_a_connection_is_listed_once_with_all_who_use_it() -> None:
    source = "source: {type: rest, connection: acme__api, path: x}"
    text = yaml(f"  a: {{{source}}}\n  b: {{{source}, after: [a]}}\n  c: {{{source}}}\n")
    found = inventory({"acme": compiled(text)})
    assert [tuple(c) for c in found.connections] == [
        ("acme__api", "http", ["acme__a", "acme__b", "acme__c"])
    ]
    assert [row.schedule for row in found.imports] == ["by hand", "after a", "by hand"]
