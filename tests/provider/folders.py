"""Writes folders of tenant YAML for tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

PLAYS = """
plays:
  source: {type: csv, path: "/data/{tenant}/plays.csv"}
  table: plays
"""


def write_tenant(
    folder: Path, *, tenant: str = "acme", imports: str = PLAYS, head: str = "", name: str = ""
) -> Path:
    """Write one tenant's YAML.

    :param imports: YAML of the imports; ``{tenant}`` is filled in
    :param head: further keys at the top
    :param name: the file's name, ``<tenant>.yaml`` by default
    """
    text = dedent(
        f"""\
        tenant: {tenant}
        owner: data@{tenant}.example
        timezone: Europe/Stockholm
        start_date: 2026-01-01
        destination: {{type: duckdb, path: "{folder.as_posix()}/{tenant}.duckdb"}}
        """
    )
    body = indent(dedent(imports).strip("\n"), "  ").replace("{tenant}", tenant)
    file = folder / (name or f"{tenant}.yaml")
    file.write_text(f"{text}{dedent(head).strip()}\nimports:\n{body}\n")
    return file


def write_broken(folder: Path, *, tenant: str) -> Path:
    """Write a tenant whose second import misspells a key, on line 11."""
    return write_tenant(
        folder,
        tenant=tenant,
        imports="""
        plays:
          source: {type: csv, path: /data/plays.csv}
          table: plays
        skips:
          sorce: {type: csv, path: /data/skips.csv}
          table: skips
        """,
    )
