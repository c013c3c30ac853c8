"""TenantBundle: a folder's content is the version, and a broken tenant is one import error."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.provider.folders import write_broken, write_tenant


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dag_configs"
    folder.mkdir()
    return folder


@pytest.fixture
def bundle(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that makes a bundle over the folder, with storage of its own."""
    storage = str(tmp_path / "bundles")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", storage)

    def make(**words: Any) -> Any:
        from airflow_provider_spotify.bundles.tenants import TenantBundle

        made = TenantBundle(name="tenants", folder=str(folder), **words)
        made.initialize()
        return made

    return make


def version(bundle: Any) -> str:
    return str(bundle.get_current_version().version)


def parse(bundle: Any) -> Any:
    """Read the rendered files as the DAG processor does."""
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(
        dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name, safe_mode=True
    )


def test_every_tenant_is_in_the_rendered_files(folder: Path, bundle: Callable[..., Any]) -> None:
    for name in ("acme", "beta", "gamma"):
        write_tenant(folder, tenant=name)
    bag = parse(bundle(shard_size=2))
    assert sorted(bag.dags) == ["acme__plays", "beta__plays", "gamma__plays"]
    assert bag.import_errors == {}


def test_a_broken_tenant_is_one_import_error_that_says_where(
    folder: Path, bundle: Callable[..., Any]
) -> None:
    write_tenant(folder, tenant="acme")
    write_broken(folder, tenant="beta")
    bag = parse(bundle())
    assert list(bag.dags) == ["acme__plays"]
    ((file, text),) = bag.import_errors.items()
    assert Path(file).name == "broken_beta.py"
    assert "beta.yaml:" in text
    assert "did you mean 'source'?" in text


def test_a_tenant_that_writes_anothers_table_is_shown_and_the_other_runs(
    folder: Path, bundle: Callable[..., Any]
) -> None:
    same = 'destination: {type: duckdb, path: "/data/same.duckdb"}'
    for name in ("acme", "beta"):
        file = write_tenant(folder, tenant=name)
        lines = [same if "destination" in line else line for line in file.read_text().splitlines()]
        file.write_text("\n".join(lines))
    write_tenant(folder, tenant="gamma")
    bag = parse(bundle())
    assert sorted(bag.dags) == ["acme__plays", "gamma__plays"]
    ((file, text),) = bag.import_errors.items()
    assert Path(file).name == "broken_beta.py"
    assert "written by acme__plays already (acme.yaml:" in text


def test_broken_defaults_are_one_error_that_names_the_file(
    folder: Path, bundle: Callable[..., Any]
) -> None:
    write_tenant(folder)
    (folder / "_defaults.yaml").write_text("defaults: {pol: shared}\n")
    bag = parse(bundle())
    assert bag.dags == {}
    (text,) = bag.import_errors.values()
    assert "_defaults.yaml:1:" in text


def test_an_empty_folder_is_a_bundle_without_dags(bundle: Callable[..., Any]) -> None:
    made = bundle()
    assert made.path.is_dir()
    assert parse(made).dags == {}


def test_a_missing_folder_says_so(bundle: Callable[..., Any], folder: Path) -> None:
    from airflow_provider_spotify.core.errors import ConfigurationError

    folder.rmdir()
    with pytest.raises(ConfigurationError, match="dag_configs"):
        bundle()


def test_the_version_is_the_content(folder: Path, bundle: Callable[..., Any]) -> None:
    file = write_tenant(folder)
    first = bundle()
    before = version(first)
    file.touch()
    first.refresh()
    assert version(first) == before
    file.write_text(file.read_text() + "# a comment\n")
    first.refresh()
    assert version(first) != before
    assert first.path.name == version(first)


@pytest.mark.parametrize("change", ["defaults", "rename", "remove", "swap"])
def test_every_change_of_the_folder_is_a_version(
    folder: Path, bundle: Callable[..., Any], change: str
) -> None:
    one, two = write_tenant(folder, tenant="acme"), write_tenant(folder, tenant="beta")
    made = bundle()
    before = version(made)
    if change == "defaults":
        (folder / "_defaults.yaml").write_text("defaults: {pool: shared}\n")
    elif change == "rename":
        one.rename(folder / "other.yaml")
    elif change == "remove":
        two.unlink()
    else:
        first, second = one.read_text(), two.read_text()
        one.write_text(second)
        two.write_text(first)
    made.refresh()
    assert version(made) != before


def test_a_pinned_run_keeps_its_yaml(folder: Path, bundle: Callable[..., Any]) -> None:
    file = write_tenant(folder)
    latest = bundle()
    pinned_to = version(latest)
    file.write_text(file.read_text().replace("table: plays", "table: renamed"))
    latest.refresh()
    old = bundle(version=pinned_to)
    tables = [parse(b).dags["acme__plays"].get_task("import").table for b in (old, latest)]
    assert tables == ["plays", "renamed"]
    assert version(old) == pinned_to


