"""The mixpanel source when its server fails, cuts and redirects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from airflow_provider_spotify.core.sources.analytics.mixpanel import MixpanelSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.core.sources.analytics.mixpanels import START, mixpanel
from tests.services.mixpanel_api.server import MixpanelApi


class _Mixpanel(WebFaults):
    """What the suites share."""

    error_bodies: ClassVar[tuple[Any, ...]] = (
        {"code": 500, "error": "query failed", "status": "error"},
        {"error": "timeout", "request": "/api/2.0/export"},
    )

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with MixpanelApi() as self.api:
            yield

    def upstream(self) -> str:
        return self.api.url


class TestExportFaults(_Mixpanel):
    """Four days, each an export."""

    data = r"/export$"
    excused: ClassVar[Mapping[str, str]] = {
        "empty": "an empty answer is how Mixpanel says that a day has no events",
        "expired_page": "an export has no pages",
    }

    def make_source(self, url: str) -> MixpanelSource:
        return mixpanel(
            self.api,
            url=url,
            timeout="3s",
            retry_attempts=2,
            lookback="0s",
            max_export_bytes=20 * 2**20,
        )


class TestProfilesFaults(_Mixpanel):
    """Profiles, in pages of a session."""

    data = r"/engage$"
    restarts = "a session that has ended is begun anew"

    def make_source(self, url: str) -> MixpanelSource:
        return mixpanel(
            self.api,
            url=url,
            resource="profiles",
            timeout="3s",
            retry_attempts=2,
            batch_size=5,
            end=START,
        )
