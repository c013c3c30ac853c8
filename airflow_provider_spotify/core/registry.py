"""Finds sources and sinks by name: a module in the right folder is registered by existing.

A source is ``core/sources/<family>/<name>.py`` with a module-level ``SOURCE``; a sink is
``core/sinks/<name>.py`` with ``SINK``. Third parties name a package of such modules under the
entry point group ``airflow_provider_spotify.sources``; the file name is the YAML ``type``.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from airflow_provider_spotify.core.errors import ConfigurationError

FAMILIES = ("audio", "streaming", "database", "api", "files", "ml", "analytics", "compliance")
_CORE = "airflow_provider_spotify.core"
_NOT_PLUGINS = {"base", "sql"}


def _modules(package: str) -> dict[str, str]:
    """Map the public module names of a package to their dotted paths, importing none of them."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ConfigurationError(f"{package} is not a package; an entry point names it")
    found = (
        path.stem
        for folder in spec.submodule_search_locations
        for path in Path(folder).glob("*.py")
    )
    names = sorted(name for name in found if not name.startswith("_") and name not in _NOT_PLUGINS)
    return {name: f"{package}.{name}" for name in names}


@cache
def sources() -> dict[str, str]:
    """Return every source's name and the dotted path of its module."""
    found: dict[str, str] = {}
    for family in FAMILIES:
        found |= _modules(f"{_CORE}.sources.{family}")
    for entry in entry_points(group="airflow_provider_spotify.sources"):
        if not entry.value.startswith(f"{_CORE}.sources."):
            found |= {k: v for k, v in _modules(entry.value).items() if k not in found}
    return found


@cache
def sinks() -> dict[str, str]:
    """Return every sink's name and the dotted path of its module."""
    return _modules(f"{_CORE}.sinks")


def family(name: str) -> str:
    """Return the family that a source belongs to: the folder it lives in."""
    return sources()[name].split(".")[-2]


def is_foreign(name: str) -> bool:
    """Say whether another package brings the source of that name."""
    return not sources()[name].startswith(f"{_CORE}.sources.")


@cache
def source(name: str) -> Any:
    """Return the source class of that name.

    :raises ConfigurationError: if there is none; the message offers the nearest name
    """
    return _load("source", name, sources(), "SOURCE")


@cache
def sink(name: str) -> Any:
    """Return the sink class of that name.

    :raises ConfigurationError: if there is none; the message offers the nearest name
    """
    return _load("destination", name, sinks(), "SINK")


def _load(kind: str, name: str, known: dict[str, str], attribute: str) -> Any:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise ConfigurationError(f"there is no {kind} of type {name!r}; {hint}")
    return getattr(importlib.import_module(known[name]), attribute)
