"""The floors hold: the core never imports Airflow, and importing costs what it should."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_spotify.core import registry
from tests.architecture.tree import PACKAGE, ROOT, dotted, modules

HEAVY = ("pyarrow", "pandas", "numpy", "duckdb", "connectorx", "adbc_driver_postgresql")
SDKS = ("psycopg", "aiohttp", "fsspec", "s3fs", "boto3", "hishel", "redis", "requests", "pgpq")
"""Libraries of the systems that sources read from, and what Arrow needs."""
_NAME = "airflow_provider_spotify"


def loaded(*names: str) -> dict[str, list[str]]:
    """Import modules one after the other in a fresh interpreter; say what each brought in.

    Only the top-level packages that matter here are told.
    """
    watched = ["airflow", *HEAVY, *SDKS]
    code = (
        "import importlib, json, sys\n"
        f"told, watched = {{}}, {watched!r}\n"
        f"for name in {list(names)!r}:\n"
        "    importlib.import_module(name)\n"
        "    told[name] = [w for w in watched if w in sys.modules]\n"
        "print(json.dumps(told))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return told


def below(folder: str) -> list[str]:
    return [dotted(f) for f in modules(PACKAGE / folder) if f.stem != "__main__"]


def test_nothing_of_the_core_loads_airflow() -> None:
    """Nor does what stands beside it for those who have no Airflow."""
    core = [name for name in below("core") if ".core.testing" not in name]
    beside = [f"{_NAME}.{name}" for name in ("importers", "importer_options", "provider_info")]
    told = loaded(_NAME, *core, *beside, *below("cli"))
    assert len(told) > 100
    assert not [name for name, found in told.items() if "airflow" in found]


def test_the_conformance_suites_need_no_airflow_either() -> None:
    told = loaded(*below("core/testing"))
    assert not [name for name, found in told.items() if "airflow" in found]


@pytest.mark.parametrize("name", [*registry.sources()])
def test_a_source_loads_neither_arrow_nor_an_sdk(name: str) -> None:
    """A scheduler knows every source's words without paying for its library."""
    module = registry.sources()[name]
    assert loaded(module)[module] == []


def test_reading_yaml_and_the_command_line_load_neither_arrow_nor_an_sdk() -> None:
    """They are what a scheduler and a shell wait for."""
    light = [f"{_NAME}.{name}" for name in ("provider_info", "core.registry", "core.model")]
    told = loaded(*light, *below("core/config"), *below("cli"))
    assert {name: found for name, found in told.items() if found} == {}


def test_the_package_itself_and_its_provider_info_load_nothing_at_all() -> None:
    """Airflow asks every provider at every start."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"import {_NAME}.provider_info as p; p.get_provider_info()\n"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names) - {_NAME}
    assert foreign == set()


def test_the_contracts_between_the_floors_are_kept() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    if importlib.util.find_spec("importlinter") is None or not program.exists():
        pytest.skip("import-linter is not installed (it comes with the extra dev)")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "0 broken" in done.stdout


def test_sources_and_sinks_do_not_know_each_other() -> None:
    """Not even inside a function: what two of them share is a client."""
    for kind, other in (("sources", "sinks"), ("sinks", "sources")):
        for file in modules(PACKAGE / "core" / kind):
            assert f"core.{other}" not in file.read_text("utf-8"), file
    for name, module in registry.sources().items():
        text = importlib.util.find_spec(module).loader.get_source(module)  # type: ignore[union-attr]
        others = {m for n, m in registry.sources().items() if n != name}
        assert not [other for other in others if f"{other} import" in text], name