def test_a_worker_renders_a_version_that_it_lacks_if_the_folder_still_has_it(
    folder: Path, bundle: Callable[..., Any]
) -> None:
    import shutil

    write_tenant(folder)
    made = bundle()
    shutil.rmtree(made.path)
    again = bundle(version=version(made))
    assert list(parse(again).dags) == ["acme__plays"]


def test_a_version_that_is_gone_says_what_to_do(folder: Path, bundle: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowException

    write_tenant(folder)
    with pytest.raises(AirflowException, match="dag_bundle_storage_path"):
        bundle(version="0" * 32)


def test_a_pinned_bundle_is_not_refreshed(folder: Path, bundle: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowException

    write_tenant(folder)
    made = bundle(version=version(bundle()))
    with pytest.raises(AirflowException, match="pinned"):
        made.refresh()


def test_a_rendering_that_was_interrupted_is_done_again(
    folder: Path, bundle: Callable[..., Any]
) -> None:
    write_tenant(folder)
    made = bundle()
    next(made.path.glob("tenants_*.py")).unlink()
    (made.path / ".complete").unlink()
    made.refresh()
    assert list(parse(made).dags) == ["acme__plays"]


def test_many_processes_may_begin_at_once(folder: Path, bundle: Callable[..., Any]) -> None:
    for number in range(30):
        write_tenant(folder, tenant=f"tenant{number}")
    found: list[int] = []

    def begin() -> None:
        made = bundle(shard_size=5)
        found.append(len(list(made.path.glob("tenants_*.py"))))

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert [p.name for p in made_leftovers(bundle())] == []


def made_leftovers(bundle: Any) -> list[Path]:
    return list(bundle.versions_dir.glob(".new-*"))


def test_rendering_is_the_same_in_every_process(
    folder: Path, bundle: Callable[..., Any], tmp_path: Path
) -> None:
    for number in range(12):
        write_tenant(folder, tenant=f"tenant{number}")
    made = bundle(shard_size=4)
    script = (
        "import sys, hashlib, pathlib\n"
        "from airflow_provider_spotify.bundles.shards import render\n"
        "from airflow_provider_spotify.core.config.compile import load_folder\n"
        "texts = load_folder(sys.argv[1]).texts\n"
        "files = render(dict(reversed(texts.items())), defaults='', broken={}, size=4)\n"
        "print(hashlib.md5(repr(sorted(files)).encode()).hexdigest())\n"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(hashes) == 1
    assert made.path.is_dir()


def test_a_new_tenant_changes_one_file(folder: Path, bundle: Callable[..., Any]) -> None:
    for number in range(50):
        write_tenant(folder, tenant=f"tenant{number}")
    made = bundle(shard_size=16)
    before = {file.name: file.read_text() for file in made.path.glob("*.py")}
    write_tenant(folder, tenant="newcomer")
    made.refresh()
    after = {file.name: file.read_text() for file in made.path.glob("*.py")}
    assert set(after) == set(before)
    assert len([name for name in after if after[name] != before[name]]) == 1


def test_the_code_tab_shows_the_yaml(folder: Path, bundle: Callable[..., Any]) -> None:
    yaml = write_tenant(folder).read_text()
    (file,) = bundle().path.glob("tenants_*.py")
    assert yaml in file.read_text()


def test_a_worker_compiles_only_its_own_tenant(
    folder: Path, bundle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other tenants of the file are made unreadable: reading them would show."""
    for name in ("acme", "beta", "gamma"):
        write_tenant(folder, tenant=name)
    made = bundle()
    (file,) = made.path.glob("tenants_*.py")
    spoiled = (
        file.read_text().replace("tenant: beta", "tenant: [").replace("tenant: gamma", "tenant: [")
    )
    file.write_text(spoiled)
    assert "beta__config_error" in parse(made).dags
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "acme__plays")
    assert list(parse(made).dags) == ["acme__plays"]


@settings(max_examples=300, deadline=None)
@example('"""')
@example('a""""')
@example('""""a"\n\\"')
@given(st.text() | st.text(alphabet="\"\\\n\r'{}\x00\ufeff #"))
def test_any_text_can_be_embedded(text: str) -> None:
    """Whatever a YAML file holds, the rendered Python gives back the same text."""
    from airflow_provider_spotify.bundles.shards import literal

    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return
    source = f"VALUE = {literal(text)}\n"
    module = ast.parse(source.encode("utf-8"))
    assert isinstance(module.body[0], ast.Assign)
    assert ast.literal_eval(module.body[0].value) == text
