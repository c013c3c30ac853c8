"""The amplitude source as every source must be, once for each kind of progress."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from airflow_provider_spotify.core.sources.analytics.amplitude import AmplitudeSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.core.sources.analytics.amplitudes import END, START, amplitude
from tests.services.amplitude_api import events
from tests.services.amplitude_api.server import AmplitudeApi


class _Amplitude(SourceConformance):
    """What the suites share: a server of their own for each test."""

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with AmplitudeApi() as self.api:
            yield


class TestEvents(_Amplitude):
    """Hours of events, oldest first."""

    expected_rows = 480

    @pytest.fixture(autouse=True)
    def _until(self) -> None:
        self.end = END

    def make_source(self) -> AmplitudeSource:
        return amplitude(self.api, end=self.end)

    def make_empty(self) -> AmplitudeSource:
        return amplitude(self.api, start="2025-01-01T00:00:00Z", end="2025-01-01T09:00:00Z")

    def make_bad_credentials(self) -> AmplitudeSource:
        return amplitude(self.api, secret="amp-secret-wrong-77")

    def add_more(self) -> int:
        later = events.FIRST + timedelta(hours=12)
        self.api.hours |= events.hours(2, each=40, first=later)
        self.end = "2026-03-01T14:00:00Z"
        return 80


class TestEventsInHalves(_Amplitude):
    """Spans that are too large for one export."""

    expected_rows = 480

    def make_source(self) -> AmplitudeSource:
        self.api.most = 90
        return amplitude(self.api, hours_per_request=5)


class TestCohortMembers(_Amplitude):
    """The members of cohorts, one cohort after the other."""

    expected_rows = 74

    def make_source(self) -> AmplitudeSource:
        self.api.polls = 0
        self.api.members |= {
            f"c{n}": [(str(n * 100 + m), "") for m in range(n)] for n in range(2, 10)
        }
        return amplitude(
            self.api,
            resource="cohort_members",
            cohorts=[*self.api.members, "c1"],
            batch_size=5,
            end=START,
        )
