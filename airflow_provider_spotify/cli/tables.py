"""Prints tables: with rich on a terminal, and as plain columns where a program reads them."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def show(title: str, *, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; nothing if it has no rows."""
    if not rows:
        return
    if sys.stdout.isatty():
        _drawn(title, columns, rows)
        return
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    print(f"{title}")
    for row in [columns, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip())
    print()


def _drawn(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
