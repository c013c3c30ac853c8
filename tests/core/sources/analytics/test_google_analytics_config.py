"""The google_analytics source's config: what the API would refuse is found in the YAML."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.sources.analytics._google_analytics_config import (
    GoogleAnalyticsConfig,
)
from tests.core.sources.analytics.reports import GIVEN, SPAN


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"properties": ["UA-1234-5"]}, "no number of a GA4 property"),
        ({"metrics": []}, "report needs metrics"),
        ({"start": None}, "report needs start"),
        ({"dimensions": [f"customEvent:{n}" for n in range(9)]}, "at most 9 dimensions"),
        ({"dimensions": ["country", "country"]}, "named twice"),
        ({"timezone": "Mars/Base"}, "no time zone"),
        ({"dimension_filter": {}}, "exactly one of andGroup"),
        ({"dimension_filter": {"filter": {"fieldName": "city"}}}, "'city' needs exactly one"),
        ({"dimension_filter": {"filter": {"fieldname": "city"}}}, "fieldName"),
        ({"order_bys": [{"desc": True}]}, "either dimension or metric"),
        ({"pivots": [{"fieldNames": ["country"]}]}, "report has no pivots"),
        ({"resource": "pivot_report"}, "pivot_report needs pivots"),
        (
            {"resource": "pivot_report", "pivots": [{"fieldNames": ["country"]}]},
            "stands in exactly one pivot",
        ),
        (
            {
                "resource": "pivot_report",
                "pivots": [{"fieldNames": ["country"]}, {"fieldNames": ["city"]}],
            },
            "needs a limit",
        ),
    ],
)
def test_a_request_that_the_api_would_refuse_is_found_in_the_yaml(
    changes: dict[str, Any], said: str
) -> None:
    """The message says what is wrong, before anything is asked."""
    with pytest.raises(ValidationError, match=said):
        GoogleAnalyticsConfig(**{**GIVEN, **SPAN, **changes})


def test_a_property_may_be_written_as_the_api_writes_it() -> None:
    """``properties/1`` and 1 are the same."""
    given = {**GIVEN, **SPAN, "properties": ["properties/1", 2]}
    assert GoogleAnalyticsConfig(**given).properties == ("1", "2")
