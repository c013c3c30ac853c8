"""The jobs that read databases of other kinds, fill other destinations, or are done in parts."""

from __future__ import annotations

from pathlib import Path

from benchmarks.case import Case, Goal
from benchmarks.measure import Way
from benchmarks.places import Place
from benchmarks.stream_cases import GOAL


def _way(
    place: Place, name: str, module: str, *arguments: str, prepare: list[str] | None = None
) -> Way:
    """Return a way that is timed inside its process.

    :param prepare: the same module's arguments, run before each run
    """
    program = [place.python, "-m", f"benchmarks.{module}"]
    before = None if prepare is None else [*program, *prepare]
    environment = {"BENCH_WORK": str(place.work)}
    return Way(name, [*program, *arguments], prepare=before, environment=environment)


def elasticsearch(place: Place, rows: int | None) -> Case:
    """Elasticsearch to Arrow and DuckDB."""
    rows = rows or 200_000
    names = {
        "ours, source alone": "source",
        "ours, to DuckDB": "duckdb",
        "elasticsearch-py, point in time": "loop",
        "elasticsearch-py, helpers.scan": "scan",
    }
    ways = [_way(place, n, "elasticsearch_ways", kind, str(rows)) for n, kind in names.items()]
    return Case(
        name="elasticsearch",
        title=f"Elasticsearch index of {rows:,} documents of 10 fields",
        rows=rows,
        ways=ways,
        goals=[Goal(ways[0].name, ways[2].name, GOAL, "seconds")],
        of="seconds",
        needs=["elasticsearch"],
        before=["benchmarks.elasticsearch_ways", "fill", str(rows)],
        same=[f"duckdb:{place.work / 'elasticsearch.duckdb'}:main.bench", f"csv:{place.csv(rows)}"],
    )


def mongodb(place: Place, rows: int | None) -> Case:
    """MongoDB to Arrow and DuckDB."""
    rows = rows or 200_000
    names = {
        "ours, source alone": "source",
        "ours, to DuckDB": "duckdb",
        "pymongo find_raw_batches": "raw",
        "find_raw_batches, in our order": "sorted_raw",
        "pymongoarrow find_arrow_all": "arrow",
    }
    ways = [_way(place, n, "mongodb_ways", kind, str(rows)) for n, kind in names.items()]
    return Case(
        name="mongodb",
        title=f"MongoDB collection of {rows:,} documents of 11 fields",
        rows=rows,
        ways=ways,
        goals=[Goal(ways[0].name, peer.name, GOAL, "seconds") for peer in ways[2:]],
        of="seconds",
        needs=["mongodb"],
        before=["benchmarks.mongodb_ways", "fill", str(rows)],
        same=[f"duckdb:{place.work / 'mongodb.duckdb'}:main.bench", f"csv:{place.csv(rows)}"],
    )


def clickhouse(place: Place, rows: int | None) -> Case:
    """ClickHouse to Arrow and DuckDB."""
    rows = rows or 1_000_000
    names = {
        "ours, source alone": "source",
        "ours, to DuckDB": "duckdb",
        "clickhouse-connect query_arrow_stream": "stream",
    }
    ways = [_way(place, n, "clickhouse_ways", kind, str(rows)) for n, kind in names.items()]
    return Case(
        name="clickhouse",
        title=f"ClickHouse table of {rows:,} rows",
        rows=rows,
        ways=ways,
        goals=[Goal(ways[0].name, ways[2].name, GOAL, "seconds")],
        of="seconds",
        needs=["clickhouse"],
        before=["benchmarks.clickhouse_ways", "fill", str(rows)],
        same=[f"duckdb:{place.work / 'clickhouse.duckdb'}:main.bench", f"csv:{place.csv(rows)}"],
    )


def csv_clickhouse(place: Place, rows: int | None) -> Case:
    """CSV to ClickHouse."""
    from benchmarks.clickhouse_ways import BARE, OURS, TABLE

    rows = rows or 1_000_000
    path = str(place.csv(rows))

    def way(name: str, kind: str, database: str) -> Way:
        return _way(place, name, "clickhouse_ways", kind, path, prepare=["tidy", database])

    return Case(
        name="csv_clickhouse",
        title=f"CSV of {rows:,} rows to ClickHouse",
        rows=rows,
        ways=[
            way("ours", "csv", OURS),
            way("pyarrow read_csv, insert_arrow", "read_and_insert", BARE),
            way("insert_arrow of Arrow in memory", "insert", BARE),
        ],
        goals=[Goal("ours", "pyarrow read_csv, insert_arrow", GOAL, "seconds")],
        of="seconds",
        needs=["clickhouse"],
        same=[f"clickhouse:{OURS}.bench", f"clickhouse:{BARE}.{TABLE}"],
    )


def csv_delta(place: Place, rows: int | None) -> Case:
    """CSV to Delta Lake, on a local disk."""
    rows = rows or 1_000_000
    path = str(place.csv(rows))
    ours, theirs = str(place.work / "ours-lake"), str(place.work / "bare-lake")

    def way(name: str, kind: str, folder: str) -> Way:
        return _way(place, name, "delta_ways", kind, path, folder, prepare=["tidy", folder])

    return Case(
        name="csv_delta",
        title=f"CSV of {rows:,} rows to a Delta table",
        rows=rows,
        ways=[
            way("ours", "csv", ours),
            way("pyarrow read_csv, write_deltalake", "read_and_write", theirs),
            way("write_deltalake of Arrow in memory", "bare", theirs),
        ],
        goals=[Goal("ours", "pyarrow read_csv, write_deltalake", GOAL, "seconds")],
        of="seconds",
        same=[f"delta:{Path(ours, 'main', 'bench')}", f"delta:{theirs}"],
    )


def postgres_parts(place: Place, rows: int | None) -> Case:
    """PostgreSQL to PostgreSQL in one, two and four parts."""
    rows = rows or 2_000_000
    tidy = [place.python, "-m", "benchmarks.bare", "tidy", "ours_bench"]

    def way(name: str, parts: int) -> Way:
        return _way(place, name, "parts", str(parts))._replace(prepare=tidy)

    return Case(
        name="postgres_parts",
        title=f"PostgreSQL table of {rows:,} rows to PostgreSQL, in parts",
        rows=rows,
        ways=[
            way("4 parts", 4),
            way("2 parts", 2),
            way("1 part", 1),
            way("an ordinary load", 0),
        ],
        goals=[Goal("2 parts", "1 part", 1.0, "seconds")],
        of="seconds",
        before=["benchmarks.bare", "fill", str(place.csv(rows))],
        same=["postgres:ours_bench.bench", "postgres:plays"],
    )
