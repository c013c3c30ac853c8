"""The jobs that read exports of events, and who does each of them."""

from __future__ import annotations

from benchmarks.case import Case, Goal
from benchmarks.export_server import DAY_ROWS, HOUR_ROWS
from benchmarks.measure import Way
from benchmarks.places import Place

_MOST_MB = 400
"""What reading an export of any length may take."""


def _case(place: Place, name: str, title: str, rows: int, names: dict[str, str]) -> Case:
    program = [place.python, "-m", "benchmarks.export_ways"]
    environment = {"BENCH_WORK": str(place.work)}
    ways = [
        Way(said, [*program, kind, str(rows)], environment=environment)
        for said, kind in names.items()
    ]
    return Case(
        name=name,
        title=title,
        rows=rows,
        ways=ways,
        goals=[
            Goal(ways[0].name, ways[1].name, 1.0, "seconds"),
            Goal(ways[0].name, "", _MOST_MB, "peak"),
        ],
        of="peak",
        warm_up=0,
        needs=["exports"],
    )


def mixpanel_export(place: Place, rows: int | None) -> Case:
    """Mixpanel's raw export to Arrow."""
    rows = max(1, (rows or 2_400_000) // DAY_ROWS) * DAY_ROWS
    return _case(
        place,
        "mixpanel_export",
        f"Mixpanel's raw export of {rows:,} events, {rows * 435 / 1e6:,.0f} MB of text",
        rows,
        {"ours, source alone": "mixpanel", "aiohttp, DuckDB read_json": "mixpanel_duckdb"},
    )


def amplitude_export(place: Place, rows: int | None) -> Case:
    """Amplitude's export to Arrow."""
    rows = max(1, (rows or 800_000) // HOUR_ROWS) * HOUR_ROWS
    return _case(
        place,
        "amplitude_export",
        f"Amplitude's export of {rows:,} events, {rows * 1250 / 1e6:,.0f} MB of text",
        rows,
        {"ours, source alone": "amplitude", "zipfile, gzip, orjson": "amplitude_orjson"},
    )
