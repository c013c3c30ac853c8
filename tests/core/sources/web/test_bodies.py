"""An answer that is no page is an error; a page without records is none."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.bodies import require_page


@pytest.mark.parametrize(
    ("body", "path", "always"),
    [
        ({"items": []}, "items", None),
        ({"items": None}, "items", None),
        ({"data": {"items": [1]}}, "data.items", None),
        ({"data": None}, "data.items", None),
        ({"data": [{"items": [1]}, {}]}, "data.items", None),
        ({"@odata.next": 1, "odata.value": []}, "odata.value", None),
        ([{"items": [1]}], "items", None),
        ([], None, None),
        ({"id": 1}, None, None),
        ({"meta": {"result_count": 0}}, "data", "meta.result_count"),
    ],
)
def test_a_page_passes(body: Any, path: str | None, always: str | None) -> None:
    """Records, none of them, or what the API always answers, are a page."""
    require_page(body, path, always=always, name="plays")


@pytest.mark.parametrize(
    ("body", "path", "always"),
    [
        (None, None, None),
        (None, "items", None),
        ([], "items", None),
        ("text", "items", None),
        ({}, "items", None),
        ({"error": {"code": 500}}, "items", None),
        ({"data": {}}, "data.items", None),
        ({"errors": [{}]}, "data", "meta.result_count"),
    ],
)
def test_another_body_is_an_error(body: Any, path: str | None, always: str | None) -> None:
    """A body of another shape names the listing and what it lacks."""
    with pytest.raises(DataError, match="plays: "):
        require_page(body, path, always=always, name="plays")
