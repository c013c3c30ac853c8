"""The options ``--record`` and ``--replay`` of the commands that reach out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_spotify.core.errors import ConfigurationError


@contextmanager
def taped(arguments: argparse.Namespace) -> Iterator[None]:
    """Record or replay the HTTP exchanges within, as the options say.

    :raises ConfigurationError: if both are asked for
    """
    if not arguments.record and not arguments.replay:
        yield
        return
    if arguments.record and arguments.replay:
        raise ConfigurationError("--record and --replay exclude each other")
    from airflow_provider_spotify.core.clients.http.record import Recorder
    from airflow_provider_spotify.core.clients.http.replay import Player
    from airflow_provider_spotify.core.clients.http.tape import running

    if arguments.replay:
        with running(Player(Path(arguments.replay))):
            yield
        return
    tape = Recorder(Path(arguments.record), personal=arguments.record_scrub.split(","))
    try:
        with running(tape):
            yield
    finally:
        said = f"{tape.count} exchanges recorded in {arguments.record}"
        hint = "" if tape.count else "; this import's source does not speak HTTP by HttpClient"
        print(said + hint, file=sys.stderr)
