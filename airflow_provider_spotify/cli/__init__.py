"""The command line `spotify-imports`; `airflow spotify-imports` is built from the same table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_spotify import __version__
from airflow_provider_spotify.cli.exits import guarded
from airflow_provider_spotify.cli.table import COMMANDS, Command


def commands() -> Sequence[Command]:
    """Return every command there is."""
    return COMMANDS


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="spotify-imports", description=__doc__.split(";")[0])
    top.add_argument("--version", action="version", version=__version__)
    below = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands():
        sub = below.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.arguments:
            sub.add_argument(*argument.flags, **argument.options)
        sub.set_defaults(run=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    arguments = parser().parse_args(argv)
    return guarded(arguments.run, arguments)
