"""One import in a fresh process: `python -m benchmarks.ours '{"source": …, "destination": …}'`."""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib.abc import MetaPathFinder
from typing import Any

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.plans import DestinationPlan, ImportPlan, SourcePlan
from airflow_provider_spotify.core.model import Credentials, Run
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.pipeline import run_import
from benchmarks.servers import PREFIX, credentials

POSTGRES = "BENCH_POSTGRES_URL"


def plan(document: dict[str, Any]) -> ImportPlan:
    """Build a plan from the YAML words of an import, as the factory would."""
    words = dict(document)
    source, destination = dict(words.pop("source")), dict(words.pop("destination"))
    return ImportPlan(
        tenant="bench",
        name="bench",
        table="bench",
        source=SourcePlan(
            type=source["type"],
            connection=source.get("connection"),
            config=_config(registry.source(source["type"]), source),
        ),
        destination=DestinationPlan(
            type=destination["type"],
            connection=destination.get("connection"),
            config=_config(registry.sink(destination["type"]), destination),
        ),
        **words,
    )


def _config(kind: Any, block: dict[str, Any]) -> Any:
    options = {k: v for k, v in block.items() if k not in ("type", "connection")}
    return kind.Config.model_validate(options)


def resolve(connection: str) -> Credentials:
    """Find what the benchmark's plans name: the server, or a tenant's key."""
    if connection == "key":
        return Credentials.model_validate({"password": "a key for benchmarks only, 32+ bytes long"})
    if PREFIX + connection.upper() in os.environ:
        return credentials(connection)
    return Credentials.from_uri(os.environ[POSTGRES])


class Absent(MetaPathFinder):
    """Makes a library look as if it were not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse the library.

        :raises ModuleNotFoundError: if it is the one
        """
        if fullname == self._name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def main() -> None:
    """Run one import and print what it did as JSON."""
    if name := os.environ.get("BENCH_WITHOUT"):
        sys.meta_path.insert(0, Absent(name))
    logging.basicConfig(level=logging.WARNING)
    document = plan(json.loads(sys.argv[1]))
    opened = open_plan(document, resolve=resolve)
    report = run_import(
        document, source=opened.source, sink=opened.sink, key=opened.key, run=Run(run_id="bench")
    )
    seconds = {stage: round(spent, 3) for stage, spent in report.seconds.items()}
    print(json.dumps({"rows": report.rows, "rejected": report.rejected, "seconds": seconds}))


if __name__ == "__main__":
    main()
