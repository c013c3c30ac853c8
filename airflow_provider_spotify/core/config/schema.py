"""One JSON Schema for a whole tenant YAML, generated from the models that validate it.

An editor that knows the YAML language server completes and checks a file whose first line is
``# yaml-language-server: $schema=../airflow_provider_spotify/core/config/tenant.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.plans import ImportPlan, ImportSettings, TenantPlan

FILE = Path(__file__).with_name("tenant.schema.json")
_REF = "#/$defs/"
_CONNECTION = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_.\-]{1,200}$",
    "description": "Airflow connection: <tenant>__<system>, or one of shared_connections",
}


def document_schema() -> dict[str, Any]:
    """Generate the schema; the same sources and models give the same schema."""
    sources = {name: registry.source(name).Config for name in sorted(registry.sources())}
    sinks = {name: registry.sink(name).Config for name in sorted(registry.sinks())}
    models = [TenantPlan, ImportPlan, ImportSettings, *sources.values(), *sinks.values()]
    unique = [(model, "validation") for model in dict.fromkeys(models)]
    refs, generated = models_json_schema(unique, ref_template=_REF + "{model}")  # type: ignore[arg-type]
    defs: dict[str, Any] = generated["$defs"]
    named = {model: defs[ref["$ref"].removeprefix(_REF)] for (model, _), ref in refs.items()}
    defs |= {f"source.{name}": _block(name, named[config]) for name, config in sources.items()}
    # a weaker layer may give the rest of a destination, so only its type is required
    whole = {name: {**named[config], "required": []} for name, config in sinks.items()}
    defs |= {f"destination.{name}": _block(name, config) for name, config in whole.items()}
    defs["source"] = {"oneOf": [{"$ref": f"{_REF}source.{name}"} for name in sources]}
    defs["destination"] = {"oneOf": [{"$ref": f"{_REF}destination.{name}"} for name in sinks]}
    defs["import"] = _import(named[ImportPlan])
    schema = _document(named[TenantPlan], _ref(named[ImportSettings], defs))
    used = {name: defs[name] for name in sorted(_used(schema, defs))}
    cleaned: dict[str, Any] = _clean({**schema, "$defs": used})
    return cleaned


def render() -> str:
    """Return the schema as the text that is committed."""
    return json.dumps(document_schema(), indent=2, ensure_ascii=False) + "\n"


def shipped() -> str | None:
    """Return the schema that was generated at release; None if it lacks sources of others."""
    if not FILE.is_file() or any(registry.is_foreign(name) for name in registry.sources()):
        return None
    return FILE.read_text("utf-8")


def _ref(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, str]:
    return next({"$ref": _REF + name} for name, value in defs.items() if value is schema)


def _block(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Put ``type`` and ``connection`` before the keys of a Config."""
    properties = {
        "type": {"const": name},
        "connection": _CONNECTION,
        **config.get("properties", {}),
    }
    return {**config, "properties": properties, "required": ["type", *config.get("required", ())]}


def _import(plan: Mapping[str, Any]) -> dict[str, Any]:
    outside = ("tenant", "name", "source", "destination", "table")
    first = {
        "source": {"$ref": f"{_REF}source"},
        "table": {**plan["properties"]["table"], "description": "the import's name if not given"},
        "destination": {"$ref": f"{_REF}destination", "description": "if not the tenant's"},
    }
    rest = {key: value for key, value in plan["properties"].items() if key not in outside}
    return {**plan, "properties": {**first, **rest}, "required": ["source"]}


def _document(tenant: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    head = {key: value for key, value in tenant["properties"].items() if key != "imports"}
    imports = {
        "type": "object",
        "description": "each becomes the DAG <tenant>__<name>",
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,62}$"},
        "additionalProperties": {"$ref": f"{_REF}import"},
        "minProperties": 1,
    }
    keys = {
        **head,
        "destination": {"$ref": f"{_REF}destination", "description": "of every import"},
        "defaults": {**settings, "description": "what every import has unless it says otherwise"},
        "imports": imports,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A tenant of airflow-provider-spotify",
        "type": "object",
        "properties": keys,
        "required": ["tenant", "imports"],
        "additionalProperties": False,
    }


def _used(schema: Any, defs: Mapping[str, Any]) -> set[str]:
    """Return the names of the definitions that a schema reaches."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        for ref in _refs(waiting.pop()):
            name = ref.removeprefix(_REF)
            if name not in found:
                found.add(name)
                waiting.append(defs[name])
    return found


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "$ref":
                yield value
            elif key != "discriminator":
                yield from _refs(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _refs(item)


def _clean(schema: Any, *, names: bool = False) -> Any:
    """Leave out what only repeats a key's name, and OpenAPI's discriminators.

    :param names: the keys of this mapping are names that YAML has, not words of JSON Schema
    """
    if isinstance(schema, list):
        return [_clean(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    noise = () if names else ("discriminator",)
    kept = {key: value for key, value in schema.items() if key not in noise}
    if not names and "$schema" not in kept and isinstance(kept.get("title"), str):
        del kept["title"]
    raw = () if names else ("default", "examples", "enum", "const", "required")
    return {
        key: value
        if key in raw
        else _clean(value, names=not names and key in ("properties", "$defs"))
        for key, value in kept.items()
    }
