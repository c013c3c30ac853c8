"""A thousand tenants, ten of them broken: 990 keep running and ten errors are visible."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provider.folders import write_broken, write_tenant

TENANTS = 1000
BROKEN = range(7, TENANTS, 100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    for number in range(TENANTS):
        name = f"tenant{number:04d}"
        write = write_broken if number in BROKEN else write_tenant
        write(folder, tenant=name)
    return folder


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Give the YAML files and rendered DAG files that are opened, in order."""
    names: list[str] = []
    listening = [True]

    def hear(event: str, args: tuple[Any, ...]) -> None:
        name = Path(str(args[0])).name if listening and event == "open" else ""
        if name.endswith(".yaml") or name.startswith(("tenants_", "broken_")):
            names.append(name)

    sys.addaudithook(hear)
    yield names
    listening.clear()


@pytest.mark.slow
def test_through_the_bundle_990_are_built_and_ten_errors_are_visible(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    from airflow_provider_spotify.bundles.tenants import TenantBundle

    storage = str(tmp_path / "bundles")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", storage)
    bundle = TenantBundle(name="thousand", folder=str(folder), shard_size=20)
    bundle.initialize()

    def parse(file: Path) -> Any:
        return BundleDagBag(dag_folder=file, bundle_path=bundle.path, bundle_name=bundle.name)

    bag = parse(bundle.path)
    assert len(bag.dags) == TENANTS - len(BROKEN)
    assert sorted(Path(file).name for file in bag.import_errors) == [
        f"broken_tenant{number:04d}.py" for number in BROKEN
    ]
    for text in bag.import_errors.values():
        assert "did you mean 'source'?" in text

    shards = list(bundle.path.glob("tenants_*.py"))
    tenants = [file.read_text().count('TENANTS["') for file in shards]
    assert 40 <= len(shards) <= 100
    assert max(tenants) <= 50
    file = bundle.path / bag.dags["tenant0500__plays"].relative_fileloc
    opened.clear()
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "tenant0500__plays")
    assert list(parse(file).dags) == ["tenant0500__plays"]
    assert {name for name in opened if not name.endswith(".pyc")} == {file.name}


@pytest.mark.slow
def test_through_the_loader_990_are_built_and_ten_placeholders_show_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    from airflow_provider_spotify.dag_factory import load_tenants

    load: Callable[..., None] = load_tenants
    dags: dict[str, Any] = {}
    load(dags, folder=folder)
    errors = [name for name in dags if name.endswith("__config_error")]
    assert errors == [f"tenant{number:04d}__config_error" for number in BROKEN]
    assert len(dags) - len(errors) == TENANTS - len(BROKEN)

    one: dict[str, Any] = {}
    opened.clear()
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "tenant0500__plays")
    load(one, folder=folder)
    assert list(one) == ["tenant0500__plays"]
    assert opened == ["tenant0500.yaml"]
