"""The jobs that read web APIs, and who does each of them."""

from __future__ import annotations

from benchmarks.case import Case, Goal, peer
from benchmarks.measure import Way
from benchmarks.places import Place
from benchmarks.web_server import PAGE, RESULTS

BARE = 1 / 0.8
"""The engine is to reach 80 % of the rate of a bare aiohttp loop that parses JSON."""


def web_api(place: Place, rows: int | None) -> Case:
    """Pages of a web API to Arrow and DuckDB."""
    rows = RESULTS  # the listing says how long it is
    names = {
        "ours, source alone": "source",
        "ours, to DuckDB": "duckdb",
        "aiohttp, JSON parsed": "bare",
        "aiohttp, to Arrow by pyarrow": "arrow",
        "aiohttp, bodies not looked at": "unread",
    }
    program = [place.python, "-m", "benchmarks.web_ways"]
    environment = {"BENCH_WORK": str(place.work)}
    ways = [
        Way(name, [*program, kind, str(rows)], environment=environment)
        for name, kind in names.items()
    ]
    theirs = str(place.work / "dlt_rest.duckdb")
    ways.append(peer(place, "dlt rest_api, to DuckDB", "dlt_rest_duckdb", theirs, str(PAGE)))
    return Case(
        name="web_api",
        title=f"A web API's listing of {rows:,} records of 8 fields, {PAGE} a page",
        rows=rows,
        ways=ways,
        goals=[
            Goal(ways[0].name, ways[2].name, BARE, "seconds"),
            Goal(ways[1].name, ways[-1].name, 1 / 5, "seconds"),
        ],
        of="seconds",
        once=[ways[-1].name],
        needs=["web_api"],
    )
