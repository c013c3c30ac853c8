"""The insights of media under the fault plan: the requests within a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.instagram import InstagramConfig, InstagramSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.instagram_api.server import TOKEN, InstagramApi
from tests.services.instagram_api.state import ACCOUNT


class TestMediaInsightsFaults(WebFaults):
    """A broken answer for one media never becomes figures that are null."""

    data = r"^/v26.0/\d+/insights$"
    excused: ClassVar[Mapping[str, str]] = {
        "duplicate": "figures do not say surely which media they are of"
    }
    error_bodies = (
        {"error": {"code": 1, "message": "An unknown error occurred", "type": "OAuthException"}},
        {"errors": [{"message": "backend failed"}]},
    )

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with InstagramApi(media=24) as self.server:
            yield
        forget_tokens()

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> InstagramSource:
        config = {
            "resource": "media_insights",
            "page_size": 6,
            "batch_size": 6,
            "timeout": "3s",
            "retry_attempts": 2,
        }
        extra = {"api_url": url, "account_id": ACCOUNT}
        credentials = Credentials(password=SecretStr(TOKEN), extra=extra)
        return InstagramSource(InstagramConfig.model_validate(config), credentials=credentials)
