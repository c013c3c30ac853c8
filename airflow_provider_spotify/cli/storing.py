"""Keeps a connection in Airflow, or writes it as text."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_spotify.core.errors import ConfigurationError


def save(conn_id: str, fields: Mapping[str, Any]) -> None:
    """Put a connection into Airflow's database, by its own command ``connections import``.

    The secrets go through a file that only this user can read, since arguments are seen by every
    user of the machine; it is gone afterwards.

    :raises ConfigurationError: if Airflow is not installed, or its command fails
    """
    if importlib.util.find_spec("airflow") is None:
        raise ConfigurationError(
            "Airflow is not installed here: use --output env instead of --save"
        )
    with tempfile.TemporaryDirectory(prefix="spotify-imports-") as folder:
        file = Path(folder, "connection.json")  # the folder is 0700
        file.write_text(json.dumps({conn_id: dict(fields)}), "utf-8")
        command = [sys.executable, "-m", "airflow", "connections", "import", "--overwrite"]
        done = subprocess.run(  # noqa: S603  (our own interpreter)
            [*command, str(file)], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise ConfigurationError(
            f"`airflow connections import` ended with {done.returncode}; run `airflow db check`, "
            "or use --output env (what it printed is not shown, as it may hold the secrets)"
        )
    if f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ:
        print(
            f"AIRFLOW_CONN_{conn_id.upper()} is set and hides the connection that was saved",
            file=sys.stderr,
        )


def shown(conn_id: str, fields: Mapping[str, Any], *, form: str) -> str:
    """Write a connection as Airflow reads it, secrets included: ``uri``, ``env`` or ``json``.

    https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html
    """
    if form == "uri":
        return uri(fields)
    text = json.dumps(dict(fields))
    return f"AIRFLOW_CONN_{conn_id.upper()}={shlex.quote(text)}" if form == "env" else text


def uri(fields: Mapping[str, Any]) -> str:
    """Write a connection as a URI."""
    login, password = (quote(str(fields.get(n) or ""), safe="") for n in ("login", "password"))
    who = f"{login}:{password}@" if login or password else ""
    host = quote(str(fields.get("host") or ""), safe="")
    port = f":{fields['port']}" if fields.get("port") else ""
    path = quote(str(fields.get("schema") or ""), safe="")
    scheme = str(fields["conn_type"]).replace("_", "-")
    query = urlencode({"__extra__": json.dumps(fields["extra"])}) if fields.get("extra") else ""
    return f"{scheme}://{who}{host}{port}/{path}{'?' if query else ''}{query}"
