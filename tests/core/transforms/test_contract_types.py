"""Types that the contract finds, widens and stores, where nobody declared them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.transforms.arrow_types import TIMESTAMP
from airflow_provider_spotify.core.transforms.contract import DEFERRED
from tests.core.transforms.contracts import contract, text, types


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (["1", "", "-20"], "bigint", 1),
        (["1", "2.5", "NULL"], "double", 1.0),
        (["1e+05", "2"], "double", 100000.0),
        (["true", "FALSE", "null"], "boolean", True),
        (["2019-06-14", "\\N"], "date", date(2019, 6, 14)),
        (
            ["2019-06-14T10:00:00Z", "2019-06-15"],
            "timestamp",
            datetime(2019, 6, 14, 10, tzinfo=UTC),
        ),
        (["2019-06-14 10:00:00+02:00"], "timestamp", datetime(2019, 6, 14, 8, tzinfo=UTC)),
        (
            ["2019-06-14T10:00:00.123456789Z"],
            "timestamp",
            datetime(2019, 6, 14, 10, 0, 0, 123456, UTC),
        ),
        (["14-06-2019", "01-02-2019"], "date", date(2019, 6, 14)),
        (["06/14/2019", "01/02/2019"], "date", date(2019, 6, 14)),
        (["14.6.2019 10:30"], "timestamp", datetime(2019, 6, 14, 10, 30, tzinfo=UTC)),
        (["1.2.2019"], "date", date(2019, 2, 1)),
        (["01-02-2019", "03-04-2019"], "string", "01-02-2019"),
        (["14-06-2019", "06-14-2019"], "string", "14-06-2019"),
        (["30-02-2019"], "string", "30-02-2019"),
        (["007", "8"], "string", "007"),
        (["+46701234567"], "string", "+46701234567"),
        (["12E5", "3"], "string", "12E5"),
        (["1", "0"], "bigint", 1),
        (["9223372036854775808"], "string", "9223372036854775808"),
        (["9007199254740993", "0.5"], "string", "9007199254740993"),
        (["9007199254740993", "1"], "bigint", 9007199254740993),
        (["nan"], "string", "nan"),
        (["NULL", "x"], "string", "NULL"),
        (["2019-02-30"], "string", "2019-02-30"),
        (["yes", "no"], "string", "yes"),
    ],
)
def test_a_text_column_gets_the_type_its_values_show(
    values: list[str], kind: str, first: Any
) -> None:
    agreed = contract(textual=True)
    batch, rejected = agreed.apply(text(a=values, b=["x"] * len(values)))
    assert rejected is None
    assert types(batch.schema)["a"] == kind
    assert batch["a"][0].as_py() == first
    assert batch.num_rows == len(values)


def test_a_date_format_found_once_reads_later_batches_and_later_loads_that_are_ambiguous() -> None:
    first = contract(textual=True)
    first.apply(text(day=["14-06-2019"]))
    later = contract(textual=True, known=first.schema)
    for agreed in (first, later):
        batch, rejected = agreed.apply(text(day=["05-06-2019"]))
        assert (batch["day"].to_pylist(), rejected) == ([date(2019, 6, 5)], None)


def test_a_column_without_any_value_has_no_type_until_its_first_value_comes() -> None:
    agreed = contract(textual=True)
    batch, _ = agreed.apply(text(a=["1"], b=[""]))
    assert batch.schema.names == ["a"]
    assert batch.schema.metadata[DEFERRED] == b"b"
    batch, _ = agreed.apply(text(a=["2"], b=["2.5"]))
    assert types(batch.schema) == {"a": "bigint", "b": "double"}
    assert [(c.column, c.change, c.new) for c in agreed.changes] == [("b", "added", "double")]


def test_rows_are_not_lost_when_no_column_has_a_value_yet() -> None:
    batch, rejected = contract(textual=True).apply(text(a=["", ""], b=["", ""]))
    assert batch.num_rows == 0
    assert rejected is not None
    assert rejected.num_rows == 2


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (["1"], ["2.5"], "double"),
        (["1"], ["x"], "string"),
        (["1"], ["007"], "string"),
        (["2019-06-14"], ["2019-06-14T10:00:00Z"], "timestamp"),
        (["true"], ["1"], "string"),
        (["9007199254740993"], ["2.5"], "string"),
    ],
)
def test_evolve_widens_to_the_narrowest_type_that_loses_nothing(
    before: list[str], after: list[str], kind: str
) -> None:
    agreed = contract(textual=True)
    agreed.apply(text(a=before))
    batch, rejected = agreed.apply(text(a=after))
    assert rejected is None
    assert types(agreed.schema) == {"a": kind} == types(batch.schema)
    assert [change.change for change in agreed.changes] == ["widened"]
    batch, _ = agreed.apply(text(a=before))
    assert types(batch.schema) == {"a": kind}


def test_that_big_integers_came_is_remembered_across_loads() -> None:
    first = contract()
    first.apply(pa.RecordBatch.from_pydict({"n": [2**60]}))
    later = contract(known=first.schema)
    later.apply(pa.RecordBatch.from_pydict({"n": [0.5]}))
    assert types(later.schema) == {"n": "string"}


def test_a_big_integer_that_a_double_holds_exactly_fits_a_column_of_doubles() -> None:
    """Beyond 2^53 every second integer is a double; Arrow's own checked cast refuses them all."""
    agreed = contract()
    agreed.apply(pa.RecordBatch.from_pydict({"n": [0.5]}))
    batch, rejected = agreed.apply(pa.RecordBatch.from_pydict({"n": [2**53 + 2]}))
    assert batch.column("n").to_pylist() == [float(2**53 + 2)]
    assert rejected is None


