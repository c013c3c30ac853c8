"""The tiktok source under the fault plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.tiktok import TiktokConfig, TiktokSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.tiktok_api.server import KEY, REFRESH, SECRET, TiktokApi


def _error(code: str) -> dict[str, object]:
    return {"data": {}, "error": {"code": code, "message": "no", "log_id": "1"}}


class TestVideosFaults(WebFaults):
    """A listing newest first, whose errors come with status 200, too."""

    data = r"^/v2/video/list/$"
    error_bodies = (
        *map(_error, ("internal_error", "access_token_invalid", "invalid_params", "spam_risk_x")),
        {"data": {"videos": [], "has_more": False, "cursor": 0}},
        {"error": {"code": "ok", "message": ""}},
    )

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with TiktokApi(videos=90) as self.server:
            self.server.limits.clear()
            self.server.tokens.rotate = False  # each reading here begins without what is known
            yield
        forget_tokens()

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> TiktokSource:
        extra = {
            "api_url": f"{url}/v2",
            "token_url": f"{url}/v2/oauth/token/",
            "refresh_token": REFRESH,
        }
        credentials = Credentials(login=KEY, password=SecretStr(SECRET), extra=extra)
        config = TiktokConfig.model_validate(
            {"resource": "videos", "batch_size": 20, "timeout": "3s", "retry_attempts": 2}
        )
        return TiktokSource(config, credentials=credentials)

    def insert(self) -> object:
        return self.server.data.add(1)

    def delete(self) -> object:
        with self.server.lock:
            return self.server.data.videos.pop(3)
