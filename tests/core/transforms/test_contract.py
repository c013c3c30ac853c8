"""Names, types and modes of the contract."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.config.rules import ColumnPlan, ContractPlan
from airflow_provider_spotify.core.errors import ConfigurationError, ContractViolation
from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA
from airflow_provider_spotify.core.transforms.arrow_types import TIMESTAMP, type_name
from airflow_provider_spotify.core.transforms.contract import DEFERRED, Contract
from airflow_provider_spotify.core.transforms.faults import VALUE_DISCARDED


def text(**columns: list[str | None]) -> pa.RecordBatch:
    """Return a batch as a CSV source gives it."""
    return pa.RecordBatch.from_pydict({k: pa.array(v, pa.string()) for k, v in columns.items()})


def contract(
    *, known: pa.Schema | None = None, textual: bool = False, mode: str = "evolve", **plan: Any
) -> Contract:
    return Contract(ContractPlan(mode=mode, **plan), known=known, textual=textual)  # type: ignore[arg-type]


def types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: type_name(field.type) for field in schema}


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


def test_two_names_that_collide_are_an_error_that_names_both() -> None:
    with pytest.raises(ConfigurationError, match=r"'Track Name' and 'trackName' both become"):
        contract().apply(pa.RecordBatch.from_pydict({"Track Name": [1], "trackName": [2]}))


def test_a_column_that_would_be_the_load_id_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="keeps for itself"):
        contract().apply(pa.RecordBatch.from_pydict({"_load_id": [1]}))


def test_columns_are_renamed_selected_and_excluded() -> None:
    agreed = contract(
        columns={"song": ColumnPlan(source_name="Track Name")},
        select=["song", "Artist", "year"],
        exclude=["year"],
    )
    batch, _ = agreed.apply(
        pa.RecordBatch.from_pydict({"Track Name": ["x"], "artist": ["y"], "year": [1], "z": [2]})
    )
    assert batch.to_pylist() == [{"song": "x", "artist": "y"}]


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


def test_an_undeclared_timestamp_does_not_change_its_format_midway() -> None:
    agreed = contract(textual=True)
    agreed.apply(text(a=["2000-01-01 00:00:00"]))
    batch, _ = agreed.apply(text(a=["13-01-2000"]))
    assert batch["a"].to_pylist() == ["13-01-2000"]


def test_a_format_alone_declares_a_date_and_knows_the_calendar() -> None:
    agreed = contract(textual=True, columns={"day": ColumnPlan(format="%d/%m/%y")})
    batch, rejected = agreed.apply(text(day=["1/2/19", "30/02/19", "29/02/20"]))
    assert batch["day"].to_pylist() == [date(2019, 2, 1), date(2020, 2, 29)]
    assert rejected is not None
    assert rejected["reason"][0].as_py() == "'30/02/19' is not a date in the format '%d/%m/%y'"


KNOWN = pa.schema([("id", pa.int64()), ("name", pa.string())])


def test_freeze_stops_at_a_breaking_value_and_says_what_to_do() -> None:
    agreed = contract(known=KNOWN, mode="freeze")
    with pytest.raises(ContractViolation, match=r"'id': 'x' is not a bigint.*frozen.*evolve"):
        agreed.apply(pa.RecordBatch.from_pydict({"id": ["x"], "name": ["a"]}))


def test_freeze_stops_at_a_new_column_with_values_but_not_at_an_empty_one() -> None:
    agreed = contract(known=KNOWN, mode="freeze")
    empty = pa.RecordBatch.from_pydict({"id": [1], "name": ["a"], "new": pa.nulls(1)})
    assert agreed.apply(empty).batch.to_pylist() == [{"id": 1, "name": "a"}]
    with pytest.raises(ContractViolation, match="'new'"):
        agreed.apply(pa.RecordBatch.from_pydict({"id": [1], "name": ["a"], "new": [1.5]}))


def test_discard_row_sets_breaking_rows_aside() -> None:
    agreed = contract(known=KNOWN, mode="discard_row")
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pydict({"id": ["1", "x", "3"], "name": list("abc"), "n": [None, 1, 2]})
    )
    assert batch.to_pylist() == [{"id": 1, "name": "a"}]
    assert rejected is not None
    assert rejected["column_name"].to_pylist() == ["id", "n"]
    assert agreed.schema == KNOWN


def test_discard_value_keeps_the_row_and_records_what_went() -> None:
    agreed = contract(known=KNOWN, mode="discard_value")
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pydict({"id": ["1", "x"], "name": ["a", "b"]})
    )
    assert batch.to_pylist() == [{"id": 1, "name": "a"}, {"id": None, "name": "b"}]
    assert rejected is not None
    [row] = rejected.to_pylist()
    assert row["reason"].startswith(VALUE_DISCARDED)
    assert json.loads(row["record"]) == {"id": "x", "name": "b"}


@pytest.mark.parametrize("mode", ["evolve", "discard_row", "discard_value"])
def test_a_row_without_a_required_value_is_rejected(mode: str) -> None:
    columns = {"id": ColumnPlan(required=True, type="bigint")}
    agreed = contract(mode=mode, columns=columns)
    batch, rejected = agreed.apply(pa.RecordBatch.from_pydict({"id": [1, None], "b": ["x", "y"]}))
    assert batch["id"].to_pylist() == [1]
    assert rejected is not None
    assert rejected.num_rows == 1
    batch, rejected = agreed.apply(pa.RecordBatch.from_pydict({"b": ["z"]}))
    assert batch.num_rows == 0
    assert rejected is not None


def test_a_row_without_a_required_value_stops_a_frozen_contract() -> None:
    agreed = contract(mode="freeze", columns={"id": ColumnPlan(required=True)})
    with pytest.raises(ContractViolation, match="required"):
        agreed.apply(pa.RecordBatch.from_pydict({"id": [1, None]}))


def test_columns_that_a_batch_lacks_are_null() -> None:
    agreed = contract(known=KNOWN)
    batch, _ = agreed.apply(pa.RecordBatch.from_pydict({"name": ["a"]}))
    assert batch.to_pylist() == [{"id": None, "name": "a"}]


def test_a_batch_that_is_as_agreed_is_passed_on_without_a_copy() -> None:
    agreed = contract(known=KNOWN)
    batch = pa.RecordBatch.from_pydict({"id": [1, 2], "name": ["a", "b"]}, schema=KNOWN)
    assert agreed.apply(batch).batch is batch


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


def test_nested_values_stay_nested_and_grow_with_the_data() -> None:
    agreed = contract()
    agreed.apply(pa.RecordBatch.from_pylist([{"a": {"userId": 1, "n": None}, "l": [1]}]))
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pylist(
            [{"a": {"userId": 2, "n": "x"}, "l": [1.5]}, {"a": None, "l": []}]
        )
    )
    assert rejected is None
    assert batch.to_pylist() == [
        {"a": {"userId": 2, "n": "x"}, "l": [1.5]},
        {"a": None, "l": []},
    ]
    batch, _ = agreed.apply(pa.RecordBatch.from_pylist([{"a": {"userId": 3}, "l": [7]}]))
    assert batch.to_pylist() == [{"a": {"userId": 3, "n": None}, "l": [7.0]}]


def test_nested_values_that_turn_scalar_become_json_text() -> None:
    agreed = contract()
    agreed.apply(pa.RecordBatch.from_pylist([{"a": {"x": 1}}]))
    batch, _ = agreed.apply(pa.RecordBatch.from_pylist([{"a": "plain"}]))
    assert batch["a"].to_pylist() == ["plain"]
    batch, _ = agreed.apply(pa.RecordBatch.from_pylist([{"a": {"x": 2}}]))
    assert batch["a"].to_pylist() == ['{"x":2}']


def test_discard_row_keeps_nested_values_that_only_lack_fields() -> None:
    known = pa.schema([("a", pa.struct([("x", pa.int64()), ("y", pa.int64())]))])
    agreed = contract(known=known, mode="discard_row")
    batch, rejected = agreed.apply(
        pa.RecordBatch.from_pylist([{"a": {"x": 1, "z": None}}, {"a": {"x": 2, "z": 3}}])
    )
    assert batch.to_pylist() == [{"a": {"x": 1, "y": None}}]
    assert rejected is not None
    assert rejected.num_rows == 1


def test_reasons_show_only_the_shape_of_a_value_where_the_import_has_personal_columns() -> None:
    columns = {
        "n": ColumnPlan(type="bigint"),
        "who": ColumnPlan(type="bigint", pii="redact"),  # type: ignore[arg-type]
    }
    agreed = contract(textual=True, columns=columns)
    _, rejected = agreed.apply(text(n=["Anna 12", "1"], who=["1", "Bea"]))
    assert rejected is not None
    assert rejected["reason"].to_pylist() == [
        "a value like 'aaaa 99' is not a bigint",
        "a value is not a bigint",
    ]


def test_a_value_that_looks_personal_is_never_quoted() -> None:
    agreed = contract(textual=True, columns={"n": ColumnPlan(type="bigint")})
    _, rejected = agreed.apply(text(n=["anna@example.com"]))
    assert rejected is not None
    assert rejected["reason"][0].as_py() == "a value that looks like e-mail is not a bigint"


def test_a_place_that_the_source_tells_is_kept_with_the_record() -> None:
    batch = text(n=["1", "x"]).replace_schema_metadata({b"location": b"songs.csv"})
    _, rejected = contract(textual=True, columns={"n": ColumnPlan(type="bigint")}).apply(batch)
    assert rejected is not None
    assert rejected["location"][0].as_py() == "songs.csv, row 2 of its batch"


def test_a_declared_type_that_is_wider_than_the_known_one_is_a_change() -> None:
    agreed = contract(known=KNOWN, columns={"id": ColumnPlan(type="string")})
    batch, _ = agreed.apply(pa.RecordBatch.from_pydict({"id": [1], "name": ["a"]}))
    assert batch["id"].to_pylist() == ["1"]
    [change] = agreed.changes
    assert (change.column, change.old, change.new) == ("id", "bigint", "string")
