"""Names and values: whatever the data brings arrives as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.testing.loads import batch, load, rows_of, spec
from airflow_provider_spotify.core.testing.sink_suite import MODES, SinkSuite

_STOCKHOLM = timezone(timedelta(hours=2))
_NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
_PLAIN: Sequence[tuple[pa.DataType, list[Any], list[Any] | None]] = (
    (pa.bool_(), [True, False, None], None),
    (pa.int8(), [-128, 127, None], None),
    (pa.int16(), [-(2**15), 2**15 - 1, None], None),
    (pa.int32(), [-(2**31), 2**31 - 1, None], None),
    (pa.int64(), [-(2**63), 2**63 - 1, None], None),
    (pa.uint8(), [0, 255, None], None),
    (pa.uint16(), [0, 2**16 - 1, None], None),
    (pa.uint32(), [0, 2**32 - 1, None], None),
    (pa.uint64(), [0, 2**64 - 1, None], None),
    (pa.float32(), [1.5, -0.25, None], None),
    (pa.float64(), [1.1, float("inf"), None], None),
    (pa.string(), ["", "né 🎧 \"'\\,\t\n", None], None),
    (pa.large_string(), ["x", "NULL", None], None),
    (pa.string_view(), ["x", "long enough not to be stored inline", None], None),
    (pa.binary(), [b"", b"\x00\xff", None], None),
    (pa.binary(2), [b"ab", b"\x00\x01", None], None),
    (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None], None),
    (pa.date64(), [date(1970, 1, 1), date(2026, 2, 28), None], None),
    (pa.time32("s"), [time(0), time(23, 59, 59), None], None),
    (pa.time64("ns"), [time(1, 2, 3, 4), time(12), None], None),
    (pa.timestamp("s"), [datetime(2026, 1, 1), datetime(1969, 12, 31), None], None),
    (pa.timestamp("us", "UTC"), [_NOON, _NOON + timedelta(microseconds=1), None], None),
    (pa.timestamp("ms", "+02:00"), [_NOON, _NOON.astimezone(_STOCKHOLM), None], None),
    (pa.decimal128(38, 10), [Decimal("1.5"), Decimal("-9999999999.0000000001"), None], None),
    (pa.decimal128(5, 2), [Decimal("999.99"), Decimal("-0.01"), None], None),
    (pa.duration("ms"), [timedelta(days=2, milliseconds=5), timedelta(0), None], None),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "b", None], None),
    (pa.dictionary(pa.int32(), pa.int64()), [1, 2, None], None),
)
_ODD_NAMES = (
    'with "quotes" and spaces',
    "select",
    "ünïcødé",
    "日本語の列",
    "percent % and $1",
    "semi;colon -- comment",
    "back\\slash",
    "x" * 80,
    "é" * 40,
)


class Values(SinkSuite):
    """Types, missing values, text of any kind, and odd names."""

    @pytest.mark.parametrize(("type_", "values", "expected"), _PLAIN, ids=lambda v: str(v)[:30])
    def test_values_arrive_as_they_were(
        self, sink: Sink[Any], type_: pa.DataType, values: list[Any], expected: list[Any] | None
    ) -> None:
        """A column of each type keeps its values and its missing ones, in every mode."""
        for mode in ("append", "merge"):
            rows = batch(id=list(range(len(values))), v=pa.array(values, type_))
            of = spec(sink, table=f"t_{mode}", mode=mode, import_name=mode)
            load(sink, of, [rows])
            found = sorted(rows_of(sink, f"t_{mode}"), key=lambda row: row["id"])
            assert [_comparable(row["v"]) for row in found] == [
                _comparable(v) for v in expected or values
            ]

    def test_timestamps_are_stored_in_utc(self, sink: Sink[Any]) -> None:
        """One moment, written in two zones, is one value."""
        zones = ["UTC", "+02:00", "Europe/Stockholm"]
        columns = {
            f"c{n}": pa.array([_NOON], pa.timestamp("us", zone)) for n, zone in enumerate(zones)
        }
        load(sink, spec(sink), [batch(**columns)])
        (row,) = rows_of(sink, "plays")
        assert set(row.values()) == {_NOON}
        assert {value.utcoffset() for value in row.values()} == {timedelta(0)}

    def test_finer_than_microseconds_is_cut(self, sink: Sink[Any]) -> None:
        """Nanoseconds have no place in a table; what is coarser is exact."""
        moment = pa.array([1_700_000_000_123_456_789], pa.timestamp("ns", "UTC"))
        load(sink, spec(sink), [batch(at=moment)])
        (row,) = rows_of(sink, "plays")
        assert row["at"] == datetime.fromtimestamp(1_700_000_000, UTC).replace(microsecond=123_456)

    def test_nested_values_stay_nested(self, sink: Sink[Any]) -> None:
        """Structs, lists and maps come back with their shape, as values or as JSON."""
        values = {
            "s": [{"a": 1, "b": {"c": "né \" '"}}, None],
            "l": [[1, 2, None], []],
            "ls": [[{"x": 1}, {"x": None}], None],
        }
        load(sink, spec(sink), [batch(id=[1, 2], **values)])
        found = sorted(rows_of(sink, "plays"), key=lambda row: row["id"])
        for name, expected in values.items():
            assert [_nested(row[name]) for row in found] == expected

    def test_nested_values_may_grow_fields(self, sink: Sink[Any]) -> None:
        """A struct that brings a new field keeps the old rows."""
        load(sink, spec(sink, run="one"), [batch(id=[1], s=[{"a": 1}])])
        load(sink, spec(sink, run="two"), [batch(id=[0]), batch(id=[2], s=[{"a": 2, "b": "x"}])])
        found = {row["id"]: _nested(row["s"]) for row in rows_of(sink, "plays")}
        assert found[1]["a"] == 1
        assert found[2] == {"a": 2, "b": "x"}

    def test_json_text_stays_what_it_is(self, sink: Sink[Any]) -> None:
        """A column of JSON keeps its content."""
        texts = ['{"a": [1, 2]}', None]
        column = pa.array(texts, pa.json_())
        load(sink, spec(sink), [batch(id=[1, 2], j=column)])
        field = pa.field("j", pa.string(), metadata={"type": "json"})  # as a contract says it
        schema = pa.schema([pa.field("id", pa.int64()), field])
        again = pa.RecordBatch.from_pydict({"id": [3, 4], "j": texts}, schema=schema)
        assert not load(sink, spec(sink, run="2"), [batch(id=[0]), again])
        found = sorted(rows_of(sink, "plays"), key=lambda row: row["id"])
        assert [_nested(row["j"]) for row in found] == [{"a": [1, 2]}, None] * 2

    def test_what_only_claims_to_be_json_is_text(self, sink: Sink[Any]) -> None:
        """A text that is not JSON makes its column text; neither it nor the load is lost."""
        load(sink, spec(sink), [batch(id=[1], j=pa.array(['{"a": 1}'], pa.json_()))])
        column = pa.array(["[1,", "{}"], pa.json_())
        load(sink, spec(sink, run="2"), [batch(id=[0]), batch(id=[2, 3], j=column)])
        found = {row["id"]: row["j"] for row in rows_of(sink, "plays")}
        assert (_nested(found[1]), found[2], found[3]) == ({"a": 1}, "[1,", "{}")

    def test_a_column_of_nulls_waits_for_a_type(self, sink: Sink[Any]) -> None:
        """A column without a value takes the type of the first value that comes."""
        load(sink, spec(sink, run="one"), [batch(id=[1], v=pa.nulls(1))])
        load(sink, spec(sink, run="two"), [batch(id=[0]), batch(id=[2], v=[2.5])])
        found = {row["id"]: row["v"] for row in rows_of(sink, "plays")}
        assert found == {1: None, 2: 2.5}

    def test_no_row_is_lost_to_a_nul(self, sink: Sink[Any]) -> None:
        """Text with a NUL character is stored, or rejected with the reason; never cut."""
        texts = ["fine", "cut\0here", None]
        coded = pa.array(texts).dictionary_encode()
        load(
            sink,
            spec(sink),
            [batch(id=[1, 2, 3], said=texts, coded=coded, s=[{"t": t} for t in texts])],
        )
        found = {row["id"]: row["said"] for row in rows_of(sink, "plays")}
        refused = [r for b in sink.rejected("plays") for r in b.to_pylist()]
        assert found.pop(2, texts[1]) == texts[1]
        assert found == {1: "fine", 3: None}
        assert len(rows_of(sink, "plays")) + len(refused) == 3
        assert all(json.loads(r["record"])["said"] == texts[1] for r in refused)

    @pytest.mark.parametrize("name", _ODD_NAMES, ids=lambda name: name[:20])
    def test_odd_names(self, sink: Sink[Any], name: str) -> None:
        """Tables and columns may be called anything; two long names stay two columns."""
        for mode in MODES:
            table, other = f"{name} {mode}", f"{name} too"
            of = spec(sink, table=table, mode=mode, key=(name,), import_name=f"odd_{mode}")
            load(sink, of, [batch(**{name: [1], other: ["x"]}), batch(**{name: [2], other: ["y"]})])
            of = spec(sink, table=table, mode=mode, key=(name,), import_name=f"odd_{mode}", run="2")
            seen = [] if mode == "replace" else [batch(x=[1]), batch(x=[2])]
            load(sink, of, [*seen, batch(**{name: [2], other: ["z"]})])
            (records,) = sink.query("SELECT 1 AS one").to_pylist()
            assert records == {"one": 1}
            assert sink.history(f"odd_{mode}")[0].rows == 1
        assert not list(sink.rejected(f"{name} merge"))

    def test_columns_that_loads_add_are_taken(self, sink: Sink[Any]) -> None:
        """A column that only a load may give is an error that says what to do."""
        with pytest.raises(DataError, match=r"_load_id.*exclude"):
            load(sink, spec(sink), [batch(id=[1], _load_id=[5])])

    def test_a_query_takes_parameters_and_writes_nothing(self, sink: Sink[Any]) -> None:
        """Parameters are bound, and a statement that writes is refused."""
        load(sink, spec(sink), [batch(id=[1, 2])])
        found = sink.query("SELECT id FROM plays WHERE id > $1", [1])
        assert found.to_pylist() == [{"id": 2}]
        with pytest.raises(Exception, match=r"(?i)read.only"):
            sink.query("DELETE FROM plays")
        assert len(rows_of(sink, "plays")) == 2


def _comparable(value: Any) -> Any:
    """Return one spelling of values that databases give in several."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, tuple) and len(value) == 3:  # months, days, nanoseconds
        return timedelta(days=value[1], microseconds=value[2] // 1000)
    return value


def _nested(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
