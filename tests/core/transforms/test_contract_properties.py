"""Properties that hold for every input of the contract."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, cast

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.config.rules import ColumnPlan, ContractPlan
from airflow_provider_spotify.core.errors import ContractViolation
from airflow_provider_spotify.core.transforms.contract import Contract

Mode = Literal["evolve", "freeze", "discard_row", "discard_value"]

WORDS = st.one_of(
    st.none(),
    st.sampled_from(["", "NULL", "\\N", "007", "true", "x", "1.5", "nan", "-inf", "1e400", " 1"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.dates().map(str),
    st.dates(date(1900, 1, 1)).map(lambda day: day.strftime("%d-%m-%Y")),
    st.datetimes().map(str),
    st.text(max_size=8),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=5),
    st.dates(date(1700, 1, 1), date(2200, 1, 1)),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    st.lists(st.integers(0, 9), max_size=3),
    st.fixed_dictionaries({"a": st.integers(0, 3)}, optional={"b": st.text(max_size=3)}),
)
MODES = st.sampled_from(["evolve", "freeze", "discard_row", "discard_value"])


@st.composite
def text_batches(draw: st.DrawFn) -> list[pa.RecordBatch]:
    """Draw a few batches of text with the same or other columns."""
    batches = []
    for _ in range(draw(st.integers(1, 4))):
        names = draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1))
        rows = draw(st.integers(0, 6))
        column = st.lists(WORDS, min_size=rows, max_size=rows)
        batches.append(
            pa.RecordBatch.from_pydict({n: pa.array(draw(column), pa.string()) for n in names})
        )
    return batches


@st.composite
def typed_batches(draw: st.DrawFn) -> list[pa.RecordBatch]:
    """Draw a few batches whose columns change type from one to the next."""
    batches = []
    for _ in range(draw(st.integers(1, 4))):
        rows = draw(st.integers(1, 4))
        columns: dict[str, Any] = {}
        for name in draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1)):
            values = draw(st.lists(VALUES, min_size=rows, max_size=rows))
            kind = next((type(v) for v in values if v is not None), None)
            kept = [v if type(v) is kind else None for v in values]
            columns[name] = pa.array(kept)
        batches.append(pa.RecordBatch.from_pydict(columns))
    return batches


def account(
    batches: list[pa.RecordBatch], *, mode: str, textual: bool, plan: dict[str, ColumnPlan]
) -> None:
    """Apply batches and check that every row is in exactly one place, in the schema of then."""
    agreed = Contract(
        ContractPlan(mode=cast("Mode", mode), columns=plan), known=None, textual=textual
    )
    for batch in batches:
        try:
            rows, rejected = agreed.apply(batch)
        except ContractViolation:
            assert mode == "freeze"
            return
        rows.validate(full=True)
        assert rows.schema == agreed.schema or rows.num_rows == 0
        aside = 0 if rejected is None else rejected.num_rows
        if mode == "discard_value":
            assert rows.num_rows <= batch.num_rows <= rows.num_rows + aside or aside == 0
        else:
            assert rows.num_rows + aside == batch.num_rows
        again = Contract(ContractPlan(columns=plan), known=agreed.schema, textual=textual)
        assert again.schema == agreed.schema


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches=text_batches(), mode=MODES, declared=st.booleans())
def test_every_text_row_ends_in_exactly_one_place(
    batches: list[pa.RecordBatch], mode: str, declared: bool
) -> None:
    plan = {"a": ColumnPlan(type="bigint", required=True)} if declared else {}
    account(batches, mode=mode, textual=True, plan=plan)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches=typed_batches(), mode=MODES, declared=st.booleans())
def test_every_typed_row_ends_in_exactly_one_place(
    batches: list[pa.RecordBatch], mode: str, declared: bool
) -> None:
    plan = {"a": ColumnPlan(type="timestamp")} if declared else {}
    account(batches, mode=mode, textual=False, plan=plan)


def same(written: str | None, value: Any) -> bool:
    """Tell whether a value is what was written, no more and no less."""
    if written in (None, "", "\\N"):
        return value is None
    if value is None:
        return written in ("NULL", "null")
    if isinstance(value, bool):
        return written.lower() == str(value).lower()
    if isinstance(value, int):
        return written == str(value)
    if isinstance(value, float):
        exact = not written.lstrip("-").isdigit() or int(written) == int(value)
        return repr(float(written)) == repr(value) and exact
    if isinstance(value, datetime):
        return value.replace(tzinfo=None) == datetime.fromisoformat(written)
    if isinstance(value, date):
        return written in (str(value), value.strftime("%d-%m-%Y"), value.strftime("%m-%d-%Y"))
    iso = len(written) == 10 and value == "-".join(reversed(written.split("-")))
    american = written[6:] + "-" + written[:5] == value
    return bool(value == written or iso or american)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches=text_batches())
def test_evolve_never_loses_a_value(batches: list[pa.RecordBatch]) -> None:
    agreed = Contract(ContractPlan(), known=None, textual=True)
    for batch in batches:
        rows, _ = agreed.apply(batch)
        for name in set(batch.schema.names) & set(rows.schema.names) if rows.num_rows else ():
            before, after = batch[name].to_pylist(), rows[name].to_pylist()
            assert all(map(same, before, after)), (name, before, after)
