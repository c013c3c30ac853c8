"""The jobs that are measured, and who does each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Goal, bare, loads, peer
from benchmarks.database_cases import (
    clickhouse,
    csv_clickhouse,
    csv_delta,
    elasticsearch,
    mongodb,
    postgres_parts,
)
from benchmarks.export_cases import amplitude_export, mixpanel_export
from benchmarks.measure import Way
from benchmarks.places import Place
from benchmarks.spotify_cases import spotify
from benchmarks.stream_cases import kafka, latency
from benchmarks.web_cases import web_api

OURS = "ours"
CHECKS: list[dict[str, Any]] = [
    {"check": "not_null", "columns": ["event_id", "user_id"]},
    {"check": "range", "column": "duration_s", "min": 0, "max": 86_400},
    {"check": "length", "column": "track", "min": 1, "max": 200},
    {"check": "regex", "column": "user_name", "pattern": "^listener-[0-9]+$"},
]
CONTRACT: dict[str, Any] = {
    "mode": "freeze",
    "columns": {
        "event_id": {"type": "bigint", "required": True},
        "user_id": {"type": "bigint", "required": True},
        "user_name": {"type": "string", "pii": "hash"},
        "track": {"type": "string"},
        "duration_s": {"type": "integer"},
        "volume": {"type": "double"},
        "skipped": {"type": "boolean"},
        "played_at": {"type": "timestamp"},
    },
}
TRANSFORMS: dict[str, Any] = {"contract": CONTRACT, "quality": CHECKS, "privacy": {"key": "key"}}


def csv_duckdb(place: Place, rows: int | None) -> Case:
    """CSV to DuckDB."""
    rows = rows or 9_000_000
    path = str(place.csv(rows))
    mine, theirs = str(place.work / "ours.duckdb"), str(place.work / "read_csv.duckdb")
    tuned = {"path": str(place.work / "tuned.duckdb"), "threads": 1, "buffer_bytes": 32 << 20}

    def way(name: str, **destination: Any) -> Way:
        return loads(
            place,
            name,
            source={"type": "csv", "path": path},
            destination={"type": "duckdb", **destination},
            write={"mode": "replace"},
        )

    return Case(
        name="csv_duckdb",
        title=f"CSV of {rows:,} rows, {Path(path).stat().st_size / 1e6:,.0f} MB, to DuckDB",
        rows=rows,
        ways=[
            way(OURS, path=mine),
            way("ours, threads: 1, buffer 32 MB", **tuned),
            bare(place, "DuckDB read_csv", "duckdb_read_csv", path, theirs, file=theirs),
        ],
        goals=[Goal(OURS, "DuckDB read_csv", 1.15)],
        warm_up=0,
        same=[f"duckdb:{mine}:main.bench", f"duckdb:{theirs}:main.bench"],
    )


def csv_postgres(place: Place, rows: int | None) -> Case:
    """CSV to PostgreSQL."""
    rows = rows or 1_000_000
    path = str(place.csv(rows))
    document: dict[str, Any] = {
        "source": {"type": "csv", "path": path},
        "destination": {"type": "postgres", "connection": "postgres", "schema": "ours_bench"},
        "write": {"mode": "replace"},
    }
    return Case(
        name="csv_postgres",
        title=f"CSV of {rows:,} rows to PostgreSQL",
        rows=rows,
        ways=[
            loads(place, OURS, **document),
            loads(place, "ours, pandas not installed", without="pandas", **document),
            bare(place, "psql copy", "psql_copy", path),
            peer(place, "dlt, Arrow and ADBC", "dlt_csv_postgres", "adbc", path),
            peer(place, "ingestr", "ingestr_load", f"csv://{path}", "plays", "postgres"),
        ],
        goals=[Goal(OURS, "psql copy", 1.0), Goal(OURS, "dlt, Arrow and ADBC", 1 / 2.5)],
        same=["postgres:ours_bench.bench", f"csv:{path}"],
    )


def csv_postgres_large(place: Place, rows: int | None) -> Case:
    """CSV of 1 GB to PostgreSQL: what a load costs once starting no longer counts."""
    case = csv_postgres(place, rows or 9_000_000)
    return case._replace(
        name="csv_postgres_large", ways=case.ways[:3], goals=case.goals[:1], warm_up=0
    )


def csv_postgres_rows(place: Place, rows: int | None) -> Case:
    """CSV to PostgreSQL, against rows as dicts: two minutes a run, so a case of its own."""
    case = csv_postgres(place, rows)
    path = str(place.csv(case.rows or 0))
    slow = peer(place, "dlt, default", "dlt_csv_postgres", "default", path)
    return case._replace(
        name="csv_postgres_rows",
        title=f"{case.title}, against dlt's default path",
        ways=[case.ways[0], slow],
        goals=[Goal(OURS, slow.name, 1 / 20)],
        once=[slow.name],
        warm_up=0,
        same=None,
    )


def postgres_duckdb(place: Place, rows: int | None) -> Case:
    """PostgreSQL to DuckDB.

    ingestr is not among the ways: its DuckDB driver is a download of its own at the first run.
    """
    rows = rows or 2_000_000
    path = str(place.csv(rows))
    files = {name: str(place.work / f"{name}.duckdb") for name in ("ours", "cx", "adbc", "dlt")}
    return Case(
        name="postgres_duckdb",
        title=f"PostgreSQL table of {rows:,} rows to DuckDB",
        rows=rows,
        ways=[
            loads(
                place,
                OURS,
                source={"type": "postgresql", "connection": "postgres", "table": "plays"},
                destination={"type": "duckdb", "path": files["ours"]},
                write={"mode": "replace"},
            ),
            bare(place, "connectorx", "connectorx_stream", files["cx"], file=files["cx"]),
            bare(place, "ADBC", "adbc_read", files["adbc"], file=files["adbc"]),
            *(
                peer(place, f"dlt, {b}", "dlt_postgres_duckdb", b, files["dlt"], file=files["dlt"])
                for b in ("connectorx", "pyarrow")
            ),
        ],
        before=["benchmarks.bare", "fill", path],
        goals=[Goal(OURS, "connectorx", 1.3), Goal(OURS, "dlt, connectorx", 1 / 1.5)],
        same=[f"duckdb:{files['ours']}:main.bench", f"duckdb:{files['cx']}:main.bench"],
    )


def transforms(place: Place, rows: int | None) -> Case:
    """Show what a contract, four checks and a hash add."""
    rows = rows or 2_250_000
    path = str(place.csv(rows))
    plain: dict[str, Any] = {
        "source": {"type": "csv", "path": path},
        "destination": {"type": "duckdb", "path": str(place.work / "ours.duckdb")},
        "write": {"mode": "replace"},
    }
    columns = {k: {**v, "pii": None} for k, v in CONTRACT["columns"].items()}
    unhashed: dict[str, Any] = {"contract": CONTRACT | {"columns": columns}, "quality": CHECKS}
    return Case(
        name="transforms",
        title=f"CSV of {rows:,} rows to DuckDB, with a contract, four checks and one hash",
        rows=rows,
        ways=[
            loads(place, "all", **plain, **TRANSFORMS),
            loads(place, "contract and checks", **plain, **unhashed),
            loads(place, "nothing", **plain),
        ],
        goals=[Goal("all", "nothing", 1.3), Goal("contract and checks", "nothing", 1.3)],
    )


def memory(place: Place, rows: int | None) -> Case:
    """Peak memory at one and at four times the input."""
    large = rows or 9_000_000

    def way(name: str, source: str) -> Way:
        return loads(
            place,
            name,
            source={"type": "csv", "path": source},
            destination={"type": "duckdb", "path": str(place.work / "ours.duckdb")},
            write={"mode": "replace"},
        )

    paths = {count: str(place.csv(count)) for count in (large // 4, large)}
    sizes = {count: Path(path).stat().st_size / 1e6 for count, path in paths.items()}
    return Case(
        name="memory",
        title=f"Peak memory: CSV of {sizes[large // 4]:,.0f} and {sizes[large]:,.0f} MB to DuckDB",
        ways=[way("four times", paths[large]), way("once", paths[large // 4])],
        goals=[
            Goal("four times", "once", 1.1, "peak"),
            Goal("four times", "", 400, "peak"),
        ],
        of="peak",
        warm_up=0,
    )


def _factory(
    place: Place, name: str, kind: str, tenants: int, *, program: str | None = None, one: str = ""
) -> Way:
    """Return a way to build DAGs from what ``benchmarks.tenants`` wrote."""
    folder = place.folder / f"tenants-{tenants}"
    script = Path(__file__).parent / "parse.py"
    environment = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR", "PYTHONHASHSEED": "0"}
    if one:
        environment["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = one
        environment["_AIRFLOW_PARSING_CONTEXT_TASK_ID"] = "import"
    command = [program or place.python, str(script), kind, str(folder / kind)]
    return Way(name, command, environment=environment)


def factory(place: Place, rows: int | None) -> Case:
    """All DAGs of a thousand tenants."""
    from benchmarks.tenants import write

    tenants = min(rows or 1000, 1000)
    write(place.folder / f"tenants-{tenants}", tenants=tenants)
    return Case(
        name="factory",
        title=f"Building the DAGs of {tenants:,} tenants x 3 imports",
        rows=3 * tenants,
        ways=[
            _factory(place, OURS, "yaml", tenants),
            _factory(place, "hand-written", "python", tenants),
            _factory(place, "dag-factory", "dagfactory", tenants, program=place.factories),
            _factory(place, "blueprint", "blueprint", tenants, program=place.factories),
        ],
        goals=[
            Goal(OURS, "hand-written", 1.5, "seconds"),
            Goal(OURS, "dag-factory", 1 / 4, "seconds"),
        ],
        of="seconds",
        once=["blueprint"],
    )


def one_dag(place: Place, rows: int | None) -> Case:
    """Build the one DAG that a worker needs to start a task."""
    from benchmarks.tenants import write

    ways = []
    counts = (1000, 100, 10) if rows is None or rows >= 1000 else (100, 10)
    for tenants in counts:
        write(place.folder / f"tenants-{tenants}", tenants=tenants)
        wanted = f"tenant{tenants // 2:04d}__plays"
        ways.append(_factory(place, f"{tenants} tenants", "yaml", tenants, one=wanted))
    ways.append(_factory(place, "import airflow.sdk alone", "nothing", 10))
    return Case(
        name="one_dag",
        title="Building one DAG in a worker, whole process",
        ways=ways,
        goals=[Goal(f"{most} tenants", "10 tenants", 1.1) for most in counts[:-1]],
    )


def scheduler(place: Place, rows: int | None) -> Case:
    """One loop of Airflow's scheduler, with the DAGs of ten, a hundred and a thousand tenants."""
    most = min(rows or 1000, 1000)
    sizes = [str(size) for size in (1000, 100, 10) if size <= most]
    folder = str(place.folder)
    program = [place.python, "-m", "benchmarks.scheduler"]
    ways, goals = [], []
    for state in ("due", "idle"):
        for size in sizes:
            pair = [f"{name}, {size} tenants, {state}" for name in (OURS, "hand-written")]
            for name, kind in zip(pair, ("yaml", "python"), strict=True):
                command = [*program, "run", kind, size, state]
                ways.append(Way(name, command, prepare=[*program, "copy", kind, size]))
            if state == "idle" or size != "10":  # whose 30 DAGs are due for three loops only
                goals.append(Goal(pair[0], pair[1], 1.1, "seconds"))
    return Case(
        name="scheduler",
        title="One loop of Airflow's scheduler, with 3 imports of each tenant",
        ways=ways,
        goals=goals,
        of="seconds",
        before=["benchmarks.scheduler", "fill", folder, *sizes],
        warm_up=0,
    )


CASES: Mapping[str, Callable[[Place, int | None], Case]] = {
    case.__name__: case
    for case in (
        csv_duckdb,
        csv_postgres,
        csv_postgres_large,
        postgres_duckdb,
        transforms,
        memory,
        one_dag,
        factory,
        scheduler,
        csv_postgres_rows,
        kafka,
        latency,
        elasticsearch,
        mongodb,
        clickhouse,
        csv_clickhouse,
        csv_delta,
        postgres_parts,
        web_api,
        mixpanel_export,
        amplitude_export,
        spotify,
    )
}
