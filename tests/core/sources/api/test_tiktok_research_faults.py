"""The Research API's spans and searches under the fault plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.tiktok import TiktokConfig, TiktokSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.tiktok_api.server import KEY, SECRET, TiktokApi

_WHERE = {"operation": "IN", "field_name": "region_code", "field_values": ["SE", "US"]}


class TestResearchVideosFaults(WebFaults):
    """Spans of thirty days, read at the same time, each with pages of a search."""

    data = r"^/v2/research/video/query/$"
    error_bodies = (
        {"data": {}, "error": {"code": "internal_error", "message": "no", "log_id": "1"}},
        {"data": {}, "error": {"code": "timeout", "message": "no", "log_id": "1"}},
        {"error": {"code": 500, "message": "backend failed"}},
    )

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with TiktokApi(found=400) as self.server:
            self.server.quota = 10**6
            self.server.limits.clear()
            yield
        forget_tokens()

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> TiktokSource:
        extra = {"api_url": f"{url}/v2", "token_url": f"{url}/v2/oauth/token/"}
        credentials = Credentials(login=KEY, password=SecretStr(SECRET), extra=extra)
        config = {
            "resource": "research_videos",
            "research": True,
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-04-20T00:00:00Z",
            "query": {"and": [_WHERE]},
            "batch_size": 50,
            "timeout": "3s",
            "retry_attempts": 2,
        }
        return TiktokSource(TiktokConfig.model_validate(config), credentials=credentials)
