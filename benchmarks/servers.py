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


SERVERS: Mapping[str, Callable[[], AbstractContextManager[Credentials]]] = {"kafka": _kafka}
