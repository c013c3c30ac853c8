"""How personal columns and rejected records are protected."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.config.rules import ColumnPlan
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.rejects import rejects
from airflow_provider_spotify.core.transforms.privacy import PII, Privacy, Sealer
from airflow_provider_spotify.core.transforms.sealing import derive

KEY = b"0123456789abcdef0123456789abcdef"
TEXTS = st.lists(st.none() | st.text(max_size=20), max_size=20)


def plan(**columns: Any) -> dict[str, ColumnPlan]:
    return {name: ColumnPlan(pii=rule) for name, rule in columns.items()}


def protected(rule: Any, values: Any, *, key: bytes | None = KEY) -> list[Any]:
    batch = pa.RecordBatch.from_pydict({"a": values})
    return list(Privacy(plan(a=rule), key=key).apply(batch)["a"].to_pylist())


@settings(deadline=None)
@given(TEXTS)
def test_hash_is_hmac_sha256_with_a_key_derived_for_it(values: list[str | None]) -> None:
    subkey = derive(KEY, "hash")
    wanted = [
        None if v is None else hmac.new(subkey, v.encode(), hashlib.sha256).hexdigest()
        for v in values
    ]
    assert protected("hash", pa.array(values, pa.string())) == wanted


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_equal_values_get_equal_tokens_in_any_batch_and_others_do_not(
    batches: list[list[str | None]],
) -> None:
    privacy = Privacy(plan(a="tokenize"), key=KEY)
    tokens: dict[str, str] = {}
    for values in batches:
        column = privacy.apply(pa.RecordBatch.from_pydict({"a": pa.array(values, pa.string())}))
        for value, token in zip(values, column["a"].to_pylist(), strict=True):
            assert (value is None) == (token is None)
            if value is not None:
                assert tokens.setdefault(value, token) == token
    assert len(set(tokens.values())) == len(tokens)
    assert all(len(t) == 30 and t.startswith("tok_") for t in tokens.values())


def test_results_remembered_across_batches_stay_right_beyond_the_bound() -> None:
    privacy = Privacy(plan(a="hash"), key=KEY)
    subkey = derive(KEY, "hash")
    for start in range(0, 240_000, 40_000):
        values = [f"user{start + i // 2}" for i in range(40_000)]
        batch = privacy.apply(pa.RecordBatch.from_pydict({"a": values}))
        for row in (0, 1, 39_999):
            wanted = hmac.new(subkey, values[row].encode(), hashlib.sha256).hexdigest()
            assert batch["a"][row].as_py() == wanted


def test_hash_and_token_of_a_value_tell_nothing_about_each_other() -> None:
    assert derive(KEY, "hash") != derive(KEY, "tokenize") != derive(KEY, "encrypt")


def test_a_number_is_hashed_like_its_text_so_that_columns_stay_joinable() -> None:
    assert protected("hash", [42]) == protected("hash", ["42"])


@settings(deadline=None)
@given(TEXTS)
def test_encrypting_can_be_undone_with_the_same_key_and_never_repeats(
    values: list[str | None],
) -> None:
    sealed = protected("encrypt", pa.array(values, pa.string()))
    assert protected("decrypt", pa.array(sealed, pa.string())) == values
    present = [s for s in sealed if s is not None]
    assert len(set(present)) == len(present)


def test_decrypting_with_another_key_says_which_key_it_was() -> None:
    sealed = protected("encrypt", ["x"])
    with pytest.raises(ConfigurationError, match=r"column 'a'.*encrypted with the key"):
        protected("decrypt", sealed, key=b"another key of sixteen bytes")


@pytest.mark.parametrize("value", ["plain", "v1:", "v1:00000000:AAAA", ""])
def test_decrypting_something_else_is_an_error_that_does_not_show_it(value: str) -> None:
    with pytest.raises((DataError, ConfigurationError)) as caught:
        protected("decrypt", [value])
    assert "plain" not in str(caught.value)


def test_a_tampered_value_is_refused() -> None:
    [sealed] = protected("encrypt", ["x"])
    # Not the last character: some of its bits may stand for nothing.
    broken = sealed[:-10] + ("A" if sealed[-10] != "A" else "B") + sealed[-9:]
    with pytest.raises(DataError, match="damaged"):
        protected("decrypt", [broken])


@pytest.mark.parametrize(
    ("rule", "values", "wanted"),
    [
        ("redact", ["x", None], ["***", None]),
        ("redact", [1, None], ["***", None]),
        ({"action": "truncate", "length": 2}, ["Åsa", None, ""], ["Ås", None, ""]),
        ({"action": "truncate", "length": 4}, [date(2020, 5, 6)], ["2020"]),
        (
            {"action": "generalize", "to": "month"},
            [date(2020, 5, 6), None],
            [date(2020, 5, 1), None],
        ),
        (
            {"action": "generalize", "to": "year"},
            [datetime(2020, 5, 6, 7, tzinfo=UTC)],
            [datetime(2020, 1, 1, tzinfo=UTC)],
        ),
        (
            {"action": "generalize", "to": "/24"},
            ["203.0.113.77", "2001:db8:1:2::3", "Anna", None, "::ffff:203.0.113.77", "999.1.1.1"],
            ["203.0.113.0/24", "2001:db8:1::/48", "***", None, "203.0.113.0/24", "***"],
        ),
        ({"action": "generalize", "to": "/16"}, ["203.0.113.77"], ["203.0.0.0/16"]),
        (
            {"action": "generalize", "to": "/64"},
            ["2001:db8:1:2:3::4", "203.0.113.77"],
            ["2001:db8:1:2::/64", "203.0.113.0/24"],
        ),
        ("keep", ["x"], ["x"]),
    ],
)
def test_actions_without_a_key(rule: Any, values: list[Any], wanted: list[Any]) -> None:
    assert protected(rule, values, key=None) == wanted


def test_drop_removes_the_column_and_the_masked_are_listed() -> None:
    privacy = Privacy(plan(a="drop", b="hash", c="keep", missing="hash"), key=KEY)
    batch = privacy.apply(pa.RecordBatch.from_pydict({"a": [1], "b": ["x"], "c": ["y"], "d": [2]}))
    assert batch.schema.names == ["b", "c", "d"]
    assert batch.schema.field("b").metadata[PII] == b"hash"
    assert [(m.name, m.action) for m in privacy.masked] == [("a", "drop"), ("b", "hash")]


def test_a_batch_without_personal_columns_is_passed_on_as_it_is() -> None:
    batch = pa.RecordBatch.from_pydict({"d": [2]})
    assert Privacy(plan(a="hash"), key=KEY).apply(batch) is batch


@pytest.mark.parametrize("action", ["hash", "encrypt", "decrypt", "tokenize"])
def test_a_keyed_action_without_a_key_is_refused_at_once(action: str) -> None:
    with pytest.raises(ConfigurationError, match=r"columns a .*privacy\.key"):
        Privacy(plan(a=action), key=None)
    with pytest.raises(ConfigurationError):
        Sealer(plan(a=action), None)


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Privacy(plan(a="hash"), key=b"hunter2")
    assert "hunter2" not in str(caught.value)


def test_generalizing_a_column_of_the_wrong_type_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"contract\.columns\.a"):
        protected({"action": "generalize", "to": "month"}, ["2020-05-06"])


def test_a_column_declared_by_its_source_name_is_refused_before_it_could_leak() -> None:
    with pytest.raises(ConfigurationError, match="user_email"):
        Privacy(plan(UserEmail="hash"), key=KEY)


def reject(record: str, *, stage: str = "contract", reason: str = "bad") -> pa.RecordBatch:
    return rejects([record], stage=stage, reason=[reason])


@settings(deadline=None)
@given(st.text())
def test_with_a_key_a_record_is_sealed_and_can_be_unsealed(record: str) -> None:
    sealer = Sealer(plan(a="redact"), KEY)
    sealed = sealer.seal(reject(record))["record"][0].as_py()
    assert sealed.startswith("v1:")
    assert sealer.unseal(sealed) == record


def test_records_of_an_import_without_personal_columns_stay_readable() -> None:
    batch = reject("{}")
    assert Sealer({}, KEY).seal(batch) is batch
    assert Sealer({}, None).unseal("{}") == "{}"


def test_a_sealed_record_needs_the_key_that_sealed_it() -> None:
    sealed = Sealer(plan(a="redact"), KEY).seal(reject("{}"))["record"][0].as_py()
    for other in (
        Sealer(plan(a="redact"), None),
        Sealer(plan(a="redact"), b"another sixteen bytes!"),
    ):
        with pytest.raises(ConfigurationError):
            other.unseal(sealed)


def test_without_a_key_personal_fields_are_redacted_by_either_name_at_any_depth() -> None:
    columns = {
        "email": ColumnPlan(pii="redact"),  # type: ignore[arg-type]
        "name": ColumnPlan(pii="drop", source_name="Full Name"),  # type: ignore[arg-type]
        "city": ColumnPlan(pii="keep"),  # type: ignore[arg-type]
    }
    record = {
        "E-Mail": 1,
        "Email": "a@b.se",
        "Full Name": "Anna",
        "city": "Umeå",
        "x": [{"email": "c"}],
    }
    sealed = Sealer(columns, None).seal(reject(json.dumps(record)))["record"][0].as_py()
    assert json.loads(sealed) == {
        "E-Mail": 1,
        "Email": "***",
        "city": "Umeå",
        "x": [{"email": "***"}],
    }


@pytest.mark.parametrize(
    ("record", "stage"), [("a,b,anna@example.com", "contract"), ('{"line": "anna"}', "source")]
)
def test_without_a_key_a_record_that_cannot_be_redacted_is_withheld(
    record: str, stage: str
) -> None:
    sealed = Sealer(plan(a="redact"), None).seal(reject(record, stage=stage))["record"][0].as_py()
    assert "anna" not in sealed
    assert "withheld" in json.loads(sealed)


@pytest.mark.parametrize("key", [KEY, None])
def test_a_personal_value_in_a_reason_is_blotted_out(key: bytes | None) -> None:
    batch = reject('{"Email": "a@b.se", "n": 1}', reason="'a@b.se' is not a bigint")
    sealed = Sealer(plan(email="redact"), key).seal(batch)
    assert sealed["reason"][0].as_py() == "'***' is not a bigint"
