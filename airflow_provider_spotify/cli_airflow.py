"""``airflow spotify-imports``: the commands of ``spotify-imports`` inside Airflow's own CLI."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.cli import commands
from airflow_provider_spotify.cli.exits import guarded

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

    from airflow_provider_spotify.cli.table import Argument, Command


def get_commands() -> list[CLICommand]:
    """Return one group for Airflow's provider manager, built from the one table of commands."""
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    actions = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=_exiting(command),
            args=[_arg(argument) for argument in command.arguments],
        )
        for command in commands()
    ]
    help_text = "Import many tenants' data from YAML"
    return [GroupCommand(name="spotify-imports", help=help_text, subcommands=actions)]


def _arg(argument: Argument) -> Any:
    from airflow.cli.cli_config import Arg

    kind: Any = Arg  # its signature has no types
    return kind(argument.flags, **argument.options)


def _exiting(command: Command) -> Callable[[argparse.Namespace], None]:
    """Use Airflow's connections; raise the exit code, as Airflow ignores what is returned."""

    def run(arguments: argparse.Namespace) -> None:
        from airflow_provider_spotify.hooks.credentials import credentials

        arguments.resolve = credentials
        code = guarded(command.run, arguments)
        if code:
            sys.exit(code)

    return run
