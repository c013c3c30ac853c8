"""The committed JSON Schema is the one that the models give, and the examples keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.compile import load_folder, tenant_files
from airflow_provider_spotify.core.config.document import read
from airflow_provider_spotify.core.config.schema import FILE, render
from tests.core.config.tenants import one

EXAMPLES = Path(__file__).parents[3] / "dag_configs"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema: dict[str, Any] = json.loads(render())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def accepts(validator: jsonschema.Draft202012Validator, text: str) -> bool:
    return bool(validator.is_valid(read(text, file="t.yaml").data))


def test_the_committed_schema_is_current() -> None:
    """Run ``spotify-imports schema --write`` after a change of a Config or a plan."""
    assert FILE.read_text("utf-8") == render()


def test_generating_the_schema_twice_gives_the_same_text() -> None:
    assert render() == render()


@pytest.mark.parametrize("file", sorted(tenant_files(EXAMPLES)), ids=lambda file: file.name)
def test_every_example_keeps_the_schema(
    validator: jsonschema.Draft202012Validator, file: Path
) -> None:
    errors = validator.iter_errors(read(file.read_text("utf-8"), file=file.name).data)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_examples_compile() -> None:
    folder = load_folder(EXAMPLES)
    assert [str(problem) for problem in folder.problems] == []
    assert len(folder.tenants) >= 3


def test_every_source_and_destination_is_in_the_schema() -> None:
    definitions = json.loads(render())["$defs"]
    blocks = {name for name in definitions if name.startswith(("source.", "destination."))}
    expected = {f"source.{name}" for name in registry.sources()}
    assert blocks == expected | {f"destination.{name}" for name in registry.sinks()}
    assert all(definitions[name]["additionalProperties"] is False for name in blocks)


@pytest.mark.parametrize(
    "line",
    [
        'schedule: "@daily"',
        'schedule: {cron: "@daily", timezone: UTC}',
        "contract: {columns: {a: {pii: redact}, b: {pii: {action: truncate, length: 2}}}}",
        "retries: {delay: 90s}",
        "sla: null",
        "destination: {type: duckdb, schema: other}",
        "quality: [{check: range, column: a, min: 2026-01-01}]",
    ],
)
def test_what_compiles_keeps_the_schema(
    validator: jsonschema.Draft202012Validator, line: str
) -> None:
    assert accepts(validator, one(line))


@pytest.mark.parametrize(
    "line",
    [
        "scheduel: x",
        "retries: {delay: soon}",
        "write: {mode: mrge}",
        "quality: [{check: uniqe}]",
        "source: {type: cvs}",
        "contract: {columns: {a: {pii: hsh}}}",
        "table: My Table",
        "destination: {path: x}",
    ],
)
def test_what_does_not_compile_breaks_the_schema(
    validator: jsonschema.Draft202012Validator, line: str
) -> None:
    text = one(line) if not line.startswith("source") else one().replace("type: csv", "type: cvs")
    assert not accepts(validator, text)