@pytest.mark.parametrize("value", [10**17, -(10**17)])
def test_a_moment_beyond_microseconds_becomes_text_and_is_not_lost(value: int) -> None:
    """Milliseconds reach a thousand times as far as the microseconds that are stored."""
    moments = pa.array([0, value], pa.timestamp("ms", tz="UTC"))
    batch, rejected = contract().apply(pa.RecordBatch.from_arrays([moments], names=["t"]))
    kept = batch.column("t").to_pylist()
    assert rejected is None
    assert None not in kept
    assert len(set(map(str, kept))) == 2


def test_dates_that_become_text_midway_are_written_like_those_before_them() -> None:
    agreed = contract(textual=True)
    agreed.apply(text(day=["14-06-2019"]))
    batch, _ = agreed.apply(text(day=["15-06-2019", "2012", "1999-07"]))
    assert batch["day"].to_pylist() == ["2019-06-15", "2012", "1999-07"]


def test_an_undeclared_timestamp_does_not_change_its_format_midway() -> None:
    agreed = contract(textual=True)
    agreed.apply(text(a=["2000-01-01 00:00:00"]))
    batch, _ = agreed.apply(text(a=["13-01-2000"]))
    assert batch["a"].to_pylist() == ["13-01-2000"]


def test_times_are_stored_in_utc_and_microseconds() -> None:
    batch, _ = contract().apply(
        pa.RecordBatch.from_pydict(
            {
                "ns": pa.array([1_500], pa.timestamp("ns")),
                "cet": pa.array([datetime(2020, 1, 1, 12)], pa.timestamp("s", "Europe/Paris")),
            }
        )
    )
    assert batch.schema.types == [TIMESTAMP, TIMESTAMP]
    assert batch.to_pylist()[0]["ns"] == datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


def test_encodings_and_extensions_become_plain_types() -> None:
    uuid = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)], pa.binary(16)))
    batch, _ = contract().apply(
        pa.RecordBatch.from_pydict(
            {
                "d": pa.array(["a"]).dictionary_encode(),
                "v": pa.array(["b"], pa.string_view()),
                "u": uuid,
                "f": pa.array([1.5], pa.float32()),
                "big": pa.array([2**63], pa.uint64()),
            }
        )
    )
    assert types(batch.schema) == {
        "d": "string", "v": "string", "u": "string", "f": "double", "big": "string",
    }  # fmt: skip
    assert batch["u"][0].as_py() == "00000000-0000-0000-0000-000000000000"
