"""Prints what the core needs: the project's requirements without Airflow."""

from __future__ import annotations

import tomllib
from pathlib import Path


def requirements() -> list[str]:
    """Return the requirements of the package, its core extras and its tests, Airflow left out."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = ("http", "database", "files", "lake", "streaming", "test")
    named = [*project["dependencies"], *(name for extra in wanted for name in extras[extra])]
    return [name for name in named if not name.startswith(("apache-airflow", "airflow-provider"))]


if __name__ == "__main__":
    print("\n".join(requirements()))
