"""Sources and sinks are registered by existing, under the name of their file."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sinks.base import Sink, SinkConfig
from airflow_provider_spotify.core.sources.base import Source, SourceConfig


def test_the_first_sources_and_sinks_are_there() -> None:
    assert {"csv", "jsonl", "parquet", "postgresql", "rest", "spotify"} <= set(registry.sources())
    assert {"duckdb", "postgres"} <= set(registry.sinks())


def test_what_is_no_source_or_sink_is_not_listed() -> None:
    names = {*registry.sources(), *registry.sinks()}
    assert not {name for name in names if name.startswith("_") or name in ("base", "sql")}


@pytest.mark.parametrize("name", [*registry.sources()])
def test_every_source_is_a_class_with_a_config_of_its_own(name: str) -> None:
    kind = registry.source(name)
    assert issubclass(kind, Source)
    assert not inspect.isabstract(kind)
    assert issubclass(kind.Config, SourceConfig)
    assert kind.Config is not SourceConfig
    assert registry.family(name) in registry.FAMILIES
    assert Path(inspect.getfile(kind)).stem == name


@pytest.mark.parametrize("name", [*registry.sinks()])
def test_every_sink_is_a_class_with_a_config_of_its_own(name: str) -> None:
    kind = registry.sink(name)
    assert issubclass(kind, Sink)
    assert not inspect.isabstract(kind)
    assert issubclass(kind.Config, SinkConfig)
    assert Path(inspect.getfile(kind)).stem == name


@pytest.mark.parametrize(
    ("name", "hint"), [("spotfy", "did you mean 'spotify'"), ("qqq", "known: .*spotify")]
)
def test_an_unknown_source_is_refused_with_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no source of type '{name}'; {hint}"):
        registry.source(name)


def test_an_unknown_destination_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"no destination of type 'duck'; .*'duckdb'"):
        registry.sink("duck")


ENTRY = "[airflow_provider_spotify.sources]\nmine = {package}\n"
MODULE = "from airflow_provider_spotify.core.sources.files.csv import CsvSource as SOURCE\n"


def listed(folder: Path, *names: str) -> str:
    """Return where a fresh interpreter finds sources, with a package of another distribution."""
    package, info = folder / "my_sources", folder / "mine-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    for name in ("__init__", *names):
        (package / f"{name}.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY.format(package="my_sources"))
    code = (
        "from airflow_provider_spotify.core import registry\n"
        f"for name in {names!r}:\n"
        "    print(name, registry.sources()[name], registry.source(name).__name__)\n"
    )
    path = f"{folder}{':'.join(['', *sys.path])}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_another_distribution_adds_sources_and_replaces_none(tmp_path: Path) -> None:
    """Its modules are sources by their file names; a name of this package stays this package's."""
    assert listed(tmp_path, "moody", "csv").splitlines() == [
        "moody my_sources.moody CsvSource",
        "csv airflow_provider_spotify.core.sources.files.csv CsvSource",
    ]
