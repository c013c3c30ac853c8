"""How a source's names become a table's names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.transforms.naming import require_snake_case, snake_case


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Track Name", "track_name"),
        ("trackName", "track_name"),
        ("HTTPServer", "http_server"),
        ("userIDs", "user_ids"),
        ("ISRC", "isrc"),
        ("utm2Source", "utm2_source"),
        ("Größe (cm)", "große_cm"),
        ("_id", "_id"),
        ("2020", "_2020"),
        ("%", "column_3"),
        ("", "column_3"),
        ("名前", "名前"),
        ("album.release-date", "album_release_date"),
    ],
)
def test_a_name_becomes_snake_case(name: str, wanted: str) -> None:
    assert snake_case(name, position=3) == wanted


@settings(deadline=None)
@given(st.text(max_size=120))
def test_applying_it_twice_changes_nothing_and_it_fits_every_warehouse(name: str) -> None:
    once = snake_case(name)
    assert snake_case(once) == once
    assert 1 <= len(once.encode()) <= 63


def test_two_long_names_that_differ_at_their_end_stay_apart() -> None:
    assert snake_case("a" * 80 + "1") != snake_case("a" * 80 + "2")


def test_a_column_declared_by_its_source_name_is_refused_with_the_right_form() -> None:
    with pytest.raises(ConfigurationError, match="write user_email"):
        require_snake_case(["userEmail"])
