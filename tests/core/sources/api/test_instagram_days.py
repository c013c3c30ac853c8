"""What Meta counts by the days of Los Angeles: insights of accounts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from airflow_provider_spotify.core.testing.sources import read
from tests.services.instagram_api.fixtures import api, instagram, rows
from tests.services.instagram_api.server import InstagramApi
from tests.services.instagram_api.state import ACCOUNT

__all__ = ["api"]


def test_account_insights_are_by_the_days_of_los_angeles(api: InstagramApi) -> None:
    """Each day of it is one request, also where its clocks are changed."""
    source = instagram(
        api,
        "account_insights",
        start=datetime(2026, 3, 6, tzinfo=UTC),
        end=datetime(2026, 3, 11, tzinfo=UTC),
        metrics=["reach", "views"],
        breakdown="media_product_type",
    )
    found = rows(read(source))
    assert sorted({row["day"] for row in found}) == [date(2026, 3, n) for n in range(6, 11)]
    whole = [row for row in found if row["breakdown"] == ""]
    assert {(row["day"].toordinal() % 1000 + 5, row["value"]) for row in whole} == {
        (row["value"], row["value"]) for row in whole
    }
    parts = {(row["value_of"], row["value"]) for row in found if row["breakdown"]}
    assert parts == {("REEL", 3), ("AD", 4)}


def test_series_are_asked_for_twenty_nine_days_at_once(api: InstagramApi) -> None:
    """Sixty-five days are three requests."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    source = instagram(api, "account_series", start=start, end=start + timedelta(days=65))
    found = rows(read(source))
    assert len(found) == 2 * 65
    assert min(row["end_time"] for row in found) == datetime(2026, 1, 2, 8, tzinfo=UTC)
    assert len(api.asked(f"/v26.0/{ACCOUNT}/insights")) == 3


def test_series_are_read_where_clocks_go_back(api: InstagramApi) -> None:
    """Thirty days with an hour more would be refused: more than 30 days between the bounds."""
    start = datetime(2025, 10, 20, tzinfo=UTC)
    source = instagram(api, "account_series", start=start, end=start + timedelta(days=60))
    ends = {row["end_time"] for row in rows(read(source))}
    assert len(ends) == 60
    assert {datetime(2025, 11, 2, 7, tzinfo=UTC), datetime(2025, 11, 3, 8, tzinfo=UTC)} <= ends


def test_days_are_read_to_the_last_whole_one(api: InstagramApi) -> None:
    """Without an end the day that has begun in Los Angeles is left for later."""
    zone = ZoneInfo("America/Los_Angeles")
    before = datetime.now(zone).date()
    source = instagram(api, "account_series", start=datetime.now(UTC) - timedelta(days=5))
    days = [row["end_time"].astimezone(zone).date() for row in rows(read(source))]
    assert before <= max(days) <= datetime.now(zone).date()
