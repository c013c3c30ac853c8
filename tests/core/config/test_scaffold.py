"""The first YAML of a tenant is valid, or says in capitals what is left to fill in."""

from __future__ import annotations

import pytest

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.document import read
from airflow_provider_spotify.core.config.scaffold import scaffold
from tests.core.config.tenants import messages


def text(source: str, owner: str = "data-team") -> str:
    return scaffold("acme", source=source, owner=owner, start_date="2026-01-01")


@pytest.mark.parametrize("source", ["csv", "jsonl", "parquet", "rest"])
def test_a_scaffold_of_these_sources_is_valid_as_it_stands(source: str) -> None:
    assert messages(text(source)) == []


@pytest.mark.parametrize("source", sorted(registry.sources()))
def test_a_scaffold_of_any_source_is_yaml_with_that_source(source: str) -> None:
    document = read(text(source), file="acme.yaml")
    assert document.problems == ()
    assert document.data["imports"][source]["source"]["type"] == source


def test_an_owner_that_yaml_would_misread_is_quoted() -> None:
    assert read(text("csv", "yes: #1"), file="t").data["owner"] == "yes: #1"
