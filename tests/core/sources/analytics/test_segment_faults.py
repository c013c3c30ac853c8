"""The segment source when its APIs fail, cut, shift and redirect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.analytics._segment_config import SegmentConfig
from airflow_provider_spotify.core.sources.analytics.segment import SegmentSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.segment_api.server import PUBLIC, SPACE, TOKEN, USERS, SegmentApi


class _Faults(WebFaults):
    alone = False  # a page does not say whose it is

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with SegmentApi(events=250) as self.api:
            yield

    def upstream(self) -> str:
        return self.api.url

    def source(self, url: str, token: str, **config: Any) -> SegmentSource:
        given = {
            "api_url": url,
            "space": SPACE,
            "timeout": "3s",
            "retry_attempts": 2,
            "batch_size": 100,
            "end": "2026-11-20T00:00:00Z",
            **config,
        }
        return SegmentSource(
            SegmentConfig(**given), credentials=Credentials(password=SecretStr(token))
        )


class TestProfileEventsFaults(_Faults):
    """Two profiles of three pages each."""

    data = "/events$"
    error_bodies: ClassVar[tuple[Any, ...]] = (
        {"error": {"code": "invalid_request_error", "message": "backend failed"}},
    )
    identity = ("message_id",)

    def make_source(self, url: str) -> SegmentSource:
        return self.source(url, TOKEN, resource="profile_events", profiles=USERS[:2])

    def insert(self) -> int:
        return self.api.add(USERS[0])


class TestTrackingPlanRulesFaults(_Faults):
    """Two plans of three pages each."""

    data = "/rules$"
    error_bodies: ClassVar[tuple[Any, ...]] = (
        {"errors": [{"type": "server", "message": "backend failed"}]},
    )
    identity = ("tracking_plan_id", "key")

    def make_source(self, url: str) -> SegmentSource:
        return self.source(url, PUBLIC, resource="tracking_plan_rules", plans=["tp_0", "tp_1"])

    def insert(self) -> bool:
        with self.api.lock:
            self.api.rules["tp_0"].insert(0, {**self.api.rules["tp_0"][0], "key": "New"})
        return True

    def delete(self) -> bool:
        with self.api.lock:
            self.api.rules["tp_0"].pop(0)
        return True
