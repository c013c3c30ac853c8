"""What exists in one place exists in all: a source has its test, its operator and its row."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.provider_info import get_provider_info
from tests.architecture.tree import PACKAGE, ROOT, modules, tree

SOURCES = [*registry.sources()]
REFERENCE = ROOT / "docs" / "reference"


def classes(file: Path) -> Iterator[ast.ClassDef]:
    yield from (node for node in tree(file).body if isinstance(node, ast.ClassDef))


def constants(node: ast.ClassDef) -> dict[str, Any]:
    """Return what a class assigns to plain names in its body."""
    return {
        line.targets[0].id: line.value.value
        for line in node.body
        if isinstance(line, ast.Assign)
        and isinstance(line.targets[0], ast.Name)
        and isinstance(line.value, ast.Constant)
    }


def operators() -> dict[str, tuple[str, str]]:
    """Return each source's operator and its module; read, because Airflow may not be there."""
    return {
        words["source_type"]: (node.name, file.stem)
        for file in modules(PACKAGE / "operators")
        for node in classes(file)
        if (words := constants(node)).get("source_type")
    }


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_a_test_where_one_looks_for_it(name: str) -> None:
    file = ROOT / "tests" / "core" / "sources" / registry.family(name) / f"test_{name}.py"
    assert file.exists()
    names = [n.name for n in ast.walk(tree(file)) if hasattr(n, "name")]
    assert any(str(found).startswith(("test_", "Test")) for found in names)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_holds_the_suite_for_sources(name: str) -> None:
    folder = ROOT / "tests" / "core" / "sources" / registry.family(name)
    used = [file for file in folder.glob(f"test_{name}*.py") if "Conformance" in file.read_text()]
    assert used, f"no test_{name}*.py hands {name} to the conformance suite"


@pytest.mark.parametrize("name", [*registry.sinks()])
def test_a_sink_holds_the_suite_for_sinks(name: str) -> None:
    file = ROOT / "tests" / "core" / "sinks" / f"test_{name}.py"
    assert "SinkConformance" in file.read_text()


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_an_operator_in_the_module_of_its_family(name: str) -> None:
    spelled = "".join(part.title() for part in name.split("_")) + "ImportOperator"
    assert operators()[name] == (spelled, registry.family(name))


def test_no_two_operators_have_one_name() -> None:
    """OpenLineage and Airflow's UI tell operators apart by the name of their class."""
    names = [node.name for file in modules(PACKAGE / "operators") for node in classes(file)]
    assert not [name for name, count in Counter(names).items() if count > 1]
    assert set(operators()) == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_says_in_one_sentence_what_it_reads(name: str) -> None:
    """The sentence is its row in the documentation."""
    doc = inspect.getdoc(sys.modules[registry.source(name).__module__]) or ""
    first = doc.splitlines()[0]
    assert re.fullmatch(r"[^.!?]+(\.\w[^.!?]*)*\.", first), first


@pytest.mark.parametrize("name", SOURCES)
def test_the_keys_of_a_source_can_be_explained(name: str) -> None:
    """A key whose name does not say all has a description; none hides behind an alias."""
    for key, field in registry.source(name).Config.model_fields.items():
        assert field.description is None or field.description.strip(), key
        assert re.fullmatch(r"[a-z][a-z0-9_]*", field.alias or key), key


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_its_row_and_its_keys_in_the_documentation(name: str) -> None:
    page = (REFERENCE / "sources.md").read_text("utf-8")
    assert f"| [`{name}`](#{name}) | {registry.family(name)} |" in page
    (keys,) = re.findall(rf"^## {name}$(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    for key, field in registry.source(name).Config.model_fields.items():
        assert f"`{field.alias or key}`" in keys, key


def test_the_reference_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run `make docs`: {done.stdout}{done.stderr}"


def named(value: Any) -> Iterator[str]:
    """Yield every dotted name of this package in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from named(part)
    elif isinstance(value, str) and re.fullmatch(r"airflow_provider_spotify(\.\w+)+", value):
        yield value


@pytest.mark.parametrize("name", sorted(set(named(get_provider_info()))))
def test_what_the_provider_info_names_exists(name: str) -> None:
    """Looked up in the source, so that it is known also where Airflow is not installed."""
    module, _, last = name.rpartition(".")
    file = ROOT / f"{name.replace('.', '/')}.py"
    if file.exists():
        return
    spec = importlib.util.find_spec(module) if module.count(".") == 1 else None
    found = Path(spec.origin) if spec and spec.origin else ROOT / f"{module.replace('.', '/')}.py"
    defined = {n.name for n in tree(found).body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert last in defined


def test_the_provider_info_names_every_module_that_an_airflow_user_may_import() -> None:
    named_there = set(named(get_provider_info()))
    families = {registry.family(name) for name in SOURCES}
    for folder in ("operators", "sensors"):
        for family in families:
            assert f"airflow_provider_spotify.{folder}.{family}" in named_there
