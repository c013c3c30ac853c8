"""The servers that some cases need besides PostgreSQL: started once, named in the environment."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from airflow_provider_spotify.core.model import Credentials

PREFIX = "BENCH_CONNECTION_"
"""Before a server's name: its credentials as JSON, for benchmarks only."""


def credentials(name: str) -> Credentials:
    """Return how to reach a server that ``started`` has started."""
    return Credentials.model_validate_json(os.environ[PREFIX + name.upper()])


@contextmanager
def started(name: str) -> Iterator[None]:
    """Start a server and name it in the environment of the ways."""
    with SERVERS[name]() as found:
        shown = found.model_dump(mode="json") | {"password": found.secret()}
        os.environ[PREFIX + name.upper()] = json.dumps(shown)
        yield


@contextmanager
def _kafka() -> Iterator[Credentials]:
    from tests.services.kafka import Broker

    with tempfile.TemporaryDirectory(prefix="bench-kafka-") as folder:
        broker = Broker(Path(folder))
        with broker.run():
            yield broker.credentials


@contextmanager
def _elasticsearch() -> Iterator[Credentials]:
    from tests.services.elasticsearch import NINE, node

    with node(NINE, heap="1g") as found:
        yield found


@contextmanager
def _mongodb() -> Iterator[Credentials]:
    """Start mongo-java-server, which keeps documents in memory: FerretDB's SQLite is slower."""
    from tests.services.maven import jars
    from tests.services.mongo_java import _JARS, _MAIN
    from tests.services.process import free_port, listening, running

    port, folder = free_port(), jars("mongo-java-server", _JARS)
    with tempfile.TemporaryDirectory(prefix="bench-mongo-") as scratch:
        Path(scratch, "Server.java").write_text(_MAIN)
        command = ["java", "-Xmx2g", "-cp", f"{folder}{os.sep}*", "Server.java", str(port)]
        with running(
            command, name="mongodb", folder=Path(scratch), healthy=lambda: listening(port)
        ):
            yield Credentials(host="127.0.0.1", port=port)


@contextmanager
def _clickhouse() -> Iterator[Credentials]:
    from tests.services.clickhouse import clickhouse_server, credentials_of
    from tests.services.process import free_port

    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="bench-clickhouse-") as folder,
        clickhouse_server(Path(folder), port=port),
    ):
        yield credentials_of(port)


@contextmanager
def _web_api() -> Iterator[Credentials]:
    from benchmarks.web_server import web_api

    with web_api() as found:
        yield found


@contextmanager
def _exports() -> Iterator[Credentials]:
    from benchmarks.export_server import exports

    with exports() as found:
        yield found


SERVERS: Mapping[str, Callable[[], AbstractContextManager[Credentials]]] = {
    "kafka": _kafka,
    "elasticsearch": _elasticsearch,
    "mongodb": _mongodb,
    "clickhouse": _clickhouse,
    "web_api": _web_api,
    "exports": _exports,
}
