"""The amplitude source when its server fails, cuts and redirects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from airflow_provider_spotify.core.sources.analytics.amplitude import AmplitudeSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.core.sources.analytics.amplitudes import amplitude
from tests.services.amplitude_api.server import AmplitudeApi


class TestEventsFaults(WebFaults):
    """Four spans of three hours, each an archive."""

    data = r"/export$"
    error_bodies: ClassVar[tuple[Any, ...]] = (
        {"error": {"http_code": 500, "message": "export failed"}},
    )
    excused: ClassVar[Mapping[str, str]] = {"expired_page": "an export has no pages"}

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with AmplitudeApi() as self.api:
            yield

    def upstream(self) -> str:
        return self.api.url

    def make_source(self, url: str) -> AmplitudeSource:
        return amplitude(
            self.api, url=url, timeout="3s", retry_attempts=2, max_export_bytes=20 * 2**20
        )
