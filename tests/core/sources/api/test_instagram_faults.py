"""The instagram source under the fault plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.instagram import InstagramConfig, InstagramSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.instagram_api.server import TOKEN, InstagramApi
from tests.services.instagram_api.state import ACCOUNT


class TestMediaFaults(WebFaults):
    """A listing newest first, by cursors that end."""

    data = r"^/v26.0/\d+/media$"
    error_bodies = (
        {"error": {"code": 1, "message": "An unknown error occurred", "type": "OAuthException"}},
        {"error": {"code": 2, "message": "try again", "is_transient": True}},
        {"error": {"code": 500, "message": "backend failed"}},
        {"errors": [{"message": "backend failed"}]},
    )

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with InstagramApi(media=45) as self.server:
            yield
        forget_tokens()

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> InstagramSource:
        config = {
            "resource": "media",
            "page_size": 10,
            "batch_size": 10,
            "timeout": "3s",
            "retry_attempts": 2,
        }
        extra = {"api_url": url, "account_id": ACCOUNT}
        credentials = Credentials(password=SecretStr(TOKEN), extra=extra)
        return InstagramSource(InstagramConfig.model_validate(config), credentials=credentials)

    def insert(self) -> object:
        return self.server.data.add(1)

    def delete(self) -> object:
        with self.server.lock:
            return self.server.data.media.pop(3)
