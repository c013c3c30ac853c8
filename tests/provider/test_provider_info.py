"""What Airflow learns about this package."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.provider_info import get_provider_info

INFO = get_provider_info()


def modules() -> Iterator[str]:
    for kind in ("operators", "sensors", "hooks", "triggers", "bundles"):
        for entry in INFO[kind]:
            yield from entry["python-modules"]


def classes() -> Iterator[str]:
    yield from INFO["notifications"]
    yield from INFO["cli"]
    yield from (kind["hook-class-name"] for kind in INFO["connection-types"])


def test_info_is_what_airflows_schema_asks_for() -> None:
    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    jsonschema.validate(INFO, json.loads(schema.read_text()))


@pytest.mark.parametrize("name", [*modules()])
def test_every_module_it_names_can_be_imported(name: str) -> None:
    importlib.import_module(name)


@pytest.mark.parametrize("path", [*classes()])
def test_every_class_it_names_is_there(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_every_family_with_a_source_has_its_modules() -> None:
    families = {registry.family(name) for name in registry.sources()}
    named = set(modules())
    for family in families:
        assert f"airflow_provider_spotify.operators.{family}" in named
        assert f"airflow_provider_spotify.sensors.{family}" in named


def test_reading_it_loads_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules);"
        "from airflow_provider_spotify.provider_info import get_provider_info;"
        "get_provider_info();"
        "new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'airflow_provider_spotify'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def ask(code: str, home: Path) -> Any:
    """Run code in a fresh Airflow and return the JSON it prints last."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"AIRFLOW_HOME": str(home)},
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_airflow_lists_the_provider_and_its_connection_types(tmp_path: Path) -> None:
    code = """
import json
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
fields = {k: v.is_sensitive for k, v in manager.connection_form_widgets.items() if "spotify" in k}
print(json.dumps({
    "listed": "airflow-provider-spotify" in manager.providers,
    "hooks": [n for n in ("spotify", "duckdb") if manager.hooks.get(n)],
    "names": [manager.hooks[n].hook_name for n in ("spotify", "duckdb")],
    "fields": fields,
}))
"""
    found = ask(code, tmp_path)
    assert found["listed"]
    assert found["hooks"] == ["spotify", "duckdb"]
    assert found["names"] == ["Spotify", "DuckDB"]
    secret = {name.rpartition("__")[2]: hidden for name, hidden in found["fields"].items()}
    plain = dict.fromkeys(("quota_group", "api_url", "token_url"), False)
    assert secret == {"refresh_token": True} | plain
