"""YAML of invented tenants for the tests of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airflow_provider_spotify.core.config.compile import load_tenant
from airflow_provider_spotify.core.config.plans import ImportPlan, TenantPlan
from airflow_provider_spotify.core.config.problems import InvalidConfig, Problem

IMPORTS = """\
  plays:
    source: {type: csv, path: data/plays.csv}
"""


def yaml(imports: str = IMPORTS, *, tenant: str = "acme", more: str = "") -> str:
    """Return the YAML of a tenant; ``more`` are further lines above ``imports:`` (line 5 on)."""
    return (
        f"tenant: {tenant}\n"
        "owner: growth\n"
        "start_date: 2026-01-01\n"
        f"destination: {{type: duckdb, path: {tenant}.duckdb}}\n"
        f"{more}"
        "imports:\n"
        f"{imports}"
    )


def one(settings: str = "", *, more: str = "") -> str:
    """Return the YAML of a tenant with one import and more lines of settings in it."""
    lines = "".join(f"    {line}\n" for line in settings.splitlines())
    return yaml(IMPORTS + lines, more=more)


def compiled(text: str, *, defaults: str = "") -> TenantPlan:
    """Compile a text that is right."""
    return load_tenant(text, name="acme.yaml", defaults=defaults)


def only_import(text: str, *, defaults: str = "") -> ImportPlan:
    """Compile a text that is right and has one import."""
    (plan,) = compiled(text, defaults=defaults).imports.values()
    return plan


def problems(text: str, *, defaults: str = "") -> Sequence[Problem]:
    """Return what is wrong with a text."""
    try:
        load_tenant(text, name="acme.yaml", defaults=defaults)
    except InvalidConfig as error:
        return error.problems
    return ()


def messages(text: str, *, defaults: str = "") -> list[str]:
    """Return what is wrong with a text, as it is printed without the file's name."""
    return [str(p).removeprefix("acme.yaml:") for p in problems(text, defaults=defaults)]


def write(folder: Path, **files: str) -> Path:
    """Write files named after the arguments into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return folder
