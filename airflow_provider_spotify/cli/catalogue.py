"""The commands that know the sources: schema, new and sources."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from airflow_provider_spotify.cli.exits import BAD_DATA, OK
from airflow_provider_spotify.cli.tables import show
from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.compile import load_folder, tenant_files
from airflow_provider_spotify.core.config.defaults import FILE_NAME, NO_DEFAULTS
from airflow_provider_spotify.core.config.rules import duration_text
from airflow_provider_spotify.core.config.scaffold import scaffold
from airflow_provider_spotify.core.config.tenant import compile_tenant
from airflow_provider_spotify.core.errors import ConfigurationError


class Key(NamedTuple):
    """One key of a source's Config."""

    key: str
    type: str
    default: str
    description: str


def schema(arguments: argparse.Namespace) -> int:
    """Print the schema, write it, or compare it with the one that is written."""
    from airflow_provider_spotify.core.config import schema as generator

    if not (arguments.write or arguments.check) and (known := generator.shipped()):
        print(known, end="")  # a test keeps it current, and it is here at once
        return OK
    text = generator.render()
    if arguments.write:
        generator.FILE.write_text(text, "utf-8")
        print(f"wrote {generator.FILE}", file=sys.stderr)
    elif arguments.check:
        if not generator.FILE.is_file() or generator.FILE.read_text("utf-8") != text:
            print("the committed schema is old: spotify-imports schema --write", file=sys.stderr)
            return BAD_DATA
    else:
        print(text, end="")
    return OK


def new(arguments: argparse.Namespace) -> int:
    """Write a tenant's first YAML, and say what is left to fill in."""
    folder = Path(arguments.folder)
    file = folder / f"{arguments.tenant}.yaml"
    text = scaffold(
        arguments.tenant,
        source=arguments.source,
        owner=arguments.owner,
        start_date=date.today().isoformat(),
    )
    compiled = compile_tenant(text, file=str(file), defaults=_defaults(folder))
    named = [problem for problem in compiled.problems if problem.path in ("tenant", "owner")]
    if named:
        raise ConfigurationError(named[0].message)
    if folder.is_dir() and any(f.stem == arguments.tenant for f in tenant_files(folder)):
        raise ConfigurationError(f"{folder} describes a tenant {arguments.tenant!r} already")
    folder.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)
    print(f"wrote {file}; complete it, then: spotify-imports validate {folder}", file=sys.stderr)
    for problem in compiled.problems:
        print(problem)
    return OK


def _defaults(folder: Path) -> Any:
    return load_folder(folder).defaults if (folder / FILE_NAME).is_file() else NO_DEFAULTS


def sources(arguments: argparse.Namespace) -> int:
    """List every source, or every key of one."""
    if arguments.name:
        keys = config_keys(registry.source(arguments.name).Config)
        _print(arguments, f"source: {{type: {arguments.name}}}", [key._asdict() for key in keys])
    else:
        _print(arguments, "Sources", [_source(name) for name in sorted(registry.sources())])
    return OK


def _source(name: str) -> dict[str, str]:
    kind = registry.source(name)
    said = (sys.modules[kind.__module__].__doc__ or kind.__doc__ or "").strip().splitlines()
    return {
        "name": name,
        "family": registry.family(name),
        "connection": kind.conn_type or "-",
        "what": said[0] if said else "",
    }


def config_keys(config: Any) -> list[Key]:
    """Describe the keys of a Config, and of the blocks in it, in the words of its JSON Schema."""
    described = config.model_json_schema()
    return list(_keys(described, described.get("$defs", {})))


def _keys(
    block: Mapping[str, Any], definitions: Mapping[str, Any], under: str = ""
) -> Iterator[Key]:
    required = block.get("required", ())
    for name, words in block.get("properties", {}).items():
        inside = _block(words, definitions)
        said = "-" if inside else _default(words)
        yield Key(
            under + name,
            type_words(words, definitions),
            "required" if name in required else said,
            words.get("description", ""),
        )
        if inside and not under:
            yield from _keys(inside, definitions, f"{name}.")


def _block(words: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of a key that holds keys, and nothing else."""
    branches = [b for b in words.get("anyOf", [words]) if b.get("type") != "null"]
    if len(branches) != 1 or "$ref" not in branches[0]:
        return None
    found: Mapping[str, Any] = definitions[branches[0]["$ref"].rpartition("/")[2]]
    return found if found.get("properties") else None


def _default(words: Mapping[str, Any]) -> str:
    default = words.get("default")
    if isinstance(default, str) and _is_duration(words):
        return duration_text(TypeAdapter(timedelta).validate_python(default))
    return "-" if default is None else json.dumps(default)


def _is_duration(words: Mapping[str, Any]) -> bool:
    """Know a duration by its pattern, which is that of no other text."""
    return str(words.get("pattern", "")).endswith("(ms|s|m|h|d|w)$") or any(
        _is_duration(branch) for branch in words.get("anyOf", ())
    )


def type_words(words: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words what a JSON Schema takes: ``text``, ``list of text``, ``a | b``."""
    if "$ref" in words:
        return type_words(definitions[words["$ref"].rpartition("/")[2]], definitions)
    if branches := words.get("anyOf") or words.get("oneOf"):
        said = [type_words(branch, definitions) for branch in branches]
        return " or ".join(dict.fromkeys(item for item in said if item != "nothing"))
    if _is_duration(words):
        return "duration"
    if "enum" in words:
        return " | ".join(map(str, words["enum"]))
    if "const" in words:
        return str(words["const"])
    kind = words.get("type", "anything")
    if kind == "array":
        return f"list of {type_words(words.get('items', {}), definitions)}"
    if kind == "object" and words.get("properties"):
        return "{" + ", ".join(words["properties"]) + "}"
    plain = {"string": "text", "integer": "whole number", "object": "mapping", "null": "nothing"}
    return str(plain.get(kind, kind))


def _print(arguments: argparse.Namespace, title: str, rows: list[dict[str, str]]) -> None:
    if arguments.format == "json":
        print(json.dumps(rows, indent=2))
    elif rows:
        show(title, columns=list(rows[0]), rows=[list(row.values()) for row in rows])
    else:
        print(f"{title}: none")
