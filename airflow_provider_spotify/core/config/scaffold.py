"""Writes the first YAML of a tenant, with comments that say what may follow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_spotify.core import registry

_SCHEMA = "../airflow_provider_spotify/core/config/tenant.schema.json"


def scaffold(tenant: str, *, source: str, owner: str, start_date: str) -> str:
    """Return YAML of a tenant with one import.

    What the source needs and only its owner knows is filled with a word in capitals.

    :param source: the type of the import's source
    :param start_date: ISO date from which schedules count
    :raises ConfigurationError: if there is no such source
    """
    kind = registry.source(source)
    lines = [
        f"# yaml-language-server: $schema={_SCHEMA}",
        "apiVersion: v1",
        f"tenant: {tenant}",
        f"owner: {_scalar(owner)}",
        "timezone: UTC",
        f"start_date: {start_date}",
        f"destination: {{type: duckdb, path: warehouse/{tenant}.duckdb}}",
        "",
        "imports:",
        "  # The name becomes the DAG's: " + f"{tenant}__{source}.",
        f"  {source}:",
        "    source:",
        f"      type: {source}",
        *_connection(kind, tenant),
        *(f"      {key}: {value}" for key, value in _required(kind, source, tenant)),
        f"    table: {source}",
        "    # append, replace, merge or scd2; the last two need a key: [id]",
        "    write: {mode: append}",
        '    schedule: "@daily"',
        "    # contract: {columns: {email: {type: string, pii: redact}}}",
        "    # quality: [{check: not_null, columns: [id]}]",
        "    # sla: {within: 1h}",
    ]
    return "\n".join(lines) + "\n"


def _connection(kind: Any, tenant: str) -> list[str]:
    if kind.conn_type is None:
        return []
    line = f"connection: {tenant}__{kind.conn_type}"
    # files may lie on this machine, and local ones need no connection
    optional = "path" in kind.Config.model_fields
    return [f"      {'# ' if optional else ''}{line}"]


def _required(kind: Any, source: str, tenant: str) -> Iterator[tuple[str, str]]:
    schema = kind.Config.model_json_schema()
    definitions = schema.get("$defs", {})
    for key in schema.get("required", ()):
        words = schema["properties"][key]
        if key == "path":
            yield key, f"data/{tenant}/*.{getattr(kind, 'suffix', source)}"
        else:
            yield key, json.dumps(_example(words, definitions, key))


def _example(words: Mapping[str, Any], definitions: Mapping[str, Any], key: str) -> Any:
    """Return a value of the right type, from the examples of a field if it has any."""
    if words.get("examples"):
        return words["examples"][0]
    if "$ref" in words:
        return _example(definitions[words["$ref"].rpartition("/")[2]], definitions, key)
    if words.get("enum"):
        return words["enum"][0]
    if "const" in words:
        return words["const"]
    for branch in words.get("anyOf", words.get("oneOf", ())):
        return _example(branch, definitions, key)
    kind = words.get("type")
    if kind == "array":
        return [_example(words.get("items", {}), definitions, key)]
    if kind == "object":
        inner = words.get("properties", {})
        return {k: _example(inner[k], definitions, k) for k in words.get("required", ())}
    return {"integer": words.get("minimum", 1), "number": 1.0, "boolean": False}.get(
        str(kind), f"{key.upper()}"
    )


def _scalar(text: str) -> str:
    """Quote a text where YAML would read it as something else."""
    return text if text.replace("-", "").replace("_", "").isalpha() else json.dumps(text)
