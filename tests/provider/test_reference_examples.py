"""Every source has an example in the reference, in YAML and in Python, and both are right."""

from __future__ import annotations

import ast
import re

import pytest
import yaml
from airflow.sdk import DAG

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.defaults import NO_DEFAULTS
from airflow_provider_spotify.core.config.tenant import compile_tenant
from airflow_provider_spotify.operators.registry import operator_class
from docs.examples import EXAMPLES, document, in_python, in_yaml

SOURCES = sorted(registry.sources())


def test_every_source_has_one() -> None:
    """A new source brings its example."""
    assert sorted(EXAMPLES) == SOURCES


@pytest.mark.parametrize("name", SOURCES)
def test_its_yaml_is_a_tenants_import(name: str) -> None:
    """As one import of a tenant it compiles without a problem."""
    assert yaml.safe_load(in_yaml(name).strip("`").removeprefix("yaml\n"))["imports"] == {
        f"{name}_example": document(name)
    }
    tenant = {
        "apiVersion": "v1",
        "tenant": "acme",
        "owner": "data",
        "start_date": "2026-01-01",
        "destination": {"type": "duckdb", "path": "warehouse/acme.duckdb"},
        "imports": {f"{name}_example": {"table": "plays", **document(name)}},
    }
    text = yaml.safe_dump(tenant).replace("'2026-01-01'", "2026-01-01")
    assert list(compile_tenant(text, file="acme.yaml", defaults=NO_DEFAULTS).problems) == []


@pytest.mark.parametrize("name", SOURCES)
def test_its_python_builds_its_tasks(name: str) -> None:
    """The code runs: the operator takes every word of it."""
    code = re.sub(r"^```python\n|```$", "", in_python(name))
    made: dict[str, object] = {}
    with DAG("example", schedule=None):
        exec(compile(ast.parse(code), name, "exec"), made)
    assert operator_class(name).__name__ in made
