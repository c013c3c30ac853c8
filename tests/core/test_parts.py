"""One load is read in parts, by as many workers as there are, and is seen whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import Cancelled, ConfigurationError, QualityViolation
from airflow_provider_spotify.core.model import LoadReport, Run
from airflow_provider_spotify.core.parts import part_of, publish_parts, split
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sources.files.csv import CsvConfig, CsvSource
from tests.core.imports import KEY, MemorySource, duckdb_sink, ids, landed, plan, tables

RUN = Run(run_id="monday")


def source(folder: Path) -> CsvSource:
    return CsvSource(CsvConfig(path=f"{folder}/*.csv"))


def write(folder: Path, name: str, *numbers: int) -> None:
    lines = ["id,email", *(f"{number},p{number}@example.com" for number in numbers)]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write seven ids into four files; give their folder."""
    made = tmp_path / "in"
    made.mkdir()
    for name, numbers in {"a": (1, 2), "b": (3,), "c": (4, 5), "d": (6, 7)}.items():
        write(made, name, *numbers)
    return made


def read_part(
    made: ImportPlan,
    sink: Sink[Any],
    options: dict[str, Any],
    *,
    run: Run,
    cancel: threading.Event | None = None,
) -> LoadReport:
    own = CsvSource(CsvConfig.model_validate(options))
    return run_import(made, source=own, sink=sink, run=run, key=KEY, cancel=cancel)


def read_parts(made: ImportPlan, sink: Sink[Any], whole: CsvSource, run: Run) -> list[LoadReport]:
    found = split(made, source=whole, sink=sink, run=run)
    return [
        read_part(made, sink, options, run=part_of(run, number=number, of=len(found)))
        for number, options in enumerate(found, 1)
    ]


def test_parts_are_seen_when_all_are_published(tmp_path: Path, folder: Path) -> None:
    """Until then the table does not even exist; then all rows and one cursor are there."""
    made, sink, whole = plan(partitions=3), duckdb_sink(tmp_path), source(folder)
    reports = read_parts(made, sink, whole, RUN)
    assert len(reports) == 3
    assert "plays" not in tables(sink)
    assert sink.cursor("plays") is None
    report = publish_parts(made, source=whole, sink=sink, run=RUN, reports=reports)
    assert landed(sink) == [1, 2, 3, 4, 5, 6, 7]
    assert (report.rows, report.run_id) == (7, "monday")
    assert report.cursor_after == sink.cursor("plays")


def test_the_next_run_goes_on_with_what_is_new(tmp_path: Path, folder: Path) -> None:
    """The joined cursor serves parts and an ordinary load alike."""
    made, sink, whole = plan(partitions=3), duckdb_sink(tmp_path), source(folder)
    reports = read_parts(made, sink, whole, RUN)
    publish_parts(made, source=whole, sink=sink, run=RUN, reports=reports)
    write(folder, "e", 8)
    tuesday = Run(run_id="tuesday")
    reports = read_parts(made, sink, whole, tuesday)
    report = publish_parts(made, source=whole, sink=sink, run=tuesday, reports=reports)
    assert report.rows == 1
    write(folder, "f", 9)
    ordinary = run_import(plan(), source=whole, sink=sink, run=Run(run_id="wednesday"))
    assert ordinary.rows == 1
    assert landed(sink) == list(range(1, 10))


def test_a_part_that_stopped_is_read_again_alone(tmp_path: Path, folder: Path) -> None:
    """The others are held; publishing waits for the one, and names it."""
    made, sink, whole = plan(partitions=3), duckdb_sink(tmp_path), source(folder)
    options = split(made, source=whole, sink=sink, run=RUN)
    runs = [part_of(RUN, number=number, of=3) for number in (1, 2, 3)]
    reports = [read_part(made, sink, options[n], run=runs[n]) for n in (0, 2)]
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        read_part(made, sink, options[1], run=runs[1], cancel=cancel)
    early = [reports[0], reports[0].model_copy(update={"load_id": 2}), reports[1]]
    with pytest.raises(ConfigurationError, match="2 of 3"):
        publish_parts(made, source=whole, sink=sink, run=RUN, reports=early)
    reports.insert(1, read_part(made, sink, options[1], run=runs[1]))
    publish_parts(made, source=whole, sink=sink, run=RUN, reports=reports)
    assert landed(sink) == [1, 2, 3, 4, 5, 6, 7]


def test_a_check_judges_all_parts_together(tmp_path: Path, folder: Path) -> None:
    """A key that two parts share fails ``unique``; nothing is seen and the cursor stays."""
    write(folder, "e", 1)
    unique = {"check": "unique", "columns": ["id"]}
    made = plan(partitions=5, quality=[unique])
    sink, whole = duckdb_sink(tmp_path), source(folder)
    reports = read_parts(made, sink, whole, RUN)
    with pytest.raises(QualityViolation):
        publish_parts(made, source=whole, sink=sink, run=RUN, reports=reports)
    assert "plays" not in tables(sink)
    assert sink.cursor("plays") is None


def test_a_table_is_replaced_by_all_parts_together(tmp_path: Path, folder: Path) -> None:
    """``replace`` in parts swaps the whole table once."""
    made = plan(partitions=3, write={"mode": "replace"})
    sink, whole = duckdb_sink(tmp_path), source(folder)
    for run in (RUN, Run(run_id="tuesday")):
        reports = read_parts(made, sink, whole, run)
        publish_parts(made, source=whole, sink=sink, run=run, reports=reports)
        assert landed(sink) == [1, 2, 3, 4, 5, 6, 7]


def test_the_report_is_of_the_whole(tmp_path: Path, folder: Path) -> None:
    """Rows, bytes, nulls and failed checks are sums; what was masked is named once."""
    contract = {"columns": {"id": {"type": "bigint"}, "email": {"pii": "redact"}}}
    check = {"check": "range", "column": "id", "min": 4, "severity": "warn"}
    made = plan(partitions=4, contract=contract, quality=[check])
    sink, whole = duckdb_sink(tmp_path), source(folder)
    reports = read_parts(made, sink, whole, RUN)
    report = publish_parts(made, source=whole, sink=sink, run=RUN, reports=reports)
    assert report.bytes == sum(part.bytes for part in reports)
    assert [(c.check, c.passed, c.failed_rows) for c in report.checks] == [("range", False, 3)]
    assert [masked.name for masked in report.masked] == ["email"]
    bounds = {column.name: (column.min, column.max) for column in report.columns}
    assert bounds["id"] == (1, 7)


def test_a_dry_run_is_one_part_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    """Everything is read once, and nothing is written."""
    made, sink, whole = plan(partitions=3), duckdb_sink(tmp_path), source(folder)
    dry = Run(run_id="dry", dry_run=True)
    reports = read_parts(made, sink, whole, dry)
    report = publish_parts(made, source=whole, sink=sink, run=dry, reports=reports)
    assert (len(reports), report.rows, report.dry_run) == (1, 7, True)
    assert not (tmp_path / "acme.duckdb").exists()


def test_a_source_without_parts_says_so_before_anything_is_read(tmp_path: Path) -> None:
    """The error names what to take away."""
    with pytest.raises(ConfigurationError, match="take partitions: away"):
        split(
            plan(partitions=2), source=MemorySource([ids(1)]), sink=duckdb_sink(tmp_path), run=RUN
        )
