"""The mixpanel source as every source must be, once for each kind of progress."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from airflow_provider_spotify.core.sources.analytics.mixpanel import MixpanelSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.core.sources.analytics.mixpanels import END, START, mixpanel
from tests.services.mixpanel_api import events
from tests.services.mixpanel_api.server import MixpanelApi


class _Mixpanel(SourceConformance):
    """What the suites share: a server of their own for each test."""

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with MixpanelApi() as self.api:
            yield


class TestExport(_Mixpanel):
    """Days of events, oldest first, without a lookback."""

    expected_rows = 480

    @pytest.fixture(autouse=True)
    def _until(self) -> None:
        self.end = END

    def make_source(self) -> MixpanelSource:
        return mixpanel(self.api, lookback="0s", end=self.end)

    def make_empty(self) -> MixpanelSource:
        return mixpanel(self.api, start="2025-01-01T00:00:00Z", end="2025-01-04T00:00:00Z")

    def make_bad_credentials(self) -> MixpanelSource:
        return mixpanel(self.api, secret="mp-secret-wrong-51")

    def add_more(self) -> int:
        day = events.FIRST + timedelta(days=4)
        self.api.days[day] = events.days(5, each=120)[day]
        self.end = "2026-03-06T00:00:00Z"
        return 120


class TestExportByClock(_Mixpanel):
    """The same in a project of another time zone."""

    expected_rows = 480

    def make_source(self) -> MixpanelSource:
        return mixpanel(
            self.api,
            timezone="America/Los_Angeles",
            start="2026-03-01T08:00:00Z",
            end="2026-03-05T08:00:00Z",
            days_per_request=2,
        )


class TestProfiles(_Mixpanel):
    """Profiles, in pages of a session."""

    expected_rows = 23

    def make_source(self) -> MixpanelSource:
        return mixpanel(self.api, resource="profiles", batch_size=5, end=START)

    def make_bad_credentials(self) -> MixpanelSource:
        return mixpanel(self.api, resource="profiles", secret="mp-secret-wrong-51")
