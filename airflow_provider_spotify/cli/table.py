"""The table of commands: what each is called, takes and runs; it imports none of them."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_FOLDER = "dag_configs"


class Argument(NamedTuple):
    """One argument, in the words of ``argparse.ArgumentParser.add_argument``."""

    flags: tuple[str, ...]
    options: Mapping[str, Any]


class Command(NamedTuple):
    """One command.

    :param target: ``module:function``; the function takes the parsed arguments and returns the
        exit code
    """

    name: str
    help: str
    target: str
    arguments: Sequence[Argument]

    def run(self, arguments: argparse.Namespace) -> int:
        """Import what the command needs, and run it."""
        module, _, function = self.target.partition(":")
        code: int = getattr(importlib.import_module(module), function)(arguments)
        return code


def _argument(*flags: str, **options: Any) -> Argument:
    return Argument(flags, options)


_TENANT = _argument("tenant", metavar="TENANT", help="the tenant, as its YAML names it")
_IMPORT = _argument("import_name", metavar="IMPORT", help="the import, a key under imports:")
_FOLDER_ARGUMENT = _argument(
    "folder", nargs="?", default=_FOLDER, metavar="FOLDER", help=f"YAML folder ({_FOLDER})"
)
_FOLDER_OPTION = _argument(
    "--folder", default=_FOLDER, metavar="FOLDER", help=f"YAML folder ({_FOLDER})"
)
_DRY = _argument("--dry-run", action="store_true", help="read and transform, write nothing")

_RECORD = (
    _argument("--record", metavar="DIR", help="write every HTTP exchange there, without secrets"),
    _argument(
        "--record-scrub",
        metavar="NAMES",
        default="email,phone,birthdate,birthday,ip",
        help="words in the names of fields whose values are replaced, too (%(default)s)",
    ),
    _argument("--replay", metavar="DIR", help="answer from a recording, without network"),
)


def _format(*choices: str) -> Argument:
    return _argument("--format", choices=choices, default=choices[0], help="how to print it")


_READING = "airflow_provider_spotify.cli.reading"
_CATALOGUE = "airflow_provider_spotify.cli.catalogue"
_RUNNING = "airflow_provider_spotify.cli.running"
_REPLAYING = "airflow_provider_spotify.cli.replaying"
_AUTHORIZING = "airflow_provider_spotify.cli.authorizing"

COMMANDS = (
    Command(
        "validate",
        "say what is wrong in a folder of YAML, with file, line and column",
        f"{_READING}:validate",
        [_FOLDER_ARGUMENT, _format("text", "json", "github")],
    ),
    Command(
        "plan",
        "print the DAGs, schedules, tables, connections, personal data and quotas of a folder",
        f"{_READING}:plan",
        [_FOLDER_ARGUMENT, _format("text", "json")],
    ),
    Command(
        "diff",
        "compare two folders, or a folder with a git revision of itself, key by key",
        f"{_READING}:diff",
        [
            _argument("old", nargs="?", default=_FOLDER, metavar="A", help="folder to compare"),
            _argument("new", nargs="?", metavar="B", help="folder to compare A with"),
            _argument("--against", metavar="REVISION", help="compare A with this git revision"),
            _format("text", "json"),
        ],
    ),
    Command(
        "schema",
        "print the JSON Schema of a tenant's YAML",
        f"{_CATALOGUE}:schema",
        [
            _argument("--write", action="store_true", help="write it into the package"),
            _argument("--check", action="store_true", help="fail if the written one is old"),
        ],
    ),
    Command(
        "new",
        "write the first YAML of a tenant",
        f"{_CATALOGUE}:new",
        [
            _TENANT,
            _argument("--source", default="csv", metavar="TYPE", help="its first source (csv)"),
            _argument("--owner", default="data-team", help="who answers for it"),
            _FOLDER_OPTION,
        ],
    ),
    Command(
        "sources",
        "list the sources, or the keys of one",
        f"{_CATALOGUE}:sources",
        [
            _argument("name", nargs="?", metavar="NAME", help="a source, to see its keys"),
            _format("text", "json"),
        ],
    ),
    Command(
        "check",
        "try the connections of a tenant's imports",
        f"{_RUNNING}:check",
        [
            _TENANT,
            _argument("import_name", nargs="?", metavar="IMPORT", help="only this import"),
            *_RECORD,
            _FOLDER_OPTION,
            _format("text", "json"),
        ],
    ),
    Command(
        "run",
        "run one import here and now, with connections from AIRFLOW_CONN_… variables",
        f"{_RUNNING}:run",
        [
            _TENANT,
            _IMPORT,
            _argument("--from", dest="start", metavar="TIME", help="read a window: its start"),
            _argument("--to", dest="end", metavar="TIME", help="its end, exclusive"),
            _argument("--full-refresh", action="store_true", help="read everything again"),
            _DRY,
            _argument("--run-id", metavar="ID", help="repeating an id replaces its rows"),
            *_RECORD,
            _FOLDER_OPTION,
            _format("text", "json"),
        ],
    ),
    Command(
        "replay",
        "list the rejected records of an import, or load them again",
        f"{_REPLAYING}:replay",
        [
            _TENANT,
            _IMPORT,
            _argument("--list", action="store_true", help="list them and load nothing"),
            _argument(
                "--mended",
                metavar="FILE",
                help='JSON lines {"id": …, "record": {…}} to load instead',
            ),
            _DRY,
            _argument("--run-id", metavar="ID", help="repeating an id replaces its rows"),
            _FOLDER_OPTION,
            _format("text", "json"),
        ],
    ),
    Command(
        "authorize",
        "have a user consent in the browser, and keep the token as a connection",
        f"{_AUTHORIZING}:authorize",
        [
            _argument(
                "system",
                choices=("spotify", "soundcloud", "tiktok", "twitter", "instagram"),
                help="whose user it is",
            ),
            _argument(
                "--client-id",
                metavar="ID",
                help="the app; without it, the connection's login. Its secret is asked for, or "
                "read from SPOTIFY_IMPORTS_CLIENT_SECRET",
            ),
            _argument(
                "--connection",
                metavar="CONN_ID",
                help="the connection to write, and to read where no --client-id is given "
                "(<system>_default)",
            ),
            _argument(
                "--scope",
                action="append",
                metavar="SCOPE",
                help="what to ask for; may be repeated (what the sources read)",
            ),
            _argument("--port", type=int, default=8765, help="of 127.0.0.1, for the answer (8765)"),
            _argument(
                "--redirect-uri",
                metavar="URL",
                help="another address that is registered with the app; where it led to is pasted",
            ),
            _argument(
                "--timeout",
                type=float,
                default=300,
                metavar="SECONDS",
                help="how long to wait for the answer (300)",
            ),
            _argument("--no-browser", action="store_true", help="only print the page's address"),
            _argument(
                "--output",
                choices=("uri", "env", "json"),
                help="print the connection, with its secrets",
            ),
            _argument("--save", action="store_true", help="put the connection into Airflow"),
        ],
    ),
)
