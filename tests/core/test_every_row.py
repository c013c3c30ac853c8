"""Whatever a file holds, each of its rows is in the table or among the rejects, and true to it."""

from __future__ import annotations

import csv
import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.model import LOAD_ID, Run
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sources.files.csv import CsvConfig, CsvSource
from tests.core.imports import duckdb_sink, plan, rows, tables

NULLS = {"", r"\N", "NULL", "null"}
TRUE = {"true", "t", "yes", "y", "1", "on"}
TYPES = ["string", "bigint", "double", "boolean", "date", "timestamp", "decimal(9, 2)", None]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
kinds = [
    st.integers(-(2**70), 2**70).map(str),
    st.integers(0, 9).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(["true", "false", "True", "FALSE"]),
    st.dates(date(1000, 1, 1)).map(str),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(str),
    texts,
]
columns = st.sampled_from(kinds).flatmap(
    lambda kind: st.lists(st.one_of(kind, kind, kind, st.sampled_from(["", r"\N"]), texts))
)

Row = dict[str, str]


@st.composite
def files(draw: st.DrawFn) -> list[list[Row]]:
    """Two small files of the same columns, each row with a number of its own."""
    found: list[list[Row]] = []
    for number in range(2):
        table = {name: draw(columns) for name in ("a", "b")}
        count = max(map(len, table.values()))
        found.append(
            [
                {"id": str(100 * number + i)}
                | {name: (values[i] if i < len(values) else "") for name, values in table.items()}
                for i in range(count)
            ]
        )
    return found


contracts = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["evolve", "evolve", "discard_row", "discard_value"]),
        "columns": st.fixed_dictionaries(
            {
                "a": st.fixed_dictionaries(
                    {"type": st.sampled_from(TYPES), "required": st.booleans()}
                )
            }
        ),
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files(), contracts)
def test_every_row_is_in_the_table_or_among_the_rejects(
    written: list[list[Row]], contract: dict[str, Any]
) -> None:
    """Once, with values that say what the file says; and the reports count them."""
    with tempfile.TemporaryDirectory() as folder:
        sink, counted = duckdb_sink(Path(folder)), 0
        source = CsvSource(CsvConfig(path=f"{folder}/*.csv"))
        words = plan(contract=contract, pii={"undeclared": "ignore"})
        for number, file in enumerate(written):
            write(Path(folder, f"{number}.csv"), file)
            run = Run(run_id=f"run {number}")
            report = run_import(words, source=source, sink=sink, run=run)
            counted += report.rows
        landed = rows(sink) if "plays" in tables(sink) else []
        aside = [*rejected(sink)]
    note(f"{landed=} {aside=}")
    every = {row["id"]: row for file in written for row in file}
    found = [str(row["id"]) for row in landed]
    assert sorted([*found, *(row["id"] for row in aside)]) == sorted(every)
    assert counted == len(landed)
    for row in aside:
        assert row == every[row["id"]]
    spared = contract["mode"] == "discard_value"
    for row in landed:
        said = every[str(row["id"])]
        for name in ("a", "b"):
            assert true_to(row.get(name), said[name], spared=spared), (name, row, said)


def write(file: Path, found: Sequence[Mapping[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, ["id", "a", "b"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(found)


def rejected(sink: Sink[Any]) -> Iterator[Row]:
    """Yield the rejected rows; a record of a value alone is of a row that stayed."""
    for batch in sink.rejected("plays"):
        for record in batch.to_pylist():
            if not record["reason"].startswith("value discarded"):
                yield {k: v for k, v in json.loads(record["record"]).items() if k != LOAD_ID}


def true_to(value: Any, text: str, *, spared: bool) -> bool:
    """Say whether a value of the table is what the file says, in whatever type it has."""
    if value is None:
        return spared or text in NULLS
    if isinstance(value, bool):
        return value == (text.strip().lower() in TRUE)
    if isinstance(value, datetime | date):
        return str(value)[:10] == text.strip()[:10]
    return str(value) == text or _number(value) == _number(text) or _spelled(value, text)


def _number(value: Any) -> float:
    with suppress(ValueError, OverflowError):
        return float(value)
    return math.nan  # equal to nothing


def _spelled(value: Any, text: str) -> bool:
    """Say whether a text that was a boolean or a moment before is still the same."""
    shown = str(value)
    return shown.lower() == text.strip().lower() or (len(shown) >= 10 and shown[:10] == text[:10])
