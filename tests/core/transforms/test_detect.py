"""Which values look personal, and which only seem to."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.transforms.detect import Detector, kind_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("anna.svensson@example.com", "e-mail"),
        ("write to anna@example.co.uk today", "e-mail"),
        ("+46 70 123 45 67", "phone"),
        ("+1 (555) 123-4567", "phone"),
        ("(555) 123-4567", "phone"),
        ("555-123-4567", "phone"),
        ("070-123 45 67", "phone"),
        ("203.0.113.77", "ip"),
        ("2606:4700:4700::1111", "ip"),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("GB82WEST12345698765432", "iban"),
        ("4111 1111 1111 1111", "card"),
        ("4111111111111111", "card"),
        ("3782-822463-10005", "card"),
        ("GB82WEST12345698765433", None),
        ("4111 1111 1111 1112", None),
        ("1234567890123456", None),
        ("20190614103322", None),
        ("1718360000000", None),
        ("2019-06-14", None),
        ("14-06-2019", None),
        ("14.06.2019 10:30", None),
        ("2019-06-14 10:33:22", None),
        ("12:30:45", None),
        ("00:03:25.120", None),
        ("1.2.3.4", None),
        ("10.0.19041.1", None),
        ("2.31.0", None),
        ("239.99999999990004", None),
        ("-12.5", None),
        ("+12.5", None),
        ("5468", None),
        ("978-3-16-148410-0", None),
        ("1234-5678-9012", None),
        ("6f5902ac-2370-4d1a-9a63-5f6a2b1c0d9e", None),
        ("37i9dQZF1DXcBWIGoYBM5M", None),
        ("spotify:track:6rqhFgbbKwnb9MLmUQDhG6", None),
        ("user@", None),
        ("@handle", None),
        ("", None),
        ("867-5309/Jenny", None),
        ("1999-2003", None),
    ],
)
def test_a_value_looks_like_what_it_is(text: str, kind: str | None) -> None:
    assert kind_of(text) == kind


def batch(**columns: list[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({k: pa.array(v, pa.string()) for k, v in columns.items()})


def test_a_column_is_found_when_a_twentieth_of_it_and_at_least_three_values_match() -> None:
    mails: list[str | None] = [f"u{i}@example.com" for i in range(3)]
    detector = Detector(set())
    plain: list[str | None] = ["x"] * 57
    detector.observe(batch(many=mails + plain, rare=mails + plain, two=[*plain, *mails[:2], None]))
    detector.observe(batch(many=[None], rare=["x"], two=[None]))
    assert detector.found == {"many": "e-mail"}


def test_declared_columns_are_not_looked_at() -> None:
    detector = Detector({"email"})
    detector.observe(batch(email=["a@example.com"] * 10))
    assert detector.found == {}


def test_numbers_that_pass_luhn_by_chance_are_no_cards() -> None:
    ids = [str(4_000_000_000_000_000 + i) for i in range(500)]
    detector = Detector(set())
    detector.observe(batch(id=list(ids)))
    assert detector.found == {}


def test_personal_data_that_comes_late_is_found_by_later_samples() -> None:
    detector = Detector(set())
    for number in range(200):
        late = number > 60
        detector.observe(batch(a=["a@example.com" if late else "x"] * 400))
    assert detector.found == {"a": "e-mail"}
