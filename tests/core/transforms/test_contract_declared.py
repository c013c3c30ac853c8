"""Types and formats that a contract's columns declare."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.config.rules import ColumnPlan
from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA
from tests.core.transforms.contracts import KNOWN, contract, text


def test_a_declared_type_does_not_widen_but_rejects_the_row_with_its_original() -> None:
    agreed = contract(textual=True, columns={"n": ColumnPlan(type="bigint")})
    batch, rejected = agreed.apply(text(N=["007", "x", "+5", " 6 ", "8.0", ""], b=list("abcdef")))
    assert batch["n"].to_pylist() == [7, 5, 6, 8, None]
    assert rejected is not None
    assert rejected.schema == REJECTED_SCHEMA
    [row] = rejected.to_pylist()
    assert (row["stage"], row["column_name"]) == ("contract", "n")
    assert row["reason"] == "'x' is not a bigint"
    assert json.loads(row["record"]) == {"N": "x", "b": "b"}


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        ("integer", ["1", "2147483648"], [1]),
        ("decimal(6,2)", ["1.50", "1.505", "99999.5"], ["1.50"]),
        ("boolean", ["yes", "0", "maybe"], [True, False]),
        ("time", ["10:11:12", "25:00:00"], ["10:11:12"]),
        ("json", ['{"a": 1}', "{a"], ['{"a": 1}']),
        ("string", ["1", "x"], ["1", "x"]),
        ("binary", ["ab"], [b"ab"]),
    ],
)
def test_declared_types_read_text(kind: str, values: list[str], wanted: list[Any]) -> None:
    agreed = contract(textual=True, columns={"a": ColumnPlan(type=kind)})
    batch, rejected = agreed.apply(text(a=values))
    found = batch["a"].to_pylist()
    assert [v if isinstance(v, bytes | bool | int) else str(v) for v in found] == wanted
    assert (rejected.num_rows if rejected else 0) == len(values) - len(wanted)


def test_a_declared_date_finds_its_format_although_some_values_are_no_dates() -> None:
    agreed = contract(textual=True, columns={"day": ColumnPlan(type="date")})
    batch, rejected = agreed.apply(text(day=["14-06-2019", "2012", "02-03-2019"]))
    assert batch["day"].to_pylist() == [date(2019, 6, 14), date(2019, 3, 2)]
    assert rejected is not None
    assert rejected.num_rows == 1


def test_a_declared_date_reads_iso_dates_beside_the_format_it_found_in_later_loads_too() -> None:
    columns = {"day": ColumnPlan(type="date")}
    first = contract(textual=True, columns=columns)
    batch, _ = first.apply(text(day=["14-06-2019", "2019-06-15"]))
    assert batch["day"].to_pylist() == [date(2019, 6, 14), date(2019, 6, 15)]
    later = contract(textual=True, columns=columns, known=first.schema)
    batch, rejected = later.apply(text(day=["02-03-2019", "2019-03-04"]))
    assert batch["day"].to_pylist() == [date(2019, 3, 2), date(2019, 3, 4)]
    assert rejected is None


def test_a_format_alone_declares_a_date_and_knows_the_calendar() -> None:
    agreed = contract(textual=True, columns={"day": ColumnPlan(format="%d/%m/%y")})
    batch, rejected = agreed.apply(text(day=["1/2/19", "30/02/19", "29/02/20"]))
    assert batch["day"].to_pylist() == [date(2019, 2, 1), date(2020, 2, 29)]
    assert rejected is not None
    assert rejected["reason"][0].as_py() == "'30/02/19' is not a date in the format '%d/%m/%y'"


def test_a_declared_type_that_is_wider_than_the_known_one_is_a_change() -> None:
    agreed = contract(known=KNOWN, columns={"id": ColumnPlan(type="string")})
    batch, _ = agreed.apply(pa.RecordBatch.from_pydict({"id": [1], "name": ["a"]}))
    assert batch["id"].to_pylist() == ["1"]
    [change] = agreed.changes
    assert (change.column, change.old, change.new) == ("id", "bigint", "string")
